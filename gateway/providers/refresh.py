"""Writes prices.json, the catalog that `models.py` reads: `python -m gateway.providers.refresh`.

The price library knows thousands of models and takes a third of a second to import; what the gateway needs of it is
written down once, one model a line, so that a changed price is a changed line that somebody reviews. Prices are those
in force on one day (`as_of`); a price that depends on the hour is the dearest of that day, so that a budget is never
overdrawn by the clock. Prices that are not of tokens (images, searches, seconds) are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import genai_prices
import msgspec
from genai_prices import data, types

FILE: Final = Path(__file__).with_name("prices.json")

_FIELDS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
}


def written(as_of: date) -> str:
    """The whole file, for the prices of a day."""
    head = f'{{"genai_prices":"{genai_prices.__version__}","as_of":"{as_of}","providers":[\n'
    return head + ",\n".join(_provider(provider, as_of) for provider in data.providers) + "\n]}\n"


def _provider(provider: types.Provider, as_of: date) -> str:
    about = {"id": provider.id, "api": provider.api_pattern, "fallback": provider.fallback_model_providers or []}
    lines = ",\n".join(f"  {_json(row)}" for row in _models(provider, as_of))
    return f'{_json(about)[:-1]},"models":[\n{lines}\n]}}'


def _models(provider: types.Provider, as_of: date) -> Iterator[dict[str, Any]]:
    for model in provider.models:
        row: dict[str, Any] = {"id": model.id, "match": _clause(model.match)}
        if model.context_window is not None:
            row["context"] = model.context_window
        price = _price(model, as_of)
        if "input" in price or "output" in price:
            row["price"] = price
        yield row


def _clause(clause: Any) -> dict[str, Any]:
    """Matching logic in the words of the library's own JSON."""
    match clause:
        case types.ClauseOr():
            return {"or": [_clause(each) for each in clause.or_]}
        case types.ClauseAnd():
            return {"and": [_clause(each) for each in clause.and_]}
        case types.ClauseStartsWith():
            return {"starts_with": clause.starts_with.lower()}
        case types.ClauseEndsWith():
            return {"ends_with": clause.ends_with.lower()}
        case types.ClauseContains():
            return {"contains": clause.contains.lower()}
        case types.ClauseEquals():
            return {"equals": clause.equals.lower()}
        case types.ClauseRegex():
            return {"regex": clause.regex}
    raise TypeError(f"the library has a new kind of clause: {clause!r}")


def _price(model: types.ModelInfo, as_of: date) -> dict[str, Any]:
    """The fields of a `Price`; of prices that change within the day, field by field the dearest."""
    midnight = datetime.combine(as_of, time(), UTC)
    prices = [_fields(model.get_prices(midnight + timedelta(minutes=30 * step))) for step in range(48)]
    first = prices[0]
    if all(each == first for each in prices):
        return first
    if any("tiers" in each for each in prices):
        raise ValueError(f"{model.id} has both tiers and hours")
    return {name: max(each[name] for each in prices if name in each) for each in prices for name in each}


def _fields(price: types.ModelPrice) -> dict[str, Any]:
    values: Mapping[str, Any] = {name: getattr(price, key) for key, name in _FIELDS.items()}
    found: dict[str, Any] = {}
    starts: set[int] = set()
    for name, value in values.items():
        if isinstance(value, types.TieredPrices):
            found[name] = _number(value.base)
            starts |= {tier.start for tier in value.tiers}
        elif value is not None:
            found[name] = _number(value)
    tiers = []
    for start in sorted(starts):
        tier: dict[str, Any] = {"above": start}
        for name, value in values.items():
            if isinstance(value, types.TieredPrices):
                tier[name] = _number(
                    next((each.price for each in reversed(value.tiers) if each.start <= start), value.base)
                )
        tiers.append(tier)
    return {**found, "tiers": tiers} if tiers else found


def _number(value: Decimal) -> float | int:
    return int(value) if value == value.to_integral_value() else float(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    FILE.write_text(written(datetime.now(UTC).date()))
    sys.stdout.write(f"{FILE.name}: genai-prices {genai_prices.__version__}\n")
