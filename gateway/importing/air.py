"""Auto AI Router's `config.yaml`.

Source: config.yaml.example and docs/ of github.com/MiXaiLL76/auto_ai_router. A credential is an account at a
provider; a row of `models` says that it serves a name, as `model` or under the same name. Of the credentials of a
name the lowest `priority` goes first, and among them one by smooth weighted round robin; `is_fallback` is priority
999. `rpm` and `tpm` bound a credential, and a row, over a sliding minute, -1 not at all. `fail2ban` bans a credential
for a model after `max_attempts` answers of one status. Any scalar may be `os.environ/NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft, result, seconds
from gateway.importing.groups import Member, add_group
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.places import key_variable
from gateway.importing.secrets import credential, is_variable, variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole
from gateway.providers.catalog import PRESETS

NAME: Final = "auto-ai-router"
# Type → (settings, what stands behind its base_url, what differs).
_TYPES: Final[Mapping[str, tuple[Mapping[str, str], str, str]]] = {
    "openai": ({"preset": "openai"}, "/v1", ""),
    "anthropic": ({"preset": "anthropic"}, "/v1", ""),
    "gemini": ({"preset": "gemini"}, "/v1beta", ""),
    "vertex-ai": ({"preset": "vertex"}, "", ""),
    "bedrock": ({"preset": "bedrock"}, "", ""),
    "vllm": ({"protocol": "openai-chat"}, "/v1", ""),
    "cometapi": ({"protocol": "anthropic", "base_url": "https://api.cometapi.com/v1"}, "/v1", ""),
    "proxy": (
        {"protocol": "openai-chat"},
        "/v1",
        "Requests are translated to OpenAI's wire where a client speaks another.",
    ),
    "air": ({"protocol": "openai-chat"}, "/v1", "Its models are not learned from it: write those that it serves."),
}
_WIRES: Final = (
    "passthrough_responses",
    "passthrough_messages",
    "websocket_responses",
    "responses_only",
    "supports_vision",
    "reasoning_effort_map",
)
_FALLBACK: Final = 999
_DURATION: Final = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")
_WHY: Final[Mapping[str, str]] = {
    "monitoring": "Metrics are at /metrics, errors in the log.",
    "health_service": "Workers and hosts share what rests through `gateway.state`.",
    "otel": "Nothing is pushed: metrics are at /metrics.",
    "litellm_db": "The file is the only writer; requests are recorded by `gateway.ledger`.",
    "kafka": "Requests are recorded by `gateway.ledger`.",
    "video": "Videos are not served here.",
    "vision_fallback": "`strategy: when` with `has: [images]` sends images elsewhere.",
    "organization_policies": "Write `teams:` and `policies:`.",
    "retry": "Which failures are sent again is fixed by their kind (docs/behaviour.md).",
    "redis": "Counters are shared by `gateway.state: {redis: {url: {env: REDIS_URL}}}`.",
}
_SERVER_WHY: Final = "It is no setting here."


def looks_like(tree: Any) -> str | None:
    """Why a tree is Auto AI Router's; None where it is not."""
    top = mapping(tree)
    for row in items(top.get("credentials")):
        if isinstance(row, dict) and "type" in row:
            return "it has `credentials` with a `type`"
    return "it has `fail2ban`" if "fail2ban" in top else None


def _env(value: Any) -> str | None:
    text = value if isinstance(value, str) else ""
    return text.removeprefix("os.environ/") if text.startswith("os.environ/") else None


def read(tree: Any) -> Imported:
    """The import of one configuration. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("Auto AI Router's configuration is a mapping with `credentials`.")
    draft, account = Draft(tree), Account()
    bans = _bans(mapping(tree.get("fail2ban")), account)
    credentials: dict[str, tuple[str, Mapping[str, Any], Path]] = {}
    for index, row in enumerate(items(tree.get("credentials"))):
        if isinstance(row, dict):
            _credential(row, ("credentials", index), bans, credentials, draft, account)
    routes = _models(tree, credentials, draft, account)
    _aliases(tree, routes, draft, account)
    _server(mapping(tree.get("server")), draft, account)
    for name, why in _WHY.items():
        if name in tree:
            account.unsupported((name,), why)
    if "client_model_ids" in tree:
        account.manual(
            ("client_model_ids",), (), "Say it in the `allow` of keys, or make the others `visibility: internal`."
        )
    if "fail2ban" not in tree:
        account.differs(
            "Bans", "after three 429, until a restart", "a breaker: 5 failures in 30 s open it for 5 s, up to 5 min"
        )
    account.differs(
        "Retries", "2 more credentials, 5 hops to fallbacks", "every target in turn, 12 sends of one request at most"
    )
    account.differs("Sticky sessions", "6 minutes, for every model", "none: write `sticky` on a combo")
    return result(NAME, draft, account, tree)


def _bans(said: Mapping[str, Any], account: Account) -> list[dict[str, Any]]:
    base: Path = ("fail2ban",)
    codes = [code for code in items(said.get("error_codes")) if isinstance(code, int) and 400 <= code <= 599]
    attempts, lasts = whole(said.get("max_attempts")), text_of(said.get("ban_duration")) or "permanent"
    found: list[dict[str, Any]] = []
    if not said:
        return found
    where: Path = ()
    if codes:
        found.append({"on": codes, "failures": attempts or 3, "for": _lasting(lasts)})
    why = "They count in a row within a minute, for a credential whatever the model; there for each model."
    for word in ("error_codes", "max_attempts"):
        if word in said:
            account.approximate((*base, word), where, f"`bans` of each provider. {why}")
    if "ban_duration" in said:
        if _DURATION.fullmatch(lasts):
            account.approximate((*base, "ban_duration"), where, "`bans` of each provider: `for`.")
        else:
            account.approximate(
                (*base, "ban_duration"), where, "A ban lasts a day at most here; POST /-/health/reset ends it."
            )
    for index, rule in enumerate(items(said.get("error_code_rules"))):
        row = mapping(rule)
        code = whole(row.get("code"))
        if code is None or not 400 <= code <= 599:
            continue
        for other in found:
            other["on"] = [each for each in other["on"] if each != code]
        duration = text_of(row.get("ban_duration")) or lasts
        found.append(
            {"on": [code], "failures": whole(row.get("max_attempts")) or attempts or 3, "for": _lasting(duration)}
        )
        account.approximate((*base, "error_code_rules", index), where, f"`bans` of each provider. {why}")
    if "credential_overrides" in said:
        account.manual((*base, "credential_overrides"), where, "Write the `bans` of that provider.")
    return [rule for rule in found if rule["on"]]


def _lasting(text: str) -> str:
    return text if _DURATION.fullmatch(text) else "1d"


def _credential(
    row: Mapping[str, Any], path: Path, bans: list[dict[str, Any]],
    credentials: dict[str, tuple[str, Mapping[str, Any], Path]], draft: Draft, account: Account,
) -> None:  # fmt: skip
    name, kind = text_of(row.get("name")), text_of(row.get("type"))
    if name is None or kind is None or kind not in _TYPES:
        account.unsupported(path, f"Left out. Nothing here speaks to its type {kind!r}." if name else "It has no name.")
        return
    base_settings, suffix, differs = _TYPES[kind]
    aside = Account()
    settings: dict[str, Any] = dict(base_settings)
    place: Path = ("providers", name)
    base = text_of(row.get("base_url"))
    if base is not None:
        env = _env(base)
        if env is not None and is_variable(env):
            settings["base_url"] = {"env": env}
            aside.manual(
                (*path, "base_url"), (*place, "base_url"), f"{env} must end in {suffix or 'what the wire needs'} here."
            )
        else:
            url = base.rstrip("/")
            settings["base_url"] = draft.base_url(
                aside, (*path, "base_url"), url if url.endswith(suffix) else url + suffix, name, (*place, "base_url")
            )
        if settings["base_url"] == PRESETS[base_settings.get("preset", "sandbox")].base_url:
            del settings["base_url"]
        elif settings.get("preset") == "openai":
            settings = {"protocol": "openai-chat", **{key: each for key, each in settings.items() if key != "preset"}}
    elif "protocol" in settings and "base_url" not in settings:
        settings["base_url"] = {"env": variable(name, "BASE_URL")}
    key = row.get("api_key")
    if text_of(key) is not None:
        settings["api_key"] = credential(
            aside, draft.names, (*path, "api_key"), key, _env(key), key_variable(name), (*place, "api_key")
        )
    if kind == "vertex-ai":
        _google(row, path, name, settings, draft, aside)
    elif kind == "bedrock":
        settings["region"] = text_of(row.get("location")) or {"env": variable(name, "REGION")}
        aside.exact((*path, "location"), (*place, "region"))
    elif "api_key" not in settings:
        settings["api_key"] = "none"
    if text_of(row.get("auth_type")) in ("bearer", "x-api-key"):
        settings["auth"] = row["auth_type"]
        aside.exact((*path, "auth_type"), (*place, "auth"))
    _limits(row, path, settings, (*place, "limits"), aside)
    proxy = text_of(row.get("proxy_url"))
    if proxy is not None:
        env = _env(proxy)
        if env is not None and is_variable(env):
            settings["egress_proxy"] = {"env": env}
            aside.exact((*path, "proxy_url"), (*place, "egress_proxy"))
        else:
            aside.manual(
                (*path, "proxy_url"), (), "Write it as `egress_proxy`, from a variable if it holds a credential."
            )
    headers = draft.headers(aside, (*path, "request_headers"), row.get("request_headers"), name)
    if headers:
        settings["headers"] = headers
    if bans:
        settings["bans"] = bans
    provider = draft.provider(name, settings)
    account.adopt(aside, place, ("providers", provider))
    account.exact((*path, "name"), ("providers", provider))
    if differs:
        account.approximate((*path, "type"), ("providers", provider), differs)
    else:
        account.exact((*path, "type"), ("providers", provider))
    credentials[name] = (provider, row, path)
    for word in ("scopes", "denied_scopes", "forbidden_scopes", "reasoning_only", "openai_proto", "google_proto"):
        if word in row:
            account.unsupported((*path, word), "Which requests a provider may serve is a policy's: `require`.")


def _google(
    row: Mapping[str, Any], path: Path, name: str, settings: dict[str, Any], draft: Draft, aside: Account
) -> None:
    for theirs, ours in (("project_id", "project"), ("location", "region")):
        text = text_of(row.get(theirs))
        env = _env(text)
        place: Path = ("providers", name, ours)
        if env is not None and is_variable(env):
            settings[ours] = {"env": env}
            aside.exact((*path, theirs), place)
        elif text is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
            settings[ours] = text
            aside.exact((*path, theirs), place)
        else:
            settings[ours] = {"env": variable(name, ours)}
    place = ("providers", name, "api_key")
    file, inline = text_of(row.get("credentials_file")), row.get("credentials_json")
    settings["api_key"] = "none"
    if file is not None and _env(file) is None:
        settings["api_key"] = {"file": file}
        aside.exact((*path, "credentials_file"), place)
    elif file is not None:
        settings["api_key"] = {"env": variable(name, "CREDENTIALS")}
        aside.manual((*path, "credentials_file"), place, "Put the JSON itself into that variable.")
    elif inline is not None:
        settings["api_key"] = credential(
            aside, draft.names, (*path, "credentials_json"), inline, _env(inline), variable(name, "CREDENTIALS"), place
        )


def _limits(row: Mapping[str, Any], path: Path, entry: dict[str, Any], place: Path, account: Account) -> None:
    for word, ours in (("rpm", "requests"), ("tpm", "tokens")):
        most = number(row.get(word))
        if most is None:
            continue
        if most > 0 and most == int(most):
            entry.setdefault("limits", {})[ours] = f"{int(most)}/minute"
            if word == "rpm":
                account.exact((*path, word), (*place, ours))
            else:
                account.approximate(
                    (*path, word), (*place, ours), "Tokens are reserved before a send, there counted after it."
                )
        else:
            account.exact((*path, word), (), "Nothing is bounded by it.")


def _models(
    tree: Mapping[str, Any],
    credentials: Mapping[str, tuple[str, Mapping[str, Any], Path]],
    draft: Draft,
    account: Account,
) -> dict[str, str]:
    rows: list[tuple[Mapping[str, Any], Path, str | None]] = [
        (row, ("models", index), text_of(row.get("credential")))
        for index, row in enumerate(items(tree.get("models")))
        if isinstance(row, dict)
    ]
    for holder, (_, said, path) in credentials.items():
        rows += [
            (row if isinstance(row, dict) else {"name": row}, (*path, "models", index), holder)
            for index, row in enumerate(items(said.get("models")))
        ]
    groups: dict[str, list[tuple[Member, Mapping[str, Any], Path, str, Account]]] = {}
    for row, path, owner in rows:
        name = text_of(row.get("name"))
        if name is None or "*" in name or owner is None or owner not in credentials:
            account.unsupported(path, "It names no credential that was imported, or has no name.")
            continue
        provider, said, _ = credentials[owner]
        weight = number(row.get("weight", said.get("weight", 1)))
        rank = _FALLBACK if truth(said.get("is_fallback")) else whole(said.get("priority")) or 0
        rank = (
            max(rank, _FALLBACK + (whole(said.get("fallback_priority")) or 0)) if "fallback_priority" in said else rank
        )
        upstream = text_of(row.get("model")) or name
        entry: dict[str, Any] = {}
        aside = Account()
        _limits(row, path, entry, ("@", "limits"), aside)
        member = Member(
            provider, upstream.replace("*", "-"), entry, weight if weight is not None and weight > 0 else 1, rank
        )
        if any(other.provider == provider and other.id == member.id for other, *_ in groups.get(name, ())):
            account.unsupported(path, "The same credential serves the same model twice.")
            continue
        groups.setdefault(name, []).append((member, row, path, owner, aside))
    routes: dict[str, str] = {}
    for name, group in groups.items():
        route = draft.route(name)
        members = [member for member, *_ in group]
        if len(members) > 1 and len({member.weight for member in members}) == 1:
            for member in members:
                member.weight = None
        places = add_group(draft, route, members, "round_robin")
        routes[name] = route
        for (_, row, path, owner, aside), place in zip(group, places, strict=True):
            account.adopt(aside, ("@",), place)
            _told_model(row, path, place, route, name, account)
            _told_rank(credentials[owner], route, account)
    for name, (_, said, path) in credentials.items():
        if not any(owner == name for group in groups.values() for _, _, _, owner, _ in group):
            _whole_credential(name, said, path, tree, credentials, draft, account)
    return routes


def _told_model(row: Mapping[str, Any], path: Path, place: Path, route: str, name: str, account: Account) -> None:
    if route == name:
        account.exact((*path, "name"), place)
    else:
        account.manual((*path, "name"), place, f"The name cannot be used here: ask for {route!r}.")
    account.exact((*path, "model"), place)
    account.exact((*path, "credential"), place)
    if "weight" in row:
        account.exact((*path, "weight"), place)
    for word in _WIRES:
        if word in row:
            account.unsupported((*path, word), "Wires are translated by the gateway; facts of models are `supports`.")


def _told_rank(credential_: tuple[str, Mapping[str, Any], Path], route: str, account: Account) -> None:
    provider, said, path = credential_
    for word in ("priority", "is_fallback", "fallback_priority"):
        if word in said:
            account.exact(
                (*path, word), ("providers", provider), "Groups in order of priority, in each name that it serves."
            )
    if "weight" in said:
        account.exact((*path, "weight"), ("providers", provider), "A share of the turns, in each name that it serves.")


def _whole_credential(
    name: str, said: Mapping[str, Any], path: Path, tree: Mapping[str, Any],
    credentials: Mapping[str, tuple[str, Mapping[str, Any], Path]], draft: Draft, account: Account,
) -> None:  # fmt: skip
    """A credential without rows of models: a chained router, or one that serves everything."""
    provider = credentials[name][0]
    pattern = draft.route(f"{provider}/*", pattern=True)
    draft.models[pattern] = {"provider": provider, "id": "*"}
    chained = text_of(said.get("type")) in ("proxy", "air")
    if items(tree.get("models")) and not chained:
        account.manual(
            (*path, "name"),
            ("models", pattern),
            f"It serves nothing there, since it has no rows; here {provider}/MODEL asks it.",
        )
    else:
        account.manual(
            (*path, "name"), ("models", pattern),
            f"Which models it serves is not in the file: {provider}/MODEL asks it. Write models and combos.",
        )  # fmt: skip
    for word in ("priority", "is_fallback", "fallback_priority", "weight"):
        if word in said:
            account.manual(
                (*path, word), ("models", pattern), "It stands among no others until its models are written."
            )


def _aliases(tree: Mapping[str, Any], routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    for section in ("model_alias", "public_model_alias", "accepted_model_alias"):
        for alias, target in mapping(tree.get(section)).items():
            path: Path = (section, alias)
            if not isinstance(target, str) or (target not in routes and target not in draft.aliases):
                account.unsupported(path, "It stands for no model of this file that was imported.")
            elif draft.taken(alias) or draft.route(alias) != alias:
                account.manual(path, (), "Its name is a model's, or cannot be used here: rename it.")
            else:
                draft.aliases[alias] = routes.get(target, target)
                account.exact(path, ("aliases", alias))


def _server(server: Mapping[str, Any], draft: Draft, account: Account) -> None:
    base: Path = ("server",)
    key = server.get("master_key")
    if text_of(key) is not None:
        env = _env(key)
        name = env if env is not None and is_variable(env) else draft.names.of(str(key), "MASTER_KEY")
        draft.keys["master"] = {"from": {"env": name}, "admin": True}
        if env is not None:
            account.exact((*base, "master_key"), ("keys", "master"))
        else:
            account.manual(
                (*base, "master_key"),
                ("keys", "master"),
                f"It is written out: put it, of 16 characters or more, into the variable {name}.",
            )
    else:
        draft.gateway["auth"] = "open"
    port, size = whole(server.get("port")), whole(server.get("max_body_size_mb"))
    if port is not None and 0 < port < 65536:
        draft.gateway["listen"] = f"{'0.0.0.0' if draft.keys else '127.0.0.1'}:{port}"
        account.exact((*base, "port"), ("gateway", "listen"))
    if size:
        draft.gateway["max_body"] = f"{size}MB"
        account.exact((*base, "max_body_size_mb"), ("gateway", "max_body"))
    time = text_of(server.get("request_timeout"))
    if time is not None and _DURATION.fullmatch(time):
        draft.defaults["timeouts"] = {"total": time}
        account.approximate((*base, "request_timeout"), ("defaults", "timeouts", "total"), "It bounds each attempt.")
    level = {"info": "info", "debug": "debug", "error": "error"}.get(str(server.get("logging_level")))
    if level is not None:
        draft.gateway["log"] = {"level": level}
        account.exact((*base, "logging_level"), ("gateway", "log", "level"))
    drain = text_of(server.get("shutdown_delay"))
    if drain is not None and _DURATION.fullmatch(drain):
        draft.gateway["drain"] = drain
        account.approximate((*base, "shutdown_delay"), ("gateway", "drain"), "How long open requests may take to end.")
    sticky, minutes = truth(server.get("session_sticky_enabled")), whole(server.get("session_sticky_ttl_minutes"))
    if sticky is not False:
        for combo in draft.combos.values():
            combo["sticky"] = {"for": seconds((minutes or 6) * 60)}
        for word in ("session_sticky_enabled", "session_sticky_ttl_minutes"):
            account.approximate(
                (*base, word), ("combos",) if draft.combos else (), "On combos; a model's deployments keep no session."
            )
    else:
        account.exact((*base, "session_sticky_enabled"), (), "Nothing is kept, as by default.")
    if number(server.get("default_models_rpm")) == -1:
        account.exact((*base, "default_models_rpm"), (), "Nothing is bounded by default.")
    for word in ("max_provider_retries", "max_fallback_attempts"):
        if word in server:
            account.manual(
                (*base, word), (), "Every target is asked in turn: `defaults: {cap: {attempts: …}}` bounds them all."
            )
    for word in server:
        if not account.said((*base, word)):
            account.unsupported((*base, word), _SERVER_WHY)
