"""LiteLLM's `litellm_settings`, `router_settings`, `general_settings`, and the sections that have no counterpart.

Source: https://docs.litellm.ai/docs/proxy/config_settings, which names every setting and its default; caching:
https://docs.litellm.ai/docs/proxy/caching (an answer is shared by all callers, and kept for 60 s in Redis, 10 min in
memory, where no `ttl` is said).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from gateway.importing.draft import Draft, plain_number, seconds
from gateway.importing.imported import Account, Path
from gateway.importing.source import mapping, number, text_of, truth, whole

# Sections at the top that nothing here stands for.
SECTIONS: Final[Mapping[str, str]] = {
    "guardrails": "LiteLLM's guardrail services are not called here; `guardrails:` has patterns of its own.",
    "mcp_servers": "MCP servers are not proxied here.",
    "mcp_aliases": "MCP servers are not proxied here.",
    "mcp_tools": "MCP servers are not proxied here.",
    "search_tools": "Search tools are not served here.",
    "prompts": "Prompts are not managed here.",
    "vector_store_registry": "Vector stores are not served here.",
    "files_settings": "Files and batches are not served here.",
    "finetune_settings": "Fine-tuning is not served here.",
    "policies": "They attach LiteLLM's guardrails, which are not called here; `policies:` has rules of its own.",
    "policy_attachments": "They attach LiteLLM's guardrails, which are not called here.",
    "worker_registry": "Workers are processes of one gateway here: `gateway.workers`.",
    "tag_routing": "Requests are not chosen by tags like this; see `require: {tags: …}`.",
    "assistant_settings": "Assistants are not served here.",
    "callback_settings": "Logs and metrics leave through Prometheus and the log, not through callbacks.",
}
_LOGGING: Final = "Callbacks do not exist here: requests are in the log, the ledger and /metrics."
_WHY: Final[Mapping[str, str]] = {
    "callbacks": _LOGGING,
    "success_callback": _LOGGING,
    "failure_callback": _LOGGING,
    "service_callbacks": _LOGGING,
    "custom_prometheus_metadata_labels": "The labels of /metrics are fixed.",
    "custom_prometheus_tags": "The labels of /metrics are fixed.",
    "prometheus_initialize_budget_metrics": "The metrics of /metrics are fixed.",
    "custom_provider_map": "There are no custom handlers; a server of your own is a provider with a `base_url`.",
    "alerting": "Alerts are not sent from here; /metrics has what they need.",
    "background_health_checks": "Nothing is asked to see whether it is well: breakers watch real requests.",
    "health_check_interval": "Nothing is asked to see whether it is well: breakers watch real requests.",
    "health_check_details": "GET /-/health shows what an admin's key may see.",
    "use_shared_health_check": "Nothing is asked to see whether it is well: breakers watch real requests.",
    "database_connection_pool_limit": "There is no database of settings.",
    "store_model_in_db": "Models are in router.yaml and nowhere else.",
    "enable_jwt_auth": "Callers have keys here; tokens of an identity provider are not read.",
    "litellm_jwtauth": "Callers have keys here; tokens of an identity provider are not read.",
    "role_permissions": "Callers have keys here; write what each may use into its `allow`.",
    "custom_sso": "There is no user interface to sign in to.",
    "custom_auth": "There is no code of your own in the way of a request; callers have keys.",
    "forward_client_headers_to_llm_api": "Headers of clients are not sent on.",
    "forward_llm_provider_auth_headers": "Credentials of clients are not sent on.",
    "forward_openai_org_id": "Headers of clients are not sent on.",
    "reject_clientside_metadata_tags": "Tags of clients are believed only of keys that say `trust: [tags]`.",
    "key_management_system": "Secrets come from variables and files: mount them from your secret manager.",
    "key_management_settings": "Secrets come from variables and files: mount them from your secret manager.",
    "modify_params": "Requests are translated, not repaired.",
    "reasoning_auto_summary": "Reasoning is asked for as the client asks for it.",
    "return_response_headers": "Headers of the provider are not handed on.",
    "internal_user_budget_duration": "There are no internal users; budgets are for keys, teams and users.",
    "max_internal_user_budget": "There are no internal users; budgets are for keys, teams and users.",
    "retry_policy": "How often each kind of failure is sent again is fixed (docs/behaviour.md).",
    "model_group_retry_policy": "How often each kind of failure is sent again is fixed (docs/behaviour.md).",
    "allowed_fails_policy": "A breaker counts all kinds that count, with one threshold.",
    "enable_tag_filtering": "Requests are not chosen by tags like this; see `require: {tags: …}`.",
    "tag_filtering_match_any": "Requests are not chosen by tags in this form; see `strategy: when`.",
    "routing_strategy_args": "The strategies here have settings of their own (docs/strategies.md).",
    "mcp_aliases": "MCP servers are not proxied here.",
    "cache_params": "There is no `cache: true` that it would be for.",
    "provider_budget_config": "Write `budgets:` with `scope: {provider: …}`.",
}

Say: TypeAlias = Callable[["At"], None]


class At(msgspec.Struct, frozen=True):
    """One setting: its value, where it stands, and what is being built."""

    value: Any
    path: Path
    section: Mapping[str, Any]
    routes: Mapping[str, str]
    draft: Draft
    account: Account


def settings(tree: Mapping[str, Any], routes: Mapping[str, str], draft: Draft, account: Account) -> None:
    """Everything in the three sections of settings that is not fallbacks, aliases, strategy or the master key."""
    routing, general = mapping(tree.get("router_settings")), mapping(tree.get("litellm_settings"))
    both = {**general, **routing}
    for section in ("router_settings", "litellm_settings", "general_settings"):
        for name, value in mapping(tree.get(section)).items():
            path: Path = (section, name)
            if name in _READ_ELSEWHERE or account.said(path):
                continue
            if section == "litellm_settings" and name in routing:
                account.exact(path, (), "`router_settings` says it as well, and wins.")
                continue
            say = _SETTINGS.get(name)
            if say is not None:
                say(
                    At(
                        value,
                        path,
                        both if section != "general_settings" else mapping(tree.get(section)),
                        routes,
                        draft,
                        account,
                    )
                )
            if not account.said(path):
                account.unsupported(path, _WHY.get(name, "No setting here says this."))
    _environment(tree, account)
    if "default_litellm_params" in tree:
        account.unsupported(
            ("default_litellm_params",),
            "Every model says for itself what is sent: `headers` of a provider, `request` of a model.",
        )


def _environment(tree: Mapping[str, Any], account: Account) -> None:
    for name in mapping(tree.get("environment_variables")):
        account.manual(
            ("environment_variables", name),
            (),
            f"Set {name} in the environment of the process: a file of routes sets none.",
        )


_READ_ELSEWHERE: Final = frozenset(
    [
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "default_fallbacks",
        "model_group_alias",
        "routing_strategy",
        "master_key",
    ]
)


def _retries(at: At) -> None:
    times = whole(at.value)
    if times is not None:
        at.draft.defaults["retries"] = {"attempts": min(times, 10)}
        at.account.approximate(
            at.path, ("defaults", "retries", "attempts"),
            "Of one target, by the kind of failure 2 at most; then each other of the group is asked.",
        )  # fmt: skip


def _timeout(key: str, differs: str) -> Say:
    def say(at: At) -> None:
        time = number(at.value)
        if time is not None and 0 < time < 3e7:
            at.draft.defaults.setdefault("timeouts", {})[key] = seconds(time)
            at.account.approximate(at.path, ("defaults", "timeouts", key), differs)

    return say


def _breaker(at: At) -> None:
    """`allowed_fails` and `cooldown_time` together are one breaker."""
    fails, cooldown = whole(at.section.get("allowed_fails")), number(at.section.get("cooldown_time"))
    breaker = at.draft.defaults.setdefault("breaker", {})
    if fails is not None:
        breaker.update(failures=min(fails + 1, 1000), window="1m")
    if cooldown is not None and 0 < cooldown < 3e7:
        breaker["cooldown"] = f"{seconds(cooldown)}..{seconds(cooldown)}"
    if not breaker:
        del at.draft.defaults["breaker"]
        return
    if at.path[-1] == "allowed_fails" and fails is not None:
        at.account.approximate(
            at.path, ("defaults", "breaker", "failures"),
            "One more than are allowed, in a sliding minute. A lone deployment rests here too, there it does not.",
        )  # fmt: skip
    elif at.path[-1] == "cooldown_time" and "cooldown" in breaker:
        at.account.approximate(
            at.path, ("defaults", "breaker", "cooldown"), "Afterwards one request is let through before all are."
        )


def _cache(at: At) -> None:
    params = mapping(at.section.get("cache_params"))
    kind = text_of(params.get("type")) or "local"
    base: Path = (at.path[0], "cache_params")
    if truth(at.value) is not True:
        at.account.exact(at.path, (), "Nothing is kept, as by default.")
        for name in params:
            at.account.exact((*base, name), (), "Nothing is kept, so it says nothing.")
        return
    time = number(params.get("ttl"))
    ttl = seconds(time) if time and 0 < time < 3e7 else "10m" if kind in ("local", "disk") else "1m"
    semantic = kind.endswith("semantic")
    prefix = kind.removesuffix("-semantic").replace("-", "_")
    model = text_of(params.get(f"{prefix}_semantic_cache_embedding_model"))
    if semantic and model not in at.routes:
        at.account.unsupported(
            at.path, "The model that embeds is not in this file, or was left out: name one in `cache.semantic`."
        )
        at.account.unsupported(base, "There is no model to embed with.")
        return
    threshold = number(params.get("similarity_threshold"))
    if semantic and model is not None:
        least = threshold if threshold is not None and 0 <= threshold <= 1 else 0.8
        at.draft.cache["semantic"] = {"model": at.routes[model], "threshold": plain_number(least), "ttl": ttl}
    else:
        at.draft.cache["exact"] = {"ttl": ttl}
    at.draft.cache["scope"] = "shared"
    place: Path = ("cache", "semantic" if semantic else "exact")
    at.account.approximate(
        at.path,
        place,
        "What makes two requests the same is judged by the whole request here.",
    )
    for name in params:
        here: Path = (*base, name)
        if name == "ttl" and time:
            at.account.exact(here, (*place, "ttl"))
        elif name == "type" and kind in ("local", "disk"):
            at.account.approximate(here, ("cache",), "Answers are kept with `gateway.state`, which is in memory.")
        elif name in ("similarity_threshold", f"{prefix}_semantic_cache_embedding_model") and semantic:
            at.account.approximate(here, place, "The likeness is a cosine over the last words of the user.")
        elif name == "supported_call_types":
            at.account.approximate(here, place, "Answers of chat are kept; the other calls are not served here.")
        elif name == "mode" and params[name] == "default_off":
            at.account.manual(here, place, "It is on for all here: name the requests in `only_when`.")
        elif name in (
            "namespace",
            "qdrant_collection_name",
            "qdrant_quantization_config",
            "qdrant_semantic_cache_vector_size",
        ):
            at.account.unsupported(here, "Answers are kept in the gateway's own form.")
        else:
            at.account.manual(
                here,
                ("cache",),
                "Answers are kept in memory until `gateway.state: {redis: {url: {env: REDIS_URL}}}` is written.",
            )


def _shared_state(at: At) -> None:
    at.account.manual(
        at.path,
        (),
        "State is in memory until `gateway.state: {redis: {url: {env: REDIS_URL}}}` is written.",
    )


def _lossy(at: At) -> None:
    drops = truth(at.value)
    if drops is not None:
        at.draft.defaults["on_lossy"] = "allow" if drops else "reject"
        at.account.approximate(
            at.path, ("defaults", "on_lossy"),
            "It is about what a translation between wires loses; on the provider's own wire everything is passed on.",
        )  # fmt: skip


def _verbose(at: At) -> None:
    if truth(at.value) is True:
        at.draft.gateway.setdefault("log", {})["level"] = "debug"
        at.account.approximate(at.path, ("gateway", "log", "level"), "Bodies are never logged.")
    elif truth(at.value) is False:
        at.account.exact(at.path, (), "It is quiet by default.")


def _json_logs(at: At) -> None:
    if truth(at.value) is True:
        at.draft.gateway.setdefault("log", {})["format"] = "json"
        at.account.approximate(at.path, ("gateway", "log", "format"), "The objects have the gateway's own fields.")


def _pre_call(at: At) -> None:
    at.account.approximate(
        at.path, (), "A target whose window is clearly too small is always passed over; rpm and tpm are `limits` here."
    )


def _checks(at: At) -> None:
    told = {
        "enforce_model_rate_limits": "rpm and tpm are `limits` here.",
        "responses_api_deployment_check": "A `previous_response_id` always goes back to the target that made it.",
        "prompt_caching": "Write `sticky: {by: session, for: 5m}` on a combo.",
        "deployment_affinity": "Write `sticky: {by: key, for: 1h}` on a combo.",
    }
    for index, name in enumerate(at.value if isinstance(at.value, list) else ()):
        path: Path = (*at.path, index)
        if name == "responses_api_deployment_check":
            at.account.exact(path, (), told[name])
        elif name == "enforce_model_rate_limits":
            at.account.approximate(path, (), told[name])
        elif isinstance(name, str) and name in told:
            at.account.manual(path, (), told[name])
        else:
            at.account.unsupported(path, "There is no such check here.")


def _budget(at: At) -> None:
    most = number(at.value)
    if most is not None and most > 0:
        per = text_of(at.section.get("budget_duration")) or ""
        rolling = per if per[:-1].isdigit() and per[-1:] in ("m", "h", "d") and int(per[:-1]) > 0 else "total"
        at.draft.budgets["everything"] = {"limit": f"{plain_number(most)} USD", "per": rolling}
        place: Path = ("budgets", "everything")
        at.account.approximate(at.path, place, "Money is reserved before a request is sent, so no one goes over it.")
        if "budget_duration" in at.section:
            say = at.account.approximate if rolling != "total" else at.account.manual
            why = (
                "The window rolls; LiteLLM's begins anew."
                if rolling != "total"
                else "Write how long it lasts, such as 30d."
            )
            say((at.path[0], "budget_duration"), (*place, "per"), why)


def _database(at: At) -> None:
    at.account.manual(
        at.path,
        (),
        "The file is the only writer: write the database's models and keys here. `gateway.ledger` records requests.",
    )


def _user_param(at: At) -> None:
    if truth(at.value):
        at.account.manual(
            at.path, (), "A request without `user` is not refused; users count for keys that say `trust: [user]`."
        )


def _tls(at: At) -> None:
    if truth(at.value) is False:
        for name in at.draft.providers:
            at.draft.providers[name].setdefault("tls", {"verify": False})
        at.account.exact(at.path, (), "Each provider has `tls: {verify: false}`.")
    elif truth(at.value) is True:
        at.account.exact(at.path, (), "Certificates are looked at, as they are by default.")


_SETTINGS: Final[Mapping[str, Say]] = {
    "num_retries": _retries,
    "request_timeout": _timeout(
        "total", "LiteLLM's runs from one piece of an answer to the next, ours bounds an attempt."
    ),
    "timeout": _timeout("total", "LiteLLM's runs from one piece of an answer to the next, ours bounds an attempt."),
    "stream_timeout": _timeout(
        "first_token", "LiteLLM's runs until a stream's first piece, ours until its first content."
    ),
    "allowed_fails": _breaker,
    "cooldown_time": _breaker,
    "cache": _cache,
    "redis_host": _shared_state,
    "redis_port": _shared_state,
    "redis_password": _shared_state,
    "redis_url": _shared_state,
    "drop_params": _lossy,
    "set_verbose": _verbose,
    "json_logs": _json_logs,
    "enable_pre_call_checks": _pre_call,
    "optional_pre_call_checks": _checks,
    "max_budget": _budget,
    "database_url": _database,
    "enforce_user_param": _user_param,
    "ssl_verify": _tls,
}
