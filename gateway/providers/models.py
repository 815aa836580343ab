"""What is known of an upstream model: its price, its windows and what it can do.

Prices and context windows come from prices.json, which `refresh.py` writes from the price library, with the library's
own matching of ids; windows and capabilities that the library lacks come from `capabilities.py`. Both are looked into
once an id, and prices.json is read when the first id is asked for: a file without vendors' models never reads it.
What nobody knows is None. What router.yaml says of a model outranks all of it (engine/facts.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.ir.cost import Price
from gateway.providers.capabilities import capable

# Presets by the catalog's name of them; a preset that is not here is known by its URL, or not at all.
CATALOGS: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure-classic": "azure",
    "azure-entra": "azure",
    "bedrock": "aws",
    "bedrock-key": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openai-responses": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "sandbox": "sandbox",
    "together": "together",
    "vertex": "google",
    "vertex-claude": "google",
    "xai": "x-ai",
    "zhipu": "zhipuai",
}
# Catalogs of those who make the models that they serve, under ids that they alone give: there an unknown id is news.
MAKERS: Final = frozenset(
    ("anthropic", "cohere", "deepseek", "google", "minimax", "mistral", "moonshotai", "openai", "perplexity", "x-ai")
)
SANDBOX: Final = "sandbox"

_DATED: Final = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Facts(msgspec.Struct, frozen=True):
    """What is known of one upstream model; None is unknown. `id` is the catalog's own, "" where it has none.

    `context` and `max_output` are tokens; `supports` are words of capabilities.py.
    """

    id: str = ""
    price: Price | None = None
    context: int | None = None
    max_output: int | None = None
    supports: frozenset[str] | None = None


class _Model(msgspec.Struct, frozen=True):
    id: str
    match: dict[str, Any]
    context: int | None = None
    price: msgspec.Raw = msgspec.Raw(b"null")


class _Provider(msgspec.Struct, frozen=True):
    id: str
    api: str
    fallback: tuple[str, ...]
    models: msgspec.Raw


class _File(msgspec.Struct, frozen=True):
    genai_prices: str
    as_of: date
    providers: tuple[_Provider, ...]


@lru_cache(1024)
def catalog_of(preset: str | None, base_url: str | None) -> str:
    """The catalog of a provider: by its preset, else by its URL; "" where there is none."""
    if preset is not None and preset in CATALOGS:
        return CATALOGS[preset]
    if base_url is None:
        return ""
    return next((each.id for each in _file().providers if re.match(each.api, base_url)), "")


@lru_cache(4096)
def facts(catalog: str, upstream: str) -> Facts:
    """What is known of a model by its provider's id of it."""
    if catalog == SANDBOX:
        return Facts(upstream, Price(input=0, output=0, source="catalog"))
    found = _find(catalog, upstream) if catalog else None
    known = capable(catalog, upstream)
    price = msgspec.json.decode(found.price, type=Price | None) if found is not None else None
    return Facts(
        id=found.id if found is not None else "",
        price=msgspec.structs.replace(price, source="catalog") if price is not None else None,
        context=known.context or (found.context if found is not None else None),
        max_output=known.max_output,
        supports=known.supports,
    )


def ids(catalog: str) -> tuple[str, ...]:
    """Every id that a catalog lists, for suggestions."""
    return tuple(model.id for model in _models(catalog))


def version() -> str:
    """Which prices these are: the library's version and the day."""
    file = _file()
    return f"{file.genai_prices} ({file.as_of})"


@cache
def _file() -> _File:
    return msgspec.json.decode(Path(__file__).with_name("prices.json").read_bytes(), type=_File)


@cache
def _models(catalog: str) -> tuple[_Model, ...]:
    provider = next((each for each in _file().providers if each.id == catalog), None)
    return msgspec.json.decode(provider.models, type=tuple[_Model, ...]) if provider is not None else ()


def _find(catalog: str, upstream: str) -> _Model | None:
    """As the library finds it: the id as it is, then with a compact date written out."""
    wanted = upstream.lower()
    found = _matched(catalog, wanted)
    if found is None:
        dashed = _DATED.sub(_dashed, wanted)
        found = _matched(catalog, dashed) if dashed != wanted else None
    return found


def _matched(catalog: str, wanted: str) -> _Model | None:
    provider = next((each for each in _file().providers if each.id == catalog), None)
    for name in (catalog, *(provider.fallback if provider is not None else ())):
        for model in _models(name):
            if _matches(model.match, wanted):
                return model
    return None


def _matches(clause: dict[str, Any], text: str) -> bool:
    ((kind, value),) = clause.items()
    match kind:
        case "or":
            return any(_matches(each, text) for each in value)
        case "and":
            return all(_matches(each, text) for each in value)
        case "starts_with":
            return text.startswith(value)
        case "ends_with":
            return text.endswith(value)
        case "contains":
            return value in text
        case "equals":
            return bool(text == value)
    return re.search(value, text) is not None


def _dashed(found: re.Match[str]) -> str:
    year, month, day = (int(found.group(index)) for index in range(2, 5))
    try:
        date(year, month, day)
    except ValueError:
        return found.group(0)
    return f"{found.group(1)}{year:04d}-{month:02d}-{day:02d}"


def known_words(words: Sequence[str]) -> frozenset[str]:
    """The words of `supports` as they are meant: what can follow a schema can give any JSON object."""
    found = frozenset(words)
    return found | {"json_object"} if "json_schema" in found else found
