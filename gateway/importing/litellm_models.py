"""LiteLLM's `model_list`: one deployment each, gathered into groups by `model_name`.

What a parameter means is said at https://docs.litellm.ai/docs/proxy/configs (`litellm_params`, `model_info`,
wildcards), https://docs.litellm.ai/docs/routing and `litellm/router_strategy/simple_shuffle.py` (`weight`, then
`rpm`, then `tpm` are weights of the draw; they bound nothing by themselves, but `rpm` also bounds how many run at
once), and https://docs.litellm.ai/docs/proxy/load_balancing (`order`). Parameters that LiteLLM sends on, such as
`temperature`, are defaults: what the caller says wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from gateway.importing.draft import Draft, plain_number, seconds
from gateway.importing.imported import Account, Path
from gateway.importing.litellm_clouds import CLOUD, Place, Where, referred
from gateway.importing.litellm_hosts import HOSTS, Host, responses_only, serves_no_chat, split
from gateway.importing.secrets import credential, holds_secret, is_variable
from gateway.importing.source import items, mapping, number, text_of, truth, whole

# Parameters of OpenAI's chat that stand at a request's top level on the wires that are named here.
HERE: Final = ("@",)
_SENT: Final = frozenset(
    [
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "user",
        "reasoning_effort",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "service_tier",
        "store",
        "verbosity",
        "web_search_options",
        "modalities",
        "logprobs",
        "top_logprobs",
    ]
)
_HOME: Final = "https://api.openai.com/v1"
_THINKS: Final = re.compile(r"(o\d|gpt-5)")  # models that take `max_completion_tokens` alone
_MORE: Final = frozenset(("max_new_tokens", "voice", "audio", "prediction", "keep_alive"))
_CHAT_WIRE: Final = frozenset(("openai-chat",))
_OTHER_WIRES: Final = frozenset(("temperature", "top_p", "max_tokens", "thinking", "top_k", "stop"))
_UNLIKE: Final = frozenset(("safety_settings", "metadata"))  # each wire has its own form of it
_COSTS: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "audio_input",
    "output_cost_per_audio_token": "audio_output",
}
_READ: Final = frozenset(
    [
        "model",
        "api_key",
        "api_base",
        "base_url",
        "api_version",
        "custom_llm_provider",
        "weight",
        "rpm",
        "tpm",
        "order",
        "litellm_credential_name",
    ]
)
_REASONS: Final = {
    "mock_response": "Answers are not made up here; `gateway test` and the `sandbox` provider do that.",
    "use_in_pass_through": "There is no pass-through of a provider's own endpoints.",
    "merge_reasoning_content_in_choices": "Reasoning stays in its own field.",
    "cache_control_injection_points": "The gateway marks nothing for a provider's cache.",
    "max_budget": "A budget per deployment does not exist; `budgets:` can have `scope: {provider: …}`.",
    "roles": "Prompt templates of LiteLLM's are not made here: the server makes its own.",
    "tag_regex": "Requests are not chosen by a pattern over tags; see `strategy: when`.",
    "complexity_router_config": "No strategy judges how hard a question is; see `strategy: when` for conditions.",
}


class Draw(msgspec.Struct, frozen=True):
    """How LiteLLM's router is set: our strategy, whether it draws by weight, whether rpm and tpm are limits."""

    strategy: str = "weighted"
    shuffles: bool = True
    limits: bool = False


class Deployed(msgspec.Struct):
    """One deployment: where it goes, what is said of it as a model, and its share. `account` says it with places below
    `HERE`, which become the model's once its group is known."""

    path: Path
    provider: str
    id: str
    entry: dict[str, Any]
    account: Account
    weight: float | None = None  # the share of the draw
    order: int | None = None
    said_weight: float | None = None
    rpm: int | None = None
    tpm: int | None = None


class Reader:
    """Reads one deployment after the other."""

    def __init__(self, draft: Draft, account: Account, draw: Draw, stored: Mapping[str, Any]) -> None:
        self.draft = draft
        self.account = account
        self.draw = draw
        self.stored = stored

    def deployment(self, item: Any, path: Path) -> Deployed | None:
        """What one row of `model_list` is here; None with findings where it is nothing."""
        params = mapping(mapping(item).get("litellm_params"))
        info = mapping(mapping(item).get("model_info"))
        at: Path = (*path, "litellm_params")
        model = text_of(params.get("model"))
        if model is None:
            self.account.unsupported(path, "It has no `litellm_params.model`, so LiteLLM cannot ask it either.")
            return None
        if referred(model) is not None:
            self.account.unsupported(path, "Its model is an environment variable's; names of models are written here.")
            return None
        named = text_of(params.get("litellm_credential_name"))
        if named is not None:
            found = self.stored.get(named)
            if found is None:
                self.account.manual((*at, "litellm_credential_name"), (), "No such credential is in this file.")
            else:
                params = {**found, **params}
                self.account.exact((*at, "litellm_credential_name"), (), "Its values stand at the provider.")
        prefix, rest = split(model, text_of(params.get("custom_llm_provider")))
        mode = text_of(info.get("mode"))
        why = serves_no_chat(rest, mode)
        if why is None and (prefix is None or (prefix not in HOSTS and prefix not in CLOUD)):
            why = f"LiteLLM's provider {prefix or model.partition('/')[0]!r} is spoken by nothing here."
            if model == "*":
                why = "LiteLLM finds the provider by each name that is asked for; here a pattern has one provider."
        if why is not None or prefix is None:
            self.account.unsupported(path, f"Left out. {why}")
            return None
        aside = Account()
        where = Where(params, at, self.draft, aside)
        place = CLOUD[prefix](where, rest) if prefix in CLOUD else self._plain(where, HOSTS[prefix], prefix, rest, mode)
        if place.no is not None:
            self.account.unsupported(path, f"Left out. {place.no}")
            return None
        settings = dict(place.settings)
        settings.update(self._of_provider(params, at, place.wish, aside, settings))
        provider = self.draft.provider(place.wish, settings)
        said = Account()
        said.adopt(aside, ("providers", place.wish), ("providers", provider))
        wire = "openai-chat" if settings.get("protocol", "openai-chat") == "openai-chat" else str(settings["protocol"])
        if settings.get("preset") in ("anthropic", "vertex-claude", "gemini", "vertex", "bedrock", "bedrock-key",
                                      "cohere", "ollama", "openai-responses"):  # fmt: skip
            wire = str(settings["preset"])
        deployed = Deployed(path, provider, place.id, {}, said)
        self._parameters(params, at, deployed, wire)
        self._left(params, at, deployed)
        self._info(info, (*path, "model_info"), deployed)
        self._shares(params, at, deployed)
        if place.differs:
            said.approximate((*at, "model"), HERE, place.differs)
        else:
            said.exact((*at, "model"), HERE)
        if "custom_llm_provider" in params:
            said.exact((*at, "custom_llm_provider"), ("providers", provider))
        return deployed

    def _plain(self, where: Where, host: Host, prefix: str, rest: str, mode: str | None) -> Place:
        settings = dict(host.settings)
        wish = str(settings.get("preset", prefix)).replace("_", "-")
        if prefix == "openai" and rest.startswith("responses/"):
            rest, mode = rest.removeprefix("responses/"), "responses"
        base, at = where.text("api_base", "base_url")
        differs = host.differs
        own = host.own_base == "protocol"
        if base is not None and own and base.rstrip("/") == _HOME:
            where.account.exact(at, ("providers", wish), "It is the preset's own.")
            base = None
        if base is not None:
            if own:
                settings = {"protocol": "openai-chat"}
                wish = _named_by(base, prefix)
            settings["base_url"] = self._base(where, host, at, base, wish)
        elif ("base_url" not in settings and settings.get("preset") in ("databricks", "litellm")) or (
            "preset" not in settings and "base_url" not in settings
        ):
            settings["base_url"] = {"env": f"{prefix.upper()}_API_BASE"}
        if prefix == "openai" and base is None and (mode == "responses" or responses_only(rest)):
            settings = {"preset": "openai-responses"}
            wish = "openai-responses"
        key, key_at = where.text("api_key")
        place = ("providers", wish, "api_key")
        if key is not None and key.lower() in ("none", "null", "") and referred(key) is None:
            settings["api_key"] = "none"
            where.account.approximate(key_at, place, "LiteLLM sends that word as a key, here none is sent.")
        elif key is not None:
            wished = host.variable or f"{wish.upper().replace('-', '_')}_API_KEY"
            if base is not None and own:
                wished = f"{re.sub('[^A-Za-z0-9]+', '_', wish).upper()}_API_KEY"
            settings["api_key"] = credential(where.account, self.draft.names, key_at, key, referred(key), wished, place)
        elif host.variable:
            self.draft.names.take(host.variable)
            settings["api_key"] = {"env": host.variable}
        return Place(wish, settings, rest, differs)

    def _base(self, where: Where, host: Host, at: Path, base: str, wish: str) -> str | dict[str, str]:
        place = ("providers", wish, "base_url")
        env = referred(base)
        if env is not None and is_variable(env):
            if host.base_suffix:
                where.account.manual(at, place, f"{env} must end in {host.base_suffix} here: add it to its value.")
            else:
                where.account.exact(at, place)
            return {"env": env}
        url = base.rstrip("/")
        if host.base_suffix and not url.endswith((host.base_suffix, "/chat/completions", "/messages")):
            url += host.base_suffix
        return self.draft.base_url(where.account, at, url, wish, place)

    def _of_provider(
        self, params: Mapping[str, Any], at: Path, wish: str, aside: Account, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        headers: dict[str, Any] = {}
        for name in ("extra_headers", "headers"):
            if name in params:
                headers.update(self.draft.headers(aside, (*at, name), params[name], wish))
        organization = text_of(params.get("organization"))
        if organization is not None:
            env = referred(organization)
            name, here = "openai-organization", (*at, "organization")
            if env is not None and is_variable(env):
                headers[name] = {"env": env}
                aside.exact(here, ("providers", wish, "headers", name))
            else:
                said = Account()
                headers.update(self.draft.headers(said, at, {name: organization}, wish))
                finding = said.findings({})[0] if name not in headers else None
                if finding is not None:
                    aside.unsupported(here, "It is no header that can be sent.")
                elif isinstance(headers[name], dict):
                    aside.manual(here, ("providers", wish, "headers", name), f"Put it into {headers[name]['env']}.")
                else:
                    aside.exact(here, ("providers", wish, "headers", name))
        if headers:
            found["headers"] = headers
        if truth(params.get("ssl_verify")) is False:
            found["tls"] = {"verify": False}
            aside.exact((*at, "ssl_verify"), ("providers", wish, "tls", "verify"), "Certificates are not looked at.")
        elif "ssl_verify" in params:
            aside.exact((*at, "ssl_verify"), (), "Certificates are looked at, as they are by default.")
        return found

    def _parameters(self, params: Mapping[str, Any], at: Path, deployed: Deployed, wire: str) -> None:
        account, entry = deployed.account, deployed.entry
        for name, value in params.items():
            here: Path = (*at, name)
            if name in _READ or account.said(here) or value is None or (name in ("ssl_verify", "organization")):
                if value is None and not account.said(here):
                    account.exact(here, (), "Nothing is said by it.")
                continue
            if name in ("extra_headers", "headers") or name.startswith(("aws_", "vertex_", "azure_")):
                continue
            if name in _COSTS and (cost := number(value)) is not None and 0 <= cost < 1:
                entry.setdefault("price", {})[_COSTS[name]] = plain_number(cost * 1e6)
                account.exact(here, (*HERE, "price", _COSTS[name]), "Per million tokens instead of per token.")
            elif (
                name in ("timeout", "request_timeout", "stream_timeout") and (time := number(value)) and 0 < time < 3e7
            ):
                key = "first_token" if name == "stream_timeout" else "total"
                entry.setdefault("timeouts", {})[key] = seconds(time)
                account.approximate(
                    here,
                    (*HERE, "timeouts", key),
                    "LiteLLM's runs from one piece of an answer to the next, ours bounds "
                    + ("the time to a stream's first content." if key == "first_token" else "an attempt as a whole."),
                )
            elif name in ("num_retries", "max_retries") and (times := whole(value)) is not None:
                entry["retries"] = {"attempts": min(times, 10)}
                account.approximate(
                    here, (*HERE, "retries", "attempts"), "Each kind of failure has its own bound here, 2 at most."
                )
            elif name == "cooldown_time" and (time := number(value)) and 0 < time < 3e7:
                entry["breaker"] = {"cooldown": f"{seconds(time)}..{seconds(time)}"}
                account.approximate(
                    here, (*HERE, "breaker", "cooldown"), "What opens a breaker is counted in another way."
                )
            elif name == "max_parallel_requests" and (most := whole(value)):
                entry.setdefault("limits", {})["concurrent"] = most
                account.approximate(
                    here, (*HERE, "limits", "concurrent"), "One more goes elsewhere or gets 429; there it waits."
                )
            elif name == "drop_params" and truth(value) is not None:
                entry["on_lossy"] = "allow" if truth(value) else "reject"
                account.approximate(
                    here, (*HERE, "on_lossy"), "It is about what a translation between wires loses, nothing else."
                )
            elif name == "tags" and items(value) and all(isinstance(tag, str) for tag in value):
                entry["tags"] = list(value)
                account.manual(
                    here, (*HERE, "tags"), "The tags are kept; choosing by them is a policy's: `require: {tags: …}`."
                )
            elif (
                name == "additional_drop_params"
                and items(value)
                and all(re.fullmatch(r"\w+", str(each)) for each in items(value))
            ):
                entry.setdefault("request", {})["drop"] = [str(each) for each in value]
                if wire in _CHAT_WIRE:
                    account.exact(here, (*HERE, "request", "drop"))
                else:
                    account.approximate(here, (*HERE, "request", "drop"), "By the names of the provider's wire.")
            elif name == "allowed_openai_params":
                account.approximate(here, HERE, "On OpenAI's wire everything a caller says is passed on.")
            elif (
                name == "extra_body" or name in _SENT | _OTHER_WIRES | _UNLIKE or (wire in _CHAT_WIRE and name in _MORE)
            ):
                _sent(name, value, here, deployed, wire)
            elif holds_secret(value, name):
                account.unsupported(here, "Nothing here takes it; whatever holds a credential is not copied.")
            else:
                account.unsupported(here, _REASONS.get(name, "No setting of a model here says this."))

    def _left(self, params: Mapping[str, Any], at: Path, deployed: Deployed) -> None:
        """An address or a key that this provider is not asked with."""
        for name in ("api_base", "base_url", "api_version", "api_key"):
            if name in params and not deployed.account.said((*at, name)):
                deployed.account.manual(
                    (*at, name),
                    ("providers", deployed.provider),
                    "This provider has its own here: write it there if it must be.",
                )

    def _info(self, info: Mapping[str, Any], at: Path, deployed: Deployed) -> None:
        account, entry = deployed.account, deployed.entry
        for name, value in info.items():
            here: Path = (*at, name)
            if name in _COSTS and (cost := number(value)) is not None and 0 <= cost < 1:
                entry.setdefault("price", {})[_COSTS[name]] = plain_number(cost * 1e6)
                account.exact(here, (*HERE, "price", _COSTS[name]), "Per million tokens instead of per token.")
            elif name in ("max_input_tokens", "max_output_tokens", "max_tokens") and (most := whole(value)):
                key = "context" if name == "max_input_tokens" else "max_output"
                entry.setdefault(key, most)
                if key == "context":
                    account.approximate(here, (*HERE, key), "Prompt and answer have to fit into it together.")
                else:
                    account.exact(here, (*HERE, key))
            elif name == "mode" and value in ("chat", "completion", "responses"):
                account.exact(here, ("providers", deployed.provider))
            elif name == "base_model":
                account.manual(
                    here, (), "Facts and prices are looked up by the provider's id: write `price` and `context`."
                )
            elif name.startswith("supports_"):
                account.manual(
                    here, (), "`supports` lists all that a model can do: write the whole list where it matters."
                )
            elif name == "access_groups":
                account.manual(here, (), "Write the model's name into the `allow` of the keys that may use it.")
            elif name == "id":
                account.unsupported(here, "A deployment has no id of its own; `model@provider` names one.")
            elif name.startswith(("health_check", "disable_background_health")):
                account.unsupported(here, "Nothing is asked to see whether it is well: breakers watch real requests.")
            else:
                account.unsupported(here, "It changes nothing about routing, and nothing here keeps it.")

    def _shares(self, params: Mapping[str, Any], at: Path, deployed: Deployed) -> None:
        account, draw = deployed.account, self.draw
        weight = number(params.get("weight"))
        if "weight" in params:
            if weight is not None and weight >= 0 and draw.shuffles:
                deployed.weight = deployed.said_weight = weight
            else:
                account.unsupported((*at, "weight"), "With this routing strategy LiteLLM looks at no weights.")
        if "order" in params and (order := whole(params["order"])) is not None:
            deployed.order = order
        for name, unit in (("rpm", "requests"), ("tpm", "tokens")):
            if name not in params:
                continue
            most = whole(params[name])
            if not most:
                account.unsupported((*at, name), "It is no number that bounds anything.")
                continue
            setattr(deployed, name, most)
            if draw.limits:
                deployed.entry.setdefault("limits", {})[unit] = f"{most}/minute"
                account.approximate(
                    (*at, name), (*HERE, "limits", unit), "Over a sliding minute; LiteLLM counts by the clock's."
                )


def _sent(name: str, value: Any, here: Path, deployed: Deployed, wire: str) -> None:
    """A parameter that LiteLLM sends where the caller says nothing."""
    account, entry = deployed.account, deployed.entry
    if holds_secret(value, name):
        account.unsupported(here, "It holds what looks like a credential, which is not copied.")
    elif name == "extra_body" and isinstance(value, dict) and wire in _CHAT_WIRE:
        entry.setdefault("request", {}).setdefault("options", {}).update(value)
        account.exact(here, (*HERE, "request", "options"))
    elif isinstance(value, dict) and name == "reasoning_effort":
        account.manual(here, HERE, "LiteLLM asks the Responses API where it is an object: write `effort` alone.")
    elif name == "max_tokens" and wire in _CHAT_WIRE and _THINKS.match(deployed.id):
        entry.setdefault("request", {}).setdefault("default", {})["max_completion_tokens"] = value
        account.exact(here, (*HERE, "request", "default", "max_completion_tokens"), "As this model calls it.")
    elif (name in _SENT and wire in _CHAT_WIRE) or (
        (wire in _CHAT_WIRE and name in _MORE) or (wire in ("anthropic", "vertex-claude") and name in _OTHER_WIRES)
    ):
        entry.setdefault("request", {}).setdefault("default", {})[name] = value
        account.exact(here, (*HERE, "request", "default", name))
    else:
        account.manual(here, HERE, f"{name!r} has another name on this provider's wire: say it under `request` there.")


def _named_by(base: str, prefix: str) -> str:
    """A provider's name after its base URL."""
    env = referred(base)
    if env is not None:
        return re.sub(r"(?i)_?(api_?base|base_?url|endpoint|url)$", "", env).lower().replace("_", "-") or prefix
    try:
        host, port = urlsplit(base).hostname or "", urlsplit(base).port
    except ValueError:
        return f"{prefix}-server"
    if not host or host == "localhost" or re.fullmatch(r"[\d.:a-f]+", host):
        return f"{prefix}-{port}" if port else f"{prefix}-server"
    labels = [label for label in host.split(".") if label not in ("www", "api")]
    return labels[0] if labels else f"{prefix}-server"
