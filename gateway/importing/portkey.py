"""A Portkey config: the JSON that a request of Portkey's names or carries.

Sources: https://portkey.ai/docs/api-reference/inference-api/config-object and
`src/middlewares/requestValidator/schema`, `src/globals.ts` of github.com/Portkey-AI/gateway. A config is a tree:
`strategy` over `targets`, which are configs; what a node says (`retry`, `cache`, `request_timeout`,
`override_params`) holds for all below it until one says otherwise. Retries have 5 attempts at most, after 429, 500,
502, 503 and 504 where no codes are said; a fallback without codes follows any answer that is no success. The model is
the request's own unless `override_params.model` says another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.importing.draft import Draft, plain_number, result, seconds
from gateway.importing.imported import Account, Imported, Path, Refused, leaves
from gateway.importing.places import key_variable, preset_of
from gateway.importing.secrets import credential, holds_secret
from gateway.importing.source import items, mapping, number, text_of, whole

NAME: Final = "portkey"
ROUTE: Final = "portkey"
_SPELLED: Final = {  # camelCase is accepted beside snake_case
    "apiKey": "api_key",
    "virtualKey": "virtual_key",
    "onStatusCodes": "on_status_codes",
    "overrideParams": "override_params",
    "requestTimeout": "request_timeout",
    "customHost": "custom_host",
    "maxAge": "max_age",
}
_CREDENTIALS: Final = frozenset(["api_key", "virtual_key"])
_AZURE: Final = ("resource_name", "azure_resource_name")
_REASONS: Final[Mapping[str, str]] = {
    "input_guardrails": "Guardrails of Portkey's are not called here; `guardrails:` has patterns.",
    "output_guardrails": "Guardrails of Portkey's are not called here; `guardrails:` has patterns.",
    "before_request_hooks": "Hooks do not exist here.",
    "after_request_hooks": "Hooks do not exist here.",
    "forward_headers": "Headers of clients are not sent on.",
    "cb_config": "A breaker watches each provider, credential and model: `breaker` of `defaults`.",
    "metadata": "It is for Portkey's logs.",
    "strict_open_ai_compliance": "Answers are in the words of the client's wire, nothing beyond.",
}


class Held(msgspec.Struct, frozen=True):
    """What holds for a node: its own words and those of the nodes above it."""

    retries: int | None = None
    timeout: float | None = None
    params: Mapping[str, Any] = {}
    codes: tuple[int, ...] | None = None


class Tree:
    """One config that is being read."""

    def __init__(self, draft: Draft, account: Account) -> None:
        self.draft = draft
        self.account = account

    def node(self, value: Mapping[str, Any], path: Path, held: Held, name: str) -> dict[str, Any] | None:
        """A target for a node: `{model: …}`, or a `{group: …}`; None with findings where nothing can be asked."""
        held = self._held(value, path, held)
        targets = items(value.get("targets"))
        strategy = mapping(value.get("strategy"))
        if not targets:
            return self._leaf(value, path, held, name)
        mode = text_of(strategy.get("mode")) or "single"
        inner: list[dict[str, Any]] = []
        for index, target in enumerate(targets):
            here: Path = (*path, "targets", index)
            if not isinstance(target, dict):
                self.account.unsupported(here, "It is no target.")
                continue
            label = text_of(target.get("name")) or f"{name}-{index + 1}"
            found = self.node(target, here, held, label)
            if found is None:
                continue
            weight = number(target.get("weight"))
            if "weight" in target:
                if mode == "loadbalance" and weight is not None and weight >= 0:
                    found["weight"] = plain_number(weight)
                    self.account.exact((*here, "weight"), ("combos", ROUTE))
                else:
                    self.account.unsupported((*here, "weight"), "Only `loadbalance` looks at weights.")
            if "name" in target:
                self.account.exact((*here, "name"), ("combos", ROUTE), "It names the target.")
            inner.append(found)
        if not inner:
            return None
        self._strategy(strategy, (*path, "strategy"), mode)
        if mode == "single":
            inner = inner[:1]
        if mode == "loadbalance" and any("weight" in each for each in inner):
            for each in inner:
                each.setdefault("weight", 1)
            if not any(each["weight"] for each in inner):
                for each in inner:
                    del each["weight"]
        if mode != "loadbalance":
            for each in inner:
                each.pop("weight", None)
        ours = "weighted" if mode == "loadbalance" else "priority"
        if len(inner) == 1:
            inner[0].pop("weight", None)
            return inner[0]
        return {"group": inner, "strategy": ours}

    def _held(self, value: Mapping[str, Any], path: Path, held: Held) -> Held:
        account = self.account
        retry = mapping(value.get("retry"))
        attempts = whole(retry.get("attempts"))
        if attempts is not None:
            held = msgspec.structs.replace(held, retries=min(attempts, 5))
            account.approximate(
                (*path, "retry", "attempts"),
                (),
                "`retries.attempts`; which failures are sent again is fixed by their kind.",
            )
        if "on_status_codes" in retry:
            account.unsupported(
                (*path, "retry", "on_status_codes"), "Which failures are sent again is fixed by their kind."
            )
        if "use_retry_after_header" in retry:
            account.approximate(
                (*path, "retry", "use_retry_after_header"), (), "It is always kept to, while it is short."
            )
        timeout = number(value.get("request_timeout"))
        if timeout is not None and 0 < timeout < 3e10:
            held = msgspec.structs.replace(held, timeout=timeout / 1000)
            account.approximate(
                (*path, "request_timeout"), (), "`timeouts.total` of each model below: a stream to its end."
            )
        params = mapping(value.get("override_params"))
        if params:
            held = msgspec.structs.replace(held, params={**held.params, **params})
        codes = mapping(value.get("strategy")).get("on_status_codes")
        if isinstance(codes, list):
            held = msgspec.structs.replace(held, codes=tuple(each for each in codes if isinstance(each, int)))
        for name in value:
            if name in _REASONS:
                account.unsupported((*path, name), _REASONS[name])
        self._cache(value, path)
        return held

    def _cache(self, value: Mapping[str, Any], path: Path) -> None:
        cache = mapping(value.get("cache"))
        if not cache:
            return
        here: Path = (*path, "cache")
        if text_of(cache.get("mode")) != "simple":
            self.account.unsupported(here, "A semantic cache needs a model that embeds: write `cache.semantic`.")
            return
        age = number(cache.get("max_age"))
        self.draft.cache = {"exact": {"ttl": seconds(age) if age and 0 < age < 3e7 else "7d"}, "scope": "shared"}
        self.account.approximate(
            here, ("cache", "exact"), "For every request of this gateway, not only for this target."
        )

    def _strategy(self, strategy: Mapping[str, Any], path: Path, mode: str) -> None:
        account, place = self.account, ("combos", ROUTE)
        if mode == "fallback":
            account.approximate(
                (*path, "mode"),
                place,
                "After failures that another target may mend; there after any answer that is no success.",
            )
            account.manual(
                (*path, "on_status_codes"),
                place,
                "Failures are told apart by kind, not by status: see docs/behaviour.md.",
            )
        elif mode == "loadbalance":
            account.approximate(
                (*path, "mode"),
                place,
                "The first is drawn the same; when it fails the others follow, there the request fails.",
            )
        elif mode == "single":
            account.exact((*path, "mode"), place, "The first target.")
        else:
            account.manual(path, place, f"{mode!r} is written as `priority`: say the conditions with `strategy: when`.")
        if "cb_config" in strategy:
            account.unsupported((*path, "cb_config"), _REASONS["cb_config"])

    def _leaf(self, value: Mapping[str, Any], path: Path, held: Held, name: str) -> dict[str, Any] | None:
        account = self.account
        word = text_of(value.get("provider"))
        virtual = text_of(value.get("virtual_key"))
        slug = word.removeprefix("@") if word is not None else None
        preset = preset_of(slug) if slug is not None else None
        base = text_of(value.get("custom_host"))
        if slug is None and virtual is not None:
            preset = next((preset_of(part) for part in virtual.split("-") if preset_of(part)), None)
        if preset is None and base is None:
            account.unsupported(
                path, "Left out. Nothing here speaks to its provider, or which one it is stands at Portkey."
            )
            return None
        aside = Account()
        wish = slug or preset or "portkey-host"
        settings = self._provider(value, path, preset, base, wish, aside)
        params = dict(held.params)
        model = text_of(params.pop("model", None))
        provider = self.draft.provider(wish, settings)
        account.adopt(aside, ("providers", wish), ("providers", provider))
        if word is not None:
            account.exact((*path, "provider"), ("providers", provider))
        if model is None or "*" in model:
            pattern = self.draft.route(f"{provider}/*", pattern=True)
            self.draft.models[pattern] = {"provider": provider, "id": "*"}
            account.manual(
                path,
                ("models", pattern),
                f"The config says no model: ask for {provider}/MODEL, or say which it is in `override_params`.",
            )
            return None
        route = self.draft.route(name)
        entry: dict[str, Any] = {"provider": provider, "id": model}
        if held.timeout is not None:
            entry["timeouts"] = {"total": seconds(held.timeout)}
        if held.retries is not None:
            entry["retries"] = {"attempts": held.retries}
        kept = {each: param for each, param in params.items() if not holds_secret(param, each)}
        if kept:
            entry["request"] = {"set": kept}
        self.draft.models[route] = {**entry, "visibility": "internal"}
        overrides: Path = (*path, "override_params")
        for each in mapping(value.get("override_params")):
            if each == "model":
                account.exact((*overrides, each), ("models", route, "id"))
            elif each in kept:
                account.exact((*overrides, each), ("models", route, "request", "set", each))
        return {"model": route}

    def _provider(
        self, value: Mapping[str, Any], path: Path, preset: str | None, base: str | None, wish: str, aside: Account
    ) -> dict[str, Any]:
        own = preset is not None and not (base is not None and preset == "openai")
        settings: dict[str, Any] = {"preset": preset} if own else {"protocol": "openai-chat"}
        if base is not None:
            settings["base_url"] = self.draft.base_url(
                aside, (*path, "custom_host"), base, wish, ("providers", wish, "base_url")
            )
        place: Path = ("providers", wish, "api_key")
        key = text_of(value.get("api_key"))
        if key is not None:
            settings["api_key"] = credential(
                aside, self.draft.names, (*path, "api_key"), key, None, key_variable(wish), place
            )
        elif preset not in ("bedrock", "ollama"):
            settings["api_key"] = {"env": key_variable(wish)}
            if "virtual_key" not in value:
                self.account.differs(
                    "A target without a key", "the caller's own is sent on", "the variable that is named"
                )
        if "virtual_key" in value:
            aside.manual(
                (*path, "virtual_key"),
                place,
                f"The key itself is kept by Portkey: put it into the variable {key_variable(wish)}.",
            )
        if preset == "azure-classic":
            self._azure(value, path, wish, settings, aside)
        elif preset in ("bedrock", "vertex"):
            self._cloud(value, path, wish, settings, aside, preset)
        return settings

    def _azure(self, value: Mapping[str, Any], path: Path, wish: str, settings: dict[str, Any], aside: Account) -> None:
        name = next((each for each in _AZURE if text_of(value.get(each)) is not None), None)
        if "base_url" not in settings:
            settings["resource"] = {"env": "AZURE_RESOURCE"}
        if name is not None:
            aside.manual((*path, name), ("providers", wish, "resource"), "Put it into the variable AZURE_RESOURCE.")

    def _cloud(
        self, value: Mapping[str, Any], path: Path, wish: str, settings: dict[str, Any], aside: Account, preset: str
    ) -> None:
        aws = preset == "bedrock"
        settings["region"] = {"env": "AWS_REGION" if aws else "VERTEX_REGION"}
        if not aws:
            settings["project"] = {"env": "VERTEX_PROJECT"}
            settings["api_key"] = {"env": "VERTEX_CREDENTIALS"}
        for name in value:
            if name.startswith(("aws_", "vertex_")):
                aside.manual(
                    (*path, name), ("providers", wish), "It goes into the environment: AWS's own, or VERTEX_REGION, "
                    "VERTEX_PROJECT and VERTEX_CREDENTIALS (the service account's JSON).",
                )  # fmt: skip


def _snake(value: Any) -> Any:
    """A tree with Portkey's words in one spelling, in the same order. Raises `Refused` where both are there."""
    if isinstance(value, list):
        return [_snake(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {_SPELLED.get(key, key): _snake(inner) for key, inner in value.items()}
    if len(found) != len(value):
        raise Refused("The config says one thing in both spellings, such as `api_key` and `apiKey`. Keep one of them.")
    return found


def looks_like(tree: Any) -> str | None:
    """Why a tree is a Portkey config; None where it is not."""
    top = {_SPELLED.get(key, key): inner for key, inner in mapping(tree).items()}
    if "targets" in top and "mode" in mapping(top.get("strategy")):
        return "it has a `strategy` with a `mode` over `targets`"
    if "provider" in top and ("api_key" in top or "virtual_key" in top or "override_params" in top):
        return "it has a `provider` with a key or `override_params`"
    return "it has a `virtual_key`" if "virtual_key" in top else None


def read(tree: Any) -> Imported:
    """The import of one config. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("A Portkey config is an object with `strategy` and `targets`, or with a `provider`.")
    draft, account = Draft(tree), Account()
    spelled = _snake(tree)
    root = Tree(draft, account).node(spelled, (), Held(), f"{ROUTE}-1")
    if root is not None:
        name = draft.route(ROUTE)
        if "group" in root:
            strategy = root["strategy"]
            draft.combos[name] = {"strategy": strategy, "targets": root["group"]}
        else:
            draft.combos[name] = {"targets": [root]}
    draft.gateway["auth"] = "open"
    account.differs("Names", "the config decides, whatever `model` a request names", f"ask for {ROUTE!r}")
    account.differs("Who may call", "Portkey's keys", "anybody, on this machine alone: write `keys:`")
    account.differs("Retries", "none", "0 to 2 by the kind of failure")
    found = result(NAME, draft, account, spelled)
    told = zip(found.findings, leaves(tree), strict=True)  # in the spelling of the source
    findings = tuple(msgspec.structs.replace(finding, path=path) for finding, path in told)
    return msgspec.structs.replace(found, findings=findings)
