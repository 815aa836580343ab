"""new-api's and one-api's channels, as their API lists them and their database exports them.

Source: model/channel.go, constant/channel.go and model/token.go of github.com/QuantumNous/new-api (one-api's rows
have a part of its fields). A channel serves the models of `models`, renamed upstream by `model_mapping`. Of the
channels of a model those of the highest `priority` are drawn from by `weight`; with `RetryTimes` the next priority
follows. A status other than 1 is disabled. Several keys stand in lines of `key`. `quota` is 500,000 to a dollar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft, plain_number, result
from gateway.importing.groups import Member, add_group
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.places import addressed, preset_of
from gateway.importing.secrets import credential, holds_secret, variable
from gateway.importing.source import mapping, number, text_of, truth, whole

NAME: Final = "new-api"
_QUOTA: Final = 500_000
# Channel types → (preset or wire, base URL where the row has none, what the other adds to a base URL).
_TYPES: Final[Mapping[int, tuple[str, str, str]]] = {
    1: ("openai", "https://api.openai.com", "/v1"),
    3: ("azure-classic", "", "/openai"),
    4: ("ollama", "http://localhost:11434", ""),
    8: ("openai-chat", "", ""),
    14: ("anthropic", "https://api.anthropic.com", "/v1"),
    17: ("dashscope", "https://dashscope.aliyuncs.com", "/compatible-mode/v1"),
    20: ("openrouter", "https://openrouter.ai/api", "/v1"),
    24: ("gemini", "https://generativelanguage.googleapis.com", "/v1beta"),
    25: ("moonshot", "https://api.moonshot.cn", "/v1"),
    26: ("zhipu", "https://open.bigmodel.cn", "/api/paas/v4"),
    27: ("perplexity", "https://api.perplexity.ai", ""),
    31: ("openai-chat", "https://api.lingyiwanwu.com", "/v1"),
    33: ("bedrock", "", ""),
    34: ("cohere", "https://api.cohere.ai", ""),
    35: ("minimax", "https://api.minimax.chat", "/v1"),
    40: ("siliconflow", "https://api.siliconflow.cn", "/v1"),
    41: ("vertex", "", ""),
    42: ("mistral", "https://api.mistral.ai", "/v1"),
    43: ("deepseek", "https://api.deepseek.com", "/v1"),
    45: ("openai-chat", "https://ark.cn-beijing.volces.com", "/api/v3"),
    47: ("openai-chat", "", "/v1"),
    48: ("xai", "https://api.x.ai", "/v1"),
    53: ("openai-chat", "https://llm.submodel.ai", "/v1"),
}
_PROTOCOLS: Final = {"anthropic": "anthropic", "gemini": "gemini", "ollama": "ollama", "cohere": "cohere"}
_PAST: Final = frozenset(
    [
        "created_time",
        "test_time",
        "response_time",
        "balance",
        "balance_updated_time",
        "used_quota",
        "accessed_time",
        "request_count",
        "used_count",
        "need_reconcile",
        "other_info",
        "test_model",
        "remark",
        "user_id",
        "DeletedAt",
        "deleted_at",
    ]
)
_BY_HAND: Final[Mapping[str, str]] = {
    "expired_time": "Write `expires:`, a day.",
    "allow_ips": "Write a policy with `when: {not: {client_ip: […]}}`.",
    "group": "Write a policy with `require: {tags: […]}` for this key.",
}
_WHY: Final[Mapping[str, str]] = {
    "status_code_mapping": "A status is what the provider said, translated by kind.",
    "setting": "Write what is needed of it by hand.",
    "settings": "Write what is needed of it by hand.",
    "channel_info": "Keys of one provider are used in turn, each with its own health.",
}


def _lists(tree: Any) -> list[tuple[Path, list[Any]]]:
    """Every list that may hold rows, with its path: bare, under a name, or in an answer of the API."""
    if isinstance(tree, list):
        return [((), tree)]
    found: list[tuple[Path, list[Any]]] = []
    for path in (
        ("channels",),
        ("data",),
        ("data", "items"),
        ("data", "channels"),
        ("items",),
        ("tokens",),
        ("data", "tokens"),
    ):
        value = tree
        for step in path:
            value = mapping(value).get(step)
        if isinstance(value, list):
            found.append((path, value))
    return found


def _is_channel(row: Any) -> bool:
    return isinstance(row, dict) and "type" in row and "models" in row and isinstance(row["models"], str)


def _is_token(row: Any) -> bool:
    return isinstance(row, dict) and "remain_quota" in row and "unlimited_quota" in row


def looks_like(tree: Any) -> str | None:
    """Why a tree is an export of channels; None where it is not."""
    for _, rows in _lists(tree):
        if any(_is_channel(row) for row in rows):
            return "it has channels with a `type` and `models`"
    return None


def read(tree: Any) -> Imported:
    """The import of one export. Raises `Refused`."""
    draft, account = Draft(tree), Account()
    found = _lists(tree)
    channels = [((*path, index), row) for path, rows in found for index, row in enumerate(rows) if _is_channel(row)]
    if not channels:
        raise Refused("There are no channels in it: rows with `type`, `key`, `models`.")
    groups: dict[str, list[tuple[Member, Path]]] = {}
    for path, row in channels:
        _channel(row, path, groups, draft, account)
    routes: dict[str, str] = {}
    for name, group in groups.items():
        routes[name] = route = draft.route(name)
        members = [member for member, _ in group]
        if not any(member.weight for member in members) or len(members) == 1:
            for member in members:
                member.weight = None
        add_group(draft, route, members, "weighted")
    for path, row in channels:
        _told(row, path, routes, draft, account)
    for path, rows in found:
        for index, row in enumerate(rows):
            if _is_token(row):
                _token(row, (*path, index), routes, draft, account)
    for word in ("success", "message", "code"):
        account.exact((word,), (), "It belongs to the answer of the API.")
    for word in ("total", "page", "page_size", "type_counts"):
        account.exact(("data", word), (), "It belongs to the answer of the API.")
    account.unsupported(
        ("options",), "Options of the console are not read; limits, prices and groups are written here."
    )
    if not draft.keys:
        draft.gateway["auth"] = "open"
        account.differs("Who may call", "tokens of the database", "anybody, on this machine alone: write `keys:`")
    account.differs("Retries", "RetryTimes, 0 by default; each goes to the next priority", "every target in turn")
    account.differs("Shares", "a weight of 0 is drawn as well, all weights are smoothed", "weights as they are written")
    return result(NAME, draft, account, tree)


def _object(value: Any) -> dict[str, Any]:
    """JSON text as a mapping; an empty one where it is none."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str) or not value.strip().startswith("{"):
        return {}
    try:
        return mapping(json.loads(value))
    except (ValueError, RecursionError):
        return {}


def _channel(
    row: Mapping[str, Any], path: Path, groups: dict[str, list[tuple[Member, Path]]], draft: Draft, account: Account
) -> None:
    kind = whole(row.get("type"))
    if whole(row.get("status", 1)) != 1:
        account.unsupported(path, "It is disabled, so it was left out.")
        return
    if kind is None or kind not in _TYPES:
        account.unsupported(path, f"Left out. Nothing here speaks to channels of type {kind}.")
        return
    place = _TYPES[kind][0]
    name = text_of(row.get("name")) or f"channel-{path[-1]}"
    wish = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or f"channel-{path[-1]}"
    aside = Account()
    settings = _where(row, path, kind, wish, draft, aside)
    if place == "bedrock":
        settings["region"] = {"env": variable(wish, "REGION")}
    if place == "vertex":
        settings |= {"region": {"env": variable(wish, "REGION")}, "project": {"env": variable(wish, "PROJECT")}}
    keys = [each.strip() for each in str(row.get("key") or "").split("\n") if each.strip()]
    multi = truth(mapping(row.get("channel_info")).get("is_multi_key")) and len(keys) > 1
    at: Path = (*path, "key")
    key_place: Path = ("providers", wish, "api_keys" if multi else "api_key")
    if multi:
        pool = {
            f"key-{index + 1}": {"env": draft.names.of(each, variable(wish, "API_KEY", str(index + 1)))}
            for index, each in enumerate(keys)
        }
        settings["api_keys"] = pool
        names = ", ".join(each["env"] for each in pool.values())
        aside.manual(at, key_place, f"Put the keys into the environment variables {names}.")
    elif keys:
        settings["api_key"] = credential(
            aside, draft.names, at, "\n".join(keys), None, variable(wish, "API_KEY"), key_place
        )
    elif kind == 4:
        settings["api_key"] = "none"
        aside.exact(at, key_place, "None is needed.")
    else:
        settings["api_key"] = {"env": variable(wish, "API_KEY")}
        aside.manual(at, key_place, f"The export holds no key: put it into the variable {variable(wish, 'API_KEY')}.")
    if place == "bedrock":
        aside.manual(at, key_place, "It is ACCESS_KEY:SECRET_KEY here; the region goes into a variable of its own.")
    headers = draft.headers(aside, (*path, "header_override"), _object(row.get("header_override")), wish)
    if headers:
        settings["headers"] = headers
        aside.approximate(
            (*path, "header_override"), ("providers", wish, "headers"), "Values with placeholders are sent as they are."
        )
    organization = text_of(row.get("openai_organization"))
    if organization is not None and re.fullmatch(r"[A-Za-z0-9_-]+", organization):
        settings.setdefault("headers", {})["openai-organization"] = organization
        aside.exact((*path, "openai_organization"), ("providers", wish, "headers", "openai-organization"))
    tags = [each.strip() for each in str(row.get("group") or "").split(",") if each.strip()]
    if tags:
        settings["tags"] = tags
        aside.manual(
            (*path, "group"),
            ("providers", wish, "tags"),
            "Its groups are tags: a policy `require: {tags: […]}` keeps callers to them.",
        )
    provider = draft.provider(wish, settings)
    account.adopt(aside, ("providers", wish), ("providers", provider))
    account.exact((*path, "name"), ("providers", provider))
    account.exact((*path, "type"), ("providers", provider))
    upstream = _object(row.get("model_mapping"))
    extra = {each: value for each, value in _object(row.get("param_override")).items() if not holds_secret(value, each)}
    for model in [each.strip() for each in row["models"].split(",")]:
        if not model or "*" in model or any(other.provider == provider for other, _ in groups.get(model, ())):
            continue
        target = upstream.get(model)
        member = Member(
            provider,
            target if isinstance(target, str) and target and "*" not in target else model,
            {"request": {"set": extra}} if extra and "operations" not in extra else {},
            number(row.get("weight")) or 0,
            -int(number(row.get("priority")) or 0),
        )
        groups.setdefault(model, []).append((member, path))


def _where(row: Mapping[str, Any], path: Path, kind: int, wish: str, draft: Draft, aside: Account) -> dict[str, Any]:
    place, default, suffix = _TYPES[kind]
    url = text_of(row.get("base_url"))
    at: Path = (*path, "base_url")
    if "base_url" in row and url is None:
        aside.exact(at, ("providers", wish), "The default of its type.")
    if place in ("bedrock", "vertex"):
        return {"preset": place}
    if place == "azure-classic":
        settings: dict[str, Any] = {"preset": place}
        if url is None:
            settings["base_url"] = {"env": variable(wish, "BASE_URL")}
        else:
            settings["base_url"] = draft.base_url(
                aside, at, url.rstrip("/").removesuffix("/openai") + "/openai", wish, ("providers", wish, "base_url")
            )
        version = text_of(row.get("other"))
        if version is not None and re.fullmatch(r"[A-Za-z0-9.-]+", version):
            settings["api_version"] = version
            aside.exact((*path, "other"), ("providers", wish, "api_version"))
        return settings
    written = url or default
    if not written:
        return {"protocol": "openai-chat", "base_url": {"env": variable(wish, "BASE_URL")}}
    preset = preset_of(place)
    if (
        url is None
        and preset is not None
        and place not in ("dashscope", "moonshot", "minimax", "siliconflow", "cohere")
    ):
        return {"preset": preset}
    told = aside if url is not None else Account()
    _, settings = addressed(draft, told, at, written, wish, suffix, _PROTOCOLS.get(place, "openai-chat"))
    if preset is not None and "protocol" in settings and place != "openai":
        settings = {"preset": preset, "base_url": settings["base_url"]}
    return settings


def _told(row: Mapping[str, Any], path: Path, routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    if account.said(path):
        return
    names = [each.strip() for each in row["models"].split(",") if each.strip() in routes]
    if not names:
        account.unsupported((*path, "models"), "It lists no models.")
        return
    first = routes[names[0]]
    place: Path = ("combos", first) if first in draft.combos else ("models", first)
    if all(routes[name] == name for name in names):
        account.exact((*path, "models"), place, "Each is a name to ask for.")
    else:
        account.manual(
            (*path, "models"), place, "Some names cannot be used here; they were written with other characters."
        )
    account.exact((*path, "id"), (), "It names nothing here.")
    account.exact((*path, "status"), (), "It is enabled.")
    account.approximate((*path, "weight"), place, "Weights are smoothed there, so that small ones count for more.")
    account.approximate(
        (*path, "priority"),
        place,
        "The next priority is asked when the first has failed; there with `RetryTimes` only.",
    )
    account.exact((*path, "model_mapping"), place, "The provider's ids of the models.")
    if _object(row.get("param_override")):
        account.approximate(
            (*path, "param_override"), place, "`request.set` of each model, as fields of the request's top level."
        )
    account.approximate(
        (*path, "auto_ban"), (), "A breaker rests what fails and tries it again; nothing is disabled for good."
    )
    account.unsupported((*path, "tag"), "It groups channels in the console.")
    for word, value in row.items():
        here: Path = (*path, word)
        if account.said(here):
            continue
        if word in _PAST:
            account.unsupported(here, "It is a record of what was, or a note; it is no setting.")
        elif value in (None, "", {}, [], "{}"):
            account.exact(here, (), "Nothing is said by it.")
        else:
            account.unsupported(here, _WHY.get(word, "No setting here says this."))


def _token(row: Mapping[str, Any], path: Path, routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    wish = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(row.get("name")) or f"token-{path[-1]}").strip("-._")
        or f"token-{path[-1]}"
    )
    name = wish if wish not in draft.keys else f"{wish}-{len(draft.keys) + 1}"
    place: Path = ("keys", name)
    variable_name = draft.names.of(text_of(row.get("key")) or name, variable(name, "KEY"))
    entry: dict[str, Any] = {"from": {"env": variable_name}}
    account.manual(
        (*path, "key"), place, f"Put the token, with its prefix `sk-`, into the environment variable {variable_name}."
    )
    account.exact((*path, "name"), place)
    if whole(row.get("status", 1)) != 1:
        entry["disabled"] = True
    account.exact((*path, "status"), place)
    limited = truth(row.get("model_limits_enabled"))
    allowed = [each.strip() for each in str(row.get("model_limits") or "").split(",") if each.strip()]
    if limited:
        entry["allow"] = [routes[each] for each in allowed if each in routes]
    account.exact((*path, "model_limits_enabled"), place)
    account.exact(
        (*path, "model_limits"), (*place, "allow") if limited else place, "" if limited else "Nothing is limited by it."
    )
    quota = number(row.get("remain_quota"))
    if truth(row.get("unlimited_quota")):
        account.exact((*path, "unlimited_quota"), place, "There is no budget.")
        account.exact((*path, "remain_quota"), place, "It is unlimited.")
    elif quota is not None and quota > 0:
        budget = f"{name}-quota"
        draft.budgets[budget] = {
            "limit": f"{plain_number(round(quota / _QUOTA, 6))} USD", "per": "total", "scope": {"key": name},
        }  # fmt: skip
        account.approximate(
            (*path, "remain_quota"), ("budgets", budget), "What is left now, in dollars, by the gateway's own prices."
        )
        account.exact((*path, "unlimited_quota"), ("budgets", budget))
    else:
        entry["disabled"] = True
        account.approximate((*path, "remain_quota"), place, "Nothing is left, so the key is disabled.")
    draft.keys[name] = entry
    for word, value in row.items():
        here: Path = (*path, word)
        if not account.said(here):
            if word in ("expired_time", "allow_ips", "group") and value not in (None, "", -1, 0):
                account.manual(here, place, _BY_HAND[word])
            elif value in (None, "", -1, 0, False):
                account.exact(here, (), "Nothing is said by it.")
            else:
                account.unsupported(here, "It is a record of what was, or a setting of the console.")
