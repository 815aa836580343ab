"""OpenRouter's preferences: the JSON of a request, or of a preset, with `models` and `provider`.

Sources: https://openrouter.ai/docs/features/model-routing (`models` are tried in order when one fails, `model` before
them) and https://openrouter.ai/docs/features/provider-routing (`provider`: which of the hosts of a model are asked, and
in which order). The preferences go on to OpenRouter with every request; the order of models becomes a combo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.importing.draft import Draft, result
from gateway.importing.imported import Account, Imported, Path, Refused
from gateway.importing.secrets import holds_secret
from gateway.importing.source import items, mapping

NAME: Final = "openrouter"
_PREFERENCES: Final = frozenset(
    "order allow_fallbacks require_parameters data_collection zdr only ignore quantizations sort max_price "
    "enforce_distillable_text preferred_max_latency preferred_min_throughput".split()
)
# Parameters of a request that a preset may hold; what a caller says wins there as here.
_PARAMETERS: Final = frozenset(
    "temperature top_p top_k min_p top_a max_tokens stop seed frequency_penalty presence_penalty repetition_penalty "
    "reasoning response_format verbosity logit_bias".split()
)
_OPTIONS: Final = frozenset(("provider", "plugins", "transforms"))


def looks_like(tree: Any) -> str | None:
    """Why a tree is OpenRouter's; None where it is not."""
    top = mapping(tree)
    if _PREFERENCES & mapping(top.get("provider")).keys():
        return "it has a `provider` with preferences"
    models = [each for each in items(top.get("models")) if isinstance(each, str) and "/" in each]
    return "it has `models` by their makers" if models and len(models) == len(items(top.get("models"))) else None


def read(tree: Any) -> Imported:
    """The import of one object. Raises `Refused`."""
    if not isinstance(tree, dict):
        raise Refused("OpenRouter's preferences are an object with `models` or `model`, and `provider`.")
    draft, account = Draft(tree), Account()
    request = _request(tree, account)
    routes: list[str] = []
    listed: list[tuple[Any, Path]] = [(tree["model"], ("model",))] if "model" in tree else []
    listed += [(each, ("models", index)) for index, each in enumerate(items(tree.get("models")))]
    for model, path in listed:
        if not isinstance(model, str) or "/" not in model or "*" in model:
            account.unsupported(path, "It is no model of OpenRouter's: maker/model.")
            continue
        if any(model in (name, each.get("id")) for name, each in draft.models.items()):
            account.unsupported(path, "It is listed already.")
            continue
        name = draft.route(model)
        provider = draft.provider(NAME, {"preset": NAME, "api_key": {"env": "OPENROUTER_API_KEY"}})
        entry: dict[str, Any] = {"provider": provider} if name == model else {"provider": provider, "id": model}
        draft.models[name] = entry | ({"request": request} if request else {})
        routes.append(name)
        account.exact(path, ("models", name))
    if len(routes) > 1:
        combo = draft.route("preferred")
        draft.combos[combo] = {"targets": [{"model": name} for name in routes]}
        for model, path in listed:
            if model in routes:
                account.approximate(
                    path,
                    ("combos", combo),
                    f"Ask for {combo!r}: the gateway goes on to the next, OpenRouter is not asked to.",
                )
    if "route" in tree:
        account.exact(("route",), (), "The models are tried in their order.")
    draft.gateway["auth"] = "open"
    account.differs("Names", "the request names the models", "a model's own name, or the combo `preferred`")
    account.differs("Who may call", "keys of OpenRouter's", "anybody, on this machine alone: write `keys:`")
    return result(NAME, draft, account, tree)


def _request(tree: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """What goes with every request: OpenRouter's own fields, and defaults."""
    request: dict[str, Any] = {}
    for name, value in tree.items():
        path: Path = (name,)
        if holds_secret(value, name):
            account.unsupported(path, "It holds what looks like a credential, which is not copied.")
        elif name in _OPTIONS:
            request.setdefault("options", {})[name] = value
            account.exact(path, (), "`request.options` of each model, as it is.")
        elif name in _PARAMETERS:
            request.setdefault("default", {})[name] = value
            account.exact(path, (), "`request.default` of each model: what the caller says wins.")
        elif name in ("messages", "prompt", "stream"):
            account.unsupported(path, "It belongs to one request.")
    return request
