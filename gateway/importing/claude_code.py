"""claude-code-router's `config.json`.

Source: README.md and src/utils/router.ts of github.com/musistudio/claude-code-router. `Providers` are OpenAI-like
endpoints with their models; `$NAME` and `${NAME}` are environment variables anywhere. A request that names
`provider,model` goes there; any other name is decided by `Router`, in this order: a prompt above
`longContextThreshold` (60,000 tokens by default) to `longContext`, a Claude Haiku to `background`, web search to
`webSearch`, thinking to `think`, everything else to `default`. There is no retry and no fallback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft, result, seconds
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.places import addressed, key_variable, preset_of
from gateway.importing.secrets import credential, is_variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole

NAME: Final = "claude-code-router"
_REFERENCE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_WIRE: Final = {"anthropic": "anthropic", "gemini": "gemini"}
# Transformers that do what the gateway does for the wire or the preset by itself.
_OURS: Final = frozenset(
    ["anthropic", "deepseek", "gemini", "openrouter", "groq", "reasoning", "openai", "tooluse", "cleancache"]
)
_TRANSFORMERS: Final[Mapping[str, str]] = {
    "enhancetool": "Arguments of tools are passed on as the model wrote them.",
    "sampling": "Parameters are passed on as the wire takes them.",
    "tooluse": "Tools are asked for as the client asks; nobody is told to use one.",
    "cleancache": "`cache_control` is left out where a wire has no place for it, and stays where it has one.",
}
_REST: Final[Mapping[str, str]] = {
    "CUSTOM_ROUTER_PATH": "There are no scripts of your own; see `strategy: when` and `policies`.",
    "REWRITE_SYSTEM_PROMPT": "See `system: {prefix, suffix}` of a policy.",
    "NON_INTERACTIVE_MODE": "The gateway never asks anything.",
    "CLAUDE_PATH": "The gateway starts no clients.",
    "transformers": "There is no code of your own; wires are translated by the gateway.",
    "plugins": "There is no code of your own.",
    "StatusLine": "The gateway draws no status line.",
}


def looks_like(tree: Any) -> str | None:
    """Why a tree is claude-code-router's; None where it is not."""
    for row in items(mapping(tree).get("Providers")):
        if isinstance(row, dict) and "api_base_url" in row:
            return "it has `Providers` with `api_base_url`"
    return "it has a `Router` with `default`" if "default" in mapping(mapping(tree).get("Router")) else None


def _env(value: Any) -> str | None:
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return (match[1] or match[2]) if match else None


def read(tree: Any) -> Imported:
    """The import of one configuration. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("claude-code-router's configuration is an object with `Providers` and a `Router`.")
    draft, account = Draft(tree), Account()
    proxy = text_of(tree.get("PROXY_URL"))
    models: dict[str, str] = {}
    for index, row in enumerate(items(tree.get("Providers"))):
        _provider(mapping(row), ("Providers", index), models, draft, account, proxy)
    if proxy is not None and draft.providers and "egress_proxy" in next(iter(draft.providers.values())):
        account.exact(("PROXY_URL",), (), "Each provider has it as its `egress_proxy`.")
    elif proxy is not None:
        account.manual(
            ("PROXY_URL",), (), "Write it as `egress_proxy` of the providers, from a variable if it holds a credential."
        )
    _router(mapping(tree.get("Router")), models, draft, account)
    _server(tree, draft, account)
    for name, why in _REST.items():
        if name in tree:
            account.unsupported((name,), why)
    account.differs("Retries", "none", "0 to 2 by the kind of failure")
    account.differs("Names", "`provider,model`; any other name is routed", "`provider/model`, `claude-*` is routed")
    return result(NAME, draft, account, tree)


def _provider(
    row: Mapping[str, Any], path: Path, models: dict[str, str], draft: Draft, account: Account, proxy: str | None
) -> None:
    name = text_of(row.get("name"))
    url = text_of(row.get("api_base_url") or row.get("baseUrl"))
    if name is None or url is None:
        account.unsupported(path, "It has no `name` or no `api_base_url`.")
        return
    aside = Account()
    uses = [each for each in _uses(row.get("transformer")) if each in _WIRE]
    protocol = _WIRE[uses[0]] if uses else "openai-chat"
    at: Path = (*path, "api_base_url" if "api_base_url" in row else "baseUrl")
    env = _env(url)
    wish = name
    settings: dict[str, Any]
    if env is not None:
        settings = {"protocol": protocol, "base_url": {"env": env}}
        aside.manual(at, ("providers", wish, "base_url"), f"{env} must hold what precedes /chat/completions here.")
    elif protocol == "gemini":
        wish, settings = addressed(draft, aside, at, url.rstrip("/").removesuffix("/models"), name, "", protocol)
    else:
        wish, settings = addressed(draft, aside, at, url, name, "", protocol)
    key = row.get("api_key")
    place: Path = ("providers", wish, "api_key")
    if text_of(key) is None or (preset_of(name) == "ollama" and _env(key) is None):
        settings["api_key"] = "none"
        if "api_key" in row:
            aside.approximate((*path, "api_key"), place, "The server needs none, and none is sent.")
    else:
        settings["api_key"] = credential(
            aside, draft.names, (*path, "api_key"), key, _env(key), key_variable(name), place
        )
    if proxy is not None and re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", proxy):
        settings["egress_proxy"] = proxy
    provider = draft.provider(wish, settings)
    account.adopt(aside, ("providers", wish), ("providers", provider))
    account.exact((*path, "name"), ("providers", provider))
    for index, model in enumerate(items(row.get("models"))):
        here: Path = (*path, "models", index)
        upstream = text_of(model)
        if upstream is None or "*" in upstream:
            account.unsupported(here, "It is no model's name.")
            continue
        route = draft.route(f"{name}/{upstream}")
        draft.models[route] = {"provider": provider, "id": upstream}
        models[f"{name},{upstream}".lower()] = route
        account.approximate(here, ("models", route), f"It is asked for as {route!r}; a comma cannot stand in a name.")
    _transformers(row.get("transformer"), (*path, "transformer"), name, models, draft, account)


def _uses(transformer: Any) -> list[str]:
    found: list[str] = []
    for use in items(mapping(transformer).get("use")):
        name = use[0] if isinstance(use, list) and use else use
        if isinstance(name, str):
            found.append(name.lower())
    return found


def _transformers(
    transformer: Any, path: Path, provider: str, models: Mapping[str, str], draft: Draft, account: Account
) -> None:
    for scope, value in mapping(transformer).items():
        uses = value if scope == "use" else mapping(value).get("use")
        base: Path = (*path, scope) if scope == "use" else (*path, scope, "use")
        routes = [
            route for name, route in models.items()
            if name.startswith(f"{provider},".lower()) and scope in ("use", name.partition(",")[2])
        ]  # fmt: skip
        for index, use in enumerate(items(uses)):
            name = use[0] if isinstance(use, list) and use else use
            options = use[1] if isinstance(use, list) and len(use) > 1 else None
            here: Path = (*base, index)
            word = name.lower() if isinstance(name, str) else ""
            most = whole(mapping(options).get("max_tokens"))
            if word == "maxtoken" and most and routes:
                for route in routes:
                    draft.models[route].setdefault("request", {}).setdefault("default", {})["max_tokens"] = most
                account.approximate(
                    here, ("models", routes[0], "request", "default", "max_tokens"),
                    "Where the caller says nothing; there it is a bound on what the caller says.",
                )  # fmt: skip
            elif word in _OURS and options is None and word not in _TRANSFORMERS:
                account.exact(here, (), "The gateway does this for the wire by itself.")
            elif word == "openrouter" and routes and (only := mapping(mapping(options).get("provider"))):
                for route in routes:
                    draft.models[route].setdefault("request", {}).setdefault("options", {})["provider"] = only
                account.exact(here, ("models", routes[0], "request", "options", "provider"))
            else:
                account.unsupported(here, _TRANSFORMERS.get(word, "Nothing here does what this transformer does."))


# Router's words → (a condition, what differs).
_BRANCHES: Final = ("longContext", "background", "webSearch", "think", "default", "image")


def _router(router: Mapping[str, Any], models: Mapping[str, str], draft: Draft, account: Account) -> None:
    found: dict[str, str] = {}
    for word, value in router.items():
        path: Path = ("Router", word)
        if word == "longContextThreshold":
            continue
        wanted = text_of(value)
        route = models.get(wanted.lower()) if wanted is not None else None
        if word not in _BRANCHES:
            account.unsupported(path, "No part of this importer knows this branch.")
        elif route is None:
            account.unsupported(path, "It names no model of `Providers` that was imported.")
        else:
            found[word] = route
    threshold = whole(router.get("longContextThreshold")) or 60000
    if "longContextThreshold" in router:
        path = ("Router", "longContextThreshold")
        if "longContext" in found:
            account.approximate(
                path, ("combos", "claude-code"), "Tokens are estimated here, without the model's tokenizer."
            )
        else:
            account.unsupported(path, "There is no `longContext` model for it.")
    conditions: dict[str, tuple[dict[str, Any], str]] = {
        "longContext": ({"input_tokens": {"at_least": threshold + 1}}, "The last answer's usage is not looked at."),
        "image": ({"has": ["images"]}, "Any image leads there."),
        "think": ({"has": ["reasoning"]}, "A request that asks for reasoning, on any wire."),
    }
    if "default" not in found:
        for word in found:
            account.unsupported(("Router", word), "Without a `default` nothing would be left for other requests.")
        return
    targets: list[dict[str, Any]] = []
    for word, (when, differs) in conditions.items():
        if word in found:
            targets.append({"model": found[word], "when": when})
            account.approximate(("Router", word), ("combos", "claude-code"), differs)
    targets.append({"model": found["default"]})
    name = draft.route("claude-code")
    if len({target["model"] for target in targets}) != len(targets):
        targets = _distinct(targets, draft)
    if len(targets) > 1:
        draft.combos[name] = {"strategy": "when", "targets": targets}
    else:
        draft.combos[name] = {"targets": [found["default"]]}
    draft.aliases["claude-*"] = name
    account.approximate(
        ("Router", "default"), ("combos", name),
        "For every name `claude-*`, and tried when another branch's model fails; there nothing falls back.",
    )  # fmt: skip
    if "background" in found:
        for pattern in ("claude-haiku-*", "claude-3-haiku-*", "claude-3-5-haiku-*"):
            draft.aliases[pattern] = found["background"]
        account.approximate(
            ("Router", "background"),
            ("aliases", "claude-haiku-*"),
            "For the names of Claude Haiku; a long prompt stays there too.",
        )
    if "webSearch" in found:
        account.unsupported(("Router", "webSearch"), "No condition sees a search tool; ask for its model by name.")


def _distinct(targets: list[dict[str, Any]], draft: Draft) -> list[dict[str, Any]]:
    """Targets that stand once: what is listed again becomes a copy of the model under another name."""
    seen: set[str] = set()
    out: list[dict[str, Any]] = []
    for target in targets:
        model = target["model"]
        if model in seen:
            copy = draft.route(f"{model}-again")
            draft.models[copy] = {**draft.models[model], "visibility": "internal"}
            target = {**target, "model": copy}
        seen.add(model)
        out.append(target)
    return out


def _server(tree: Mapping[str, Any], draft: Draft, account: Account) -> None:
    key = tree.get("APIKEY")
    if text_of(key) is not None:
        env = _env(key)
        name = env if env is not None and is_variable(env) else draft.names.of(str(key), "CCR_API_KEY")
        draft.keys["claude-code"] = {"from": {"env": name}}
        place: Path = ("keys", "claude-code")
        if env is not None:
            account.exact(("APIKEY",), place)
        else:
            account.manual(
                ("APIKEY",), place, f"It is written out: put it, of 16 characters or more, into the variable {name}."
            )
    else:
        draft.gateway["auth"] = "open"
        if "APIKEY" in tree:
            account.exact(("APIKEY",), ("gateway", "auth"), "Anybody on this machine may call.")
    host, port = text_of(tree.get("HOST")), whole(tree.get("PORT"))
    if port is not None and 0 < port < 65536 and (host is None or re.fullmatch(r"[A-Za-z0-9.-]+", host)):
        listens = host if host is not None and draft.keys else "127.0.0.1"
        draft.gateway["listen"] = f"{listens}:{port}"
        account.exact(("PORT",), ("gateway", "listen"))
        if host is not None:
            account.exact(
                ("HOST",),
                ("gateway", "listen"),
                "" if draft.keys else "Without a key only this machine is listened to, as there.",
            )
    elif host is not None:
        account.manual(("HOST",), (), "Write `gateway.listen`, an address with a port.")
    time = number(tree.get("API_TIMEOUT_MS"))
    if time is not None and 0 < time < 3e10:
        draft.defaults["timeouts"] = {"total": seconds(time / 1000)}
        account.exact(("API_TIMEOUT_MS",), ("defaults", "timeouts", "total"))
    level = text_of(tree.get("LOG_LEVEL"))
    if level is not None:
        levels = {
            "fatal": "error",
            "error": "error",
            "warn": "warning",
            "info": "info",
            "debug": "debug",
            "trace": "debug",
        }
        if level in levels:
            draft.gateway["log"] = {"level": levels[level]}
            account.approximate(("LOG_LEVEL",), ("gateway", "log", "level"), "The log goes to standard error.")
    if truth(tree.get("LOG")) is not None:
        account.approximate(("LOG",), (), "The log goes to standard error; there is no file of it.")
