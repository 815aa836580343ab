"""Bifrost's `governance`: virtual keys, their limits and budgets.

Source: the sections of that name in transports/config.schema.json of github.com/maximhq/bifrost, and
https://docs.getbifrost.ai/deployment-guides/config-json/governance. A virtual key with no provider may ask for nothing;
windows are written `1m`, `1h`, `1d`, `1w`, `1M`, `1Y`. Routing rules are conditions in CEL, which are written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.bifrost_values import referred
from gateway.importing.draft import Draft, plain_number
from gateway.importing.imported import Account, Path
from gateway.importing.secrets import is_variable, variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole

_SPANS: Final = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month"}
_ROLLING: Final = {"m": "m", "h": "h", "d": "d", "w": "w", "M": "d", "Y": "d"}


def governance(said: Mapping[str, Any], routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    """Keys, budgets and limits of the section."""
    base: Path = ("governance",)
    limits = {
        str(row.get("id")): (row, index)
        for index, row in enumerate(items(said.get("rate_limits")))
        if isinstance(row, dict)
    }
    keys: dict[str, str] = {}
    for index, row in enumerate(items(said.get("virtual_keys"))):
        if isinstance(row, dict):
            _virtual_key(row, (*base, "virtual_keys", index), routes, limits, keys, draft, account)
    for index, row in enumerate(items(said.get("budgets"))):
        if isinstance(row, dict):
            _budget(row, (*base, "budgets", index), keys, draft, account)
    if "routing_rules" in said:
        account.manual(
            (*base, "routing_rules"),
            (),
            "A condition in CEL is written by hand: a combo with `strategy: when`, or a policy with `do: {route: …}`.",
        )
    if "auth_config" in said:
        account.unsupported((*base, "auth_config"), "There is no user interface to sign in to.")


def _virtual_key(
    row: Mapping[str, Any], path: Path, routes: Mapping[str, str], limits: Mapping[str, tuple[Mapping[str, Any], int]],
    keys: dict[str, str], draft: Draft, account: Account,
) -> None:  # fmt: skip
    wish = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(row.get("name")) or text_of(row.get("id")) or "key").strip("-._")
        or "key"
    )
    name = wish if wish not in draft.keys else f"{wish}-{len(draft.keys) + 1}"
    text, env = referred(row.get("value"))
    place: Path = ("keys", name)
    variable_name = env if env is not None and is_variable(env) else draft.names.of(text or name, variable(name, "KEY"))
    entry: dict[str, Any] = {"from": {"env": variable_name}}
    if env is not None:
        account.exact((*path, "value"), place)
    elif "value" in row:
        account.manual(
            (*path, "value"),
            place,
            f"It is written out: put it, of 16 characters or more, into the variable {variable_name}.",
        )
    else:
        account.manual(
            (*path, "name"), place, f"Its value is in Bifrost's database: put it into the variable {variable_name}."
        )
    account.exact((*path, "name"), place)
    account.exact((*path, "id"), place, "It names the key for budgets and limits.")
    if truth(row.get("is_active")) is False:
        entry["disabled"] = True
    if "is_active" in row:
        account.exact((*path, "is_active"), place)
    allow: list[str] = []
    for index, config in enumerate(items(row.get("provider_configs"))):
        said = mapping(config)
        provider = text_of(said.get("provider")) or ""
        here: Path = (*path, "provider_configs", index)
        models = [each for each in items(said.get("allowed_models")) if isinstance(each, str)] or ["*"]
        for model in models:
            allow.extend(_granted(f"{provider}/{model}", routes))
        account.approximate(
            (*here, "provider"), (*place, "allow"), "It grants; which provider serves a bare name is not drawn here."
        )
        account.approximate((*here, "allowed_models"), (*place, "allow"), "Names as they are asked for here.")
        if "weight" in said:
            account.unsupported(
                (*here, "weight"), "A key's own shares between providers do not exist: write a combo and allow it."
            )
    if allow:
        entry["allow"] = list(dict.fromkeys(allow))
    elif "provider_configs" in row:
        entry["disabled"] = True
    limit = limits.get(str(row.get("rate_limit_id")))
    if limit is not None:
        found = _limits(limit[0], ("governance", "rate_limits", limit[1]), (*place, "limits"), account)
        if found:
            entry["limits"] = found
            account.exact((*path, "rate_limit_id"), (*place, "limits"))
    draft.keys[name] = entry
    keys[str(row.get("id"))] = name


def _granted(wanted: str, routes: Mapping[str, str]) -> list[str]:
    prefix = wanted.removesuffix("*")
    if wanted.endswith("/*"):
        return [wanted] if any(route.startswith(prefix) for route in routes.values()) else []
    if wanted in routes:
        return [routes[wanted]]
    provider = wanted.partition("/")[0]
    return [wanted] if f"{provider}/*" in routes and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", wanted) else []


def _limits(row: Mapping[str, Any], path: Path, place: Path, account: Account) -> dict[str, str]:
    found: dict[str, str] = {}
    for theirs, ours in (("request", "requests"), ("token", "tokens")):
        most = whole(row.get(f"{theirs}_max_limit"))
        match = re.fullmatch(r"1([mhdwM])", text_of(row.get(f"{theirs}_reset_duration")) or "")
        if most and match:
            found[ours] = f"{most}/{_SPANS[match[1]]}"
            for word in ("max_limit", "reset_duration"):
                account.approximate(
                    (*path, f"{theirs}_{word}"), (*place, ours), "Over a sliding window; there it begins anew."
                )
        elif most:
            account.manual((*path, f"{theirs}_max_limit"), (), "A window is one minute, hour, day, week or month here.")
    account.exact((*path, "id"), place, "It names the limit.")
    return found


def _budget(row: Mapping[str, Any], path: Path, keys: Mapping[str, str], draft: Draft, account: Account) -> None:
    most = number(row.get("max_limit"))
    match = re.fullmatch(r"([1-9]\d{0,3})([mhdwMY])", text_of(row.get("reset_duration")) or "")
    owner = keys.get(str(row.get("virtual_key_id")))
    if most is None or most <= 0 or match is None or (owner is None and "virtual_key_id" in row):
        account.manual(path, (), "Write it under `budgets:`, with its `scope`.")
        return
    if owner is None:
        account.manual(path, (), "Whose it is stands elsewhere: write it under `budgets:`, with its `scope`.")
        return
    times = {"M": 30, "Y": 365}.get(match[2], 1)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(row.get("id")) or "budget").strip("-._") or "budget"
    name = name if name not in draft.budgets else f"{name}-{len(draft.budgets) + 1}"
    days = min(int(match[1]) * times, 366)
    draft.budgets[name] = {
        "limit": f"{plain_number(most)} USD", "per": f"{days}{_ROLLING[match[2]]}", "scope": {"key": owner},
    }  # fmt: skip
    for word in row:
        if word in ("max_limit", "reset_duration", "virtual_key_id", "id"):
            account.approximate(
                (*path, word), ("budgets", name), "The window rolls, and money is reserved before a request is sent."
            )
        else:
            account.unsupported(
                (*path, word), "It is a record of what was used, or aligned to the calendar: `per: month` does that."
            )
