"""Bifrost's `config.json`.

Sources: transports/config.schema.json of github.com/maximhq/bifrost and
https://docs.getbifrost.ai/deployment-guides/config-json (providers, governance). Callers ask for `provider/model`. A
key serves the `models` that it lists, `["*"]` all of them; an empty list means none, or all of them in files of
`version: 1`. One of the keys that serve a model is drawn by weight. Values that begin with `env.` are environment
variables, also as objects `{env_var, from_env}`. Retries default to 0, a request's time to 30 s. Fallbacks are the
caller's own, or a routing rule's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.bifrost_governance import governance
from gateway.importing.bifrost_values import referred
from gateway.importing.draft import Draft, result, seconds
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.places import key_variable, preset_of
from gateway.importing.secrets import credential, is_variable, variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole

NAME: Final = "bifrost"
_PRESETS: Final[Mapping[str, str]] = {"azure": "azure-classic", "bedrock": "bedrock", "vertex": "vertex"}
_WIRES: Final[Mapping[str, str]] = {
    "openai": "openai-chat", "anthropic": "anthropic", "gemini": "gemini", "cohere": "cohere", "ollama": "ollama",
}  # fmt: skip
_SUFFIX: Final[Mapping[str, str]] = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}
_WHY: Final[Mapping[str, str]] = {
    "config_store": "The file is the only writer: there is no database of settings.",
    "logs_store": "Requests are recorded by `gateway.ledger`.",
    "vector_store": "Answers are kept in the gateway's own store.",
    "plugins": "Plugins do not exist here; `cache:` and /metrics do what the built-in ones do.",
    "mcp": "MCP servers are not proxied here.",
    "guardrails_config": "Guardrail services are not called here; `guardrails:` has patterns.",
    "alerting": "Alerts are not sent from here.",
    "framework": "Prices are the gateway's own, or a model's `price`.",
    "websocket": "It is no setting here.",
    "server": "It is no setting here.",
    "env_label": "It is no setting here.",
    "encryption_key": "No secret is stored, so none is encrypted.",
    "source_of_truth": "The file is the only writer.",
    "version": "What an empty list means is read from it.",
    "client": "No setting here says this.",
    "auth_config": "There is no user interface to sign in to.",
}


def looks_like(tree: Any) -> str | None:
    """Why a tree is Bifrost's; None where it is not."""
    top = mapping(tree)
    if "getbifrost" in str(top.get("$schema", "")):
        return "its `$schema` is Bifrost's"
    for provider in mapping(top.get("providers")).values():
        if isinstance(mapping(provider).get("keys"), list):
            return "it has `providers` with `keys`"
    return None


def read(tree: Any) -> Imported:
    """The import of one configuration. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("Bifrost's configuration is an object with `providers`.")
    draft, account = Draft(tree), Account()
    everything = whole(tree.get("version")) == 1
    routes: dict[str, str] = {}
    for name, row in mapping(tree.get("providers")).items():
        if isinstance(row, dict):
            Reader(draft, account, everything, routes).provider(name, row, ("providers", name))
    account.exact(("version",), (), "It says what an empty list of models means, which is written out.")
    account.exact(("$schema",), (), "Here it is router.schema.json.")
    _client(mapping(tree.get("client")), draft, account)
    governance(mapping(tree.get("governance")), routes, draft, account)
    for name, why in _WHY.items():
        if name in tree and not account.said((name,)):
            account.unsupported((name,), why)
    if not draft.keys:
        draft.gateway["auth"] = "open"
        account.differs("Who may call", "anybody", "anybody, on this machine alone: write `keys:`")
    account.differs("Fallbacks", "what a request's `fallbacks` says", "`fallbacks:` of the file")
    account.differs("Retries", "0", "0 to 2 by the kind of failure")
    account.differs("Time-outs", "30 s for a request", "60 s to a first token, 10 min for an attempt")
    return result(NAME, draft, account, tree)


class Reader:
    """Reads one provider."""

    def __init__(self, draft: Draft, account: Account, everything: bool, routes: dict[str, str]) -> None:
        self.draft = draft
        self.account = account
        self.everything = everything  # an empty list of models means all
        self.routes = routes

    def provider(self, name: str, row: Mapping[str, Any], path: Path) -> None:
        """Declares a provider with its keys and models."""
        account = self.account
        custom = text_of(mapping(row.get("custom_provider_config")).get("base_provider_type"))
        preset = None if custom is not None else _PRESETS.get(name) or preset_of(name)
        wire = _WIRES.get(custom) if custom is not None else None
        if preset is None and wire is None:
            account.unsupported(path, f"Left out. Nothing here speaks to {name!r}.")
            return
        serves: dict[str, list[int]] = {}
        keys = [(index, key) for index, key in enumerate(items(row.get("keys"))) if isinstance(key, dict)]
        ids: dict[str, str] = {}
        for index, key in keys:
            if truth(key.get("enabled")) is False:
                account.unsupported((*path, "keys", index), "It is not enabled, so it was left out.")
                continue
            aliases = {**mapping(key.get("aliases")), **_deployments(key)}
            listed = [each for each in items(key.get("models")) if isinstance(each, str)]
            if not listed and ("models" not in key or self.everything):
                listed = ["*"]
            for model in [*listed, *aliases]:
                serves.setdefault(model, [])
                if index not in serves[model]:
                    serves[model].append(index)
                if isinstance(aliases.get(model), str):
                    ids[model] = aliases[model]
        if not keys:
            serves = {"*": []}
        everywhere = serves.get("*", [])
        names: dict[tuple[int, ...], str] = {}
        for model, own in serves.items():
            use = tuple(sorted({*own, *everywhere}))
            if use not in names:
                names[use] = self._declare(name, row, path, preset, wire, custom, dict(keys), use)
            route = self.draft.route(f"{name}/{model}", pattern=model == "*")
            self.draft.models[route] = {"provider": names[use], "id": ids.get(model, model)}
            self.routes[f"{name}/{model}"] = route
        for index, key in keys:
            if truth(key.get("enabled")) is not False:
                self._told(name, key, (*path, "keys", index), keys)
        if "custom_provider_config" in row:
            here: Path = (*path, "custom_provider_config")
            account.unsupported(here, "Which calls are allowed is a key's `allow` and what the gateway serves.")
            account.exact((*here, "base_provider_type"), ("providers", next(iter(names.values()), name)))

    def _declare(
        self, name: str, row: Mapping[str, Any], path: Path, preset: str | None, wire: str | None, custom: str | None,
        keys: Mapping[int, Mapping[str, Any]], use: tuple[int, ...],
    ) -> str:  # fmt: skip
        aside = Account()
        settings: dict[str, Any] = {"preset": preset} if preset is not None else {"protocol": wire}
        first = keys[use[0]] if use else {}
        first_path: Path = (*path, "keys", use[0]) if use else path
        network = mapping(row.get("network_config"))
        self._network(network, (*path, "network_config"), name, settings, aside, _SUFFIX.get(custom or name, ""))
        pool: dict[str, Any] = {}
        for index in use:
            text, env = referred(keys[index].get("value"))
            label = _label(keys[index], index, pool)
            wish = key_variable(name) if len(use) == 1 else variable(name, label, "API_KEY")
            if text is None and env is None:
                continue
            place: Path = ("providers", name, "api_key") if len(use) == 1 else ("providers", name, "api_keys", label)
            pool[label] = credential(aside, self.draft.names, (*path, "keys", index, "value"), text, env, wish, place)
        self._cloud(preset, first, first_path, name, settings, aside)
        if pool and "api_key" not in settings:
            settings |= (
                {"api_key": next(iter(pool.values()))} if len(pool) == 1 and len(use) == 1 else {"api_keys": pool}
            )
        elif "api_key" not in settings and preset not in ("bedrock",):
            settings["api_key"] = "none"
        self._concurrency(
            mapping(row.get("concurrency_and_buffer_size")),
            (*path, "concurrency_and_buffer_size"),
            name,
            settings,
            aside,
        )
        proxy = mapping(row.get("proxy_config"))
        url = text_of(proxy.get("url"))
        if url is not None and re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", url) and "username" not in proxy:
            settings["egress_proxy"] = url
            aside.exact((*path, "proxy_config"), ("providers", name, "egress_proxy"))
        elif proxy:
            aside.manual(
                (*path, "proxy_config"), (), "Write it as `egress_proxy: {env: NAME}`, with its credentials in the URL."
            )
        if preset == "azure-classic" and "resource" not in settings and "base_url" not in settings:
            settings["base_url"] = {"env": "AZURE_OPENAI_BASE_URL"}
        provider = self.draft.provider(name, settings)
        self.account.adopt(aside, ("providers", name), ("providers", provider))
        return provider

    def _network(
        self, network: Mapping[str, Any], path: Path, name: str, settings: dict[str, Any], aside: Account, suffix: str
    ) -> None:
        text, env = referred(network.get("base_url"))
        place: Path = ("providers", name)
        if env is not None and is_variable(env):
            settings["base_url"] = {"env": env}
            aside.manual(
                (*path, "base_url"), (*place, "base_url"), f"{env} must end in {suffix or 'what the wire needs'} here."
            )
        elif text is not None:
            url = text.rstrip("/")
            url = url if not suffix or url.endswith(suffix) else url + suffix
            settings["base_url"] = self.draft.base_url(aside, (*path, "base_url"), url, name, (*place, "base_url"))
        elif "protocol" in settings:
            settings["base_url"] = {"env": variable(name, "BASE_URL")}
        headers = self.draft.headers(aside, (*path, "extra_headers"), network.get("extra_headers"), name)
        if headers:
            settings["headers"] = headers
        timeout = number(network.get("default_request_timeout_in_seconds"))
        if timeout is not None and 0 < timeout < 3e7:
            settings.setdefault("timeouts", {})["total"] = seconds(timeout)
            aside.approximate(
                (*path, "default_request_timeout_in_seconds"),
                (*place, "timeouts", "total"),
                "It bounds an attempt as a whole, a stream to its end.",
            )
        idle = number(network.get("stream_idle_timeout_in_seconds"))
        if idle is not None and 0 < idle < 3e7:
            settings.setdefault("timeouts", {})["idle"] = seconds(idle)
            aside.exact((*path, "stream_idle_timeout_in_seconds"), (*place, "timeouts", "idle"))
        retries = whole(network.get("max_retries"))
        if retries is not None:
            settings["retries"] = {"attempts": min(retries, 10)}
            aside.approximate(
                (*path, "max_retries"),
                (*place, "retries", "attempts"),
                "By the kind of failure 2 at most; another key is no retry.",
            )
        low = number(network.get("retry_backoff_initial", network.get("retry_backoff_initial_ms")))
        high = number(network.get("retry_backoff_max", network.get("retry_backoff_max_ms")))
        if low is not None and high is not None and 0 < low <= high < 3e10:
            settings.setdefault("retries", {})["backoff"] = f"{seconds(low / 1000)}..{seconds(high / 1000)}"
            for word in (
                "retry_backoff_initial",
                "retry_backoff_max",
                "retry_backoff_initial_ms",
                "retry_backoff_max_ms",
            ):
                if word in network:
                    aside.exact((*path, word), (*place, "retries", "backoff"))
        if truth(network.get("insecure_skip_verify")):
            settings["tls"] = {"verify": False}
            aside.exact((*path, "insecure_skip_verify"), (*place, "tls", "verify"))
        if "ca_cert_pem" in network:
            aside.manual((*path, "ca_cert_pem"), (), "Write the PEM into a file and name it in `tls.ca`.")

    def _concurrency(
        self, said: Mapping[str, Any], path: Path, name: str, settings: dict[str, Any], aside: Account
    ) -> None:
        most, waits = whole(said.get("concurrency")), whole(said.get("buffer_size"))
        if most:
            settings["limits"] = {"concurrent": most}
            aside.approximate(
                (*path, "concurrency"),
                ("providers", name, "limits", "concurrent"),
                "One more goes elsewhere or gets 429.",
            )
            if waits:
                aside.manual(
                    (*path, "buffer_size"), (), "A queue says how long to wait: `limits: {queue: {most: …, wait: …}}`."
                )

    def _cloud(
        self,
        preset: str | None,
        key: Mapping[str, Any],
        path: Path,
        name: str,
        settings: dict[str, Any],
        aside: Account,
    ) -> None:
        say: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
            "azure-classic": ("azure_key_config", (("endpoint", "base_url"), ("api_version", "api_version"))),
            "vertex": ("vertex_key_config", (("project_id", "project"), ("region", "region"))),
            "bedrock": ("bedrock_key_config", (("region", "region"),)),
            "vllm": ("vllm_key_config", (("url", "base_url"),)),
            "ollama": ("ollama_key_config", (("url", "base_url"),)),
            "sglang": ("sgl_key_config", (("url", "base_url"),)),
        }
        if preset not in say:
            return
        section, fields = say[preset]
        found, here = mapping(key.get(section)), (*path, section)
        for theirs, ours in fields:
            text, env = referred(found.get(theirs))
            place: Path = ("providers", name, ours)
            if env is not None and is_variable(env):
                settings[ours] = {"env": env}
                if ours == "base_url":
                    aside.manual((*here, theirs), place, f"{env} must hold what precedes the wire's own path here.")
                else:
                    aside.exact((*here, theirs), place)
            elif text is not None and ours == "base_url":
                url = text.rstrip("/") + {"azure-classic": "/openai", "vllm": "/v1", "sglang": "/v1"}.get(preset, "")
                settings[ours] = self.draft.base_url(aside, (*here, theirs), url, name, place)
            elif text is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
                settings[ours] = text
                aside.exact((*here, theirs), place)
        if preset in ("vertex", "bedrock"):
            settings.setdefault("region", {"env": variable(name, "REGION")})
        if preset == "vertex":
            settings.setdefault("project", {"env": "VERTEX_PROJECT"})
            text, env = referred(found.get("auth_credentials"))
            settings["api_key"] = "none"
            if text is not None or env is not None:
                settings["api_key"] = credential(
                    aside,
                    self.draft.names,
                    (*here, "auth_credentials"),
                    text,
                    env,
                    "VERTEX_CREDENTIALS",
                    ("providers", name, "api_key"),
                )
        if preset == "bedrock" and {"access_key", "secret_key"} <= found.keys():
            settings["api_key"] = {"env": "AWS_KEYS"}
            for word in ("access_key", "secret_key", "session_token"):
                aside.manual(
                    (*here, word),
                    ("providers", name, "api_key"),
                    "Put ACCESS_KEY:SECRET_KEY[:TOKEN] into the variable AWS_KEYS.",
                )

    def _told(self, name: str, key: Mapping[str, Any], path: Path, keys: list[tuple[int, dict[str, Any]]]) -> None:
        account = self.account
        place: Path = ("models", self.routes[f"{name}/*"]) if f"{name}/*" in self.routes else ()
        for index, model in enumerate(items(key.get("models"))):
            if isinstance(model, str) and f"{name}/{model}" in self.routes:
                account.exact((*path, "models", index), ("models", self.routes[f"{name}/{model}"]))
        if key.get("models") == []:
            if self.everything:
                account.exact((*path, "models"), place, "All models, as in files of version 1.")
            else:
                account.exact((*path, "models"), (), "No models, so nothing is asked with it.")
        for word in ("aliases", "deployments"):
            for alias in mapping(key.get(word)):
                if f"{name}/{alias}" in self.routes:
                    account.exact((*path, word, alias), ("models", self.routes[f"{name}/{alias}"], "id"))
        for section in ("azure_key_config", "vertex_key_config", "bedrock_key_config"):
            for alias in mapping(mapping(key.get(section)).get("deployments")):
                if f"{name}/{alias}" in self.routes:
                    account.exact(
                        (*path, section, "deployments", alias), ("models", self.routes[f"{name}/{alias}"], "id")
                    )
        account.exact((*path, "name"), (), "It names the credential, where there are several.")
        account.exact((*path, "id"), (), "It names nothing here.")
        if "weight" in key:
            weights = {number(mapping(each).get("weight")) for _, each in keys}
            if len(weights) == 1:
                account.approximate(
                    (*path, "weight"), (), "Credentials are used in turn; with equal weights that is the same share."
                )
            else:
                account.unsupported((*path, "weight"), "Credentials of one provider are used in turn, without weights.")
        if "enabled" in key:
            account.exact((*path, "enabled"), (), "It is used.")


def _deployments(key: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dict(mapping(key.get("deployments")))
    for section in ("azure_key_config", "vertex_key_config", "bedrock_key_config"):
        found.update(mapping(mapping(key.get(section)).get("deployments")))
    return found


def _label(key: Mapping[str, Any], index: int, taken: Mapping[str, Any]) -> str:
    name = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", text_of(key.get("name")) or f"key-{index + 1}").strip("-._")
        or f"key-{index + 1}"
    )
    return name if name not in taken else f"{name}-{index + 1}"


def _client(client: Mapping[str, Any], draft: Draft, account: Account) -> None:
    size = whole(client.get("max_request_body_size_mb"))
    if size:
        draft.gateway["max_body"] = f"{size}MB"
        account.exact(("client", "max_request_body_size_mb"), ("gateway", "max_body"))
    if truth(mapping(client.get("compat")).get("should_drop_params")) is not None:
        account.approximate(
            ("client", "compat", "should_drop_params"),
            (),
            "What a wire has no place for is left out and told: `on_lossy`.",
        )
    for word in ("enable_logging", "disable_content_logging"):
        if word in client:
            account.approximate(
                ("client", word), (), "Requests are recorded by `gateway.ledger`, their contents never."
            )
