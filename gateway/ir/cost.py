"""What an answer costs: a `Price` as people write it, integer rates as the program counts, nano-dollars as the result.

Prices are USD per million tokens; `rates` are the same in whole femto-dollars (1e-15 USD) per token, made once when a
price is built, so a request is priced by integer arithmetic alone. Each token is counted once: cached tokens, cache
writes and audio are parts of `input` and are taken out of it, reasoning and audio are parts of `output`. Parts that
do not fit into their whole (providers do report such) are cut to what is left of it, cached before written before
audio, so no count can make a cost negative or dearer than `dearest`. A result is rounded up to a whole nano-dollar.

Tiers are cliffs: above a size of the prompt the whole request has the tier's rates. Where a tier says nothing of a
kind of token, the base price does; what nobody prices apart has the rate of its whole.

Must not live here: whose price it is (providers/models.py, engine/facts.py), what a budget does about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

import msgspec

from gateway.ir.usage import Usage

_FEMTO: Final = Decimal(10**9)  # femto-dollars per token, of one USD per million tokens
_NANO: Final = 10**6  # femto-dollars in a nano-dollar
FIELDS: Final = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
)


class Rates(msgspec.Struct, frozen=True, array_like=True):
    """Femto-dollars per token of each kind, for prompts of more than `above` tokens."""

    above: int
    input: int
    cached: int
    write: int
    write_1h: int
    audio_input: int
    output: int
    reasoning: int
    audio_output: int


class Tier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a prompt of more than `above` tokens changes; USD per million tokens, None is the base price's."""

    above: int
    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD per million tokens; None is not priced apart. `source` is who says so: file, catalog or both.

    `rates` is made from the rest, base first, then the tiers by size; `dear` is the base's dearest rate of what is
    read, and of what is written; `even` is the base where no kind of token and no tier has a rate of its own. What
    they are given is ignored.
    """

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    tiers: tuple[Tier, ...] = ()
    source: str = "file"
    rates: tuple[Rates, ...] = ()
    dear: tuple[int, int] = (0, 0)
    even: Rates | None = None

    def __post_init__(self) -> None:
        ordered = sorted(self.tiers, key=lambda tier: tier.above)
        rates = (_rates(self, None), *(_rates(self, tier) for tier in ordered))
        msgspec.structs.force_setattr(self, "rates", rates)
        msgspec.structs.force_setattr(self, "dear", _dear(rates[:1]))
        msgspec.structs.force_setattr(self, "even", rates[0] if len(rates) == 1 and _even(rates[0]) else None)


def cost(usage: Usage, price: Price) -> int:
    """Nano-dollars of one answer; 0 or more whatever the usage says."""
    even = price.even
    if even is not None and usage.input >= 0 and usage.output >= 0:
        return -(-(usage.input * even.input + usage.output * even.output) // _NANO)
    rates = price.rates[0]
    if price.tiers and usage.input > price.rates[1].above:
        rates = next((each for each in reversed(price.rates) if usage.input > each.above), rates)
    if usage.input >= 0 <= usage.output and not (
        usage.cached or usage.cache_write or usage.audio_input or usage.reasoning or usage.audio_output
    ):
        return -(-(usage.input * rates.input + usage.output * rates.output) // _NANO)
    left = max(usage.input, 0)
    cached = min(max(usage.cached, 0), left)
    left -= cached
    write = min(max(usage.cache_write, 0), left)
    left -= write
    write_1h = min(max(usage.cache_write_1h, 0), write)
    audio = min(max(usage.audio_input, 0), left)
    total = (
        (left - audio) * rates.input
        + cached * rates.cached
        + (write - write_1h) * rates.write
        + write_1h * rates.write_1h
        + audio * rates.audio_input
    )
    left = max(usage.output, 0)
    reasoning = min(max(usage.reasoning, 0), left)
    left -= reasoning
    audio = min(max(usage.audio_output, 0), left)
    total += (left - audio) * rates.output + reasoning * rates.reasoning + audio * rates.audio_output
    return -(-total // _NANO)


def dearest(price: Price, input: int, output: int) -> int:  # noqa: A002 - the words of Usage
    """Nano-dollars that no answer with at most so many tokens can exceed: every token at its dearest rate. Neither
    count is negative: they are bounds and estimates, which nobody reports."""
    read, written = price.dear
    if price.tiers:
        read, written = _dear([rates for rates in price.rates if input > rates.above or rates.above == 0])
    return -(-(input * read + output * written) // _NANO)


def _dear(rates: Sequence[Rates]) -> tuple[int, int]:
    """The dearest rate for what is read, and for what is written."""
    return (
        max(max(r.input, r.cached, r.write, r.write_1h, r.audio_input) for r in rates),
        max(max(r.output, r.reasoning, r.audio_output) for r in rates),
    )


def _even(rates: Rates) -> bool:
    """Whether what is read has one rate, and what is written too."""
    reads = (rates.cached, rates.write, rates.write_1h, rates.audio_input)
    return {*reads} == {rates.input} and rates.reasoning == rates.audio_output == rates.output


def usd(nano: int) -> str:
    """Nano-dollars as a decimal number of dollars, exact, without an exponent: 1500 is 0.0000015."""
    return f"{nano // 10**9}.{nano % 10**9:09d}".rstrip("0").rstrip(".")


def per_token(rate: int) -> str:
    """A rate as dollars per token, exact: 3_000_000_000 is 0.000003."""
    return f"{rate // 10**15}.{rate % 10**15:015d}".rstrip("0").rstrip(".")


def _rates(price: Price, tier: Tier | None) -> Rates:
    def said(field: str, otherwise: int) -> int:
        value = getattr(tier, field) if tier is not None else None
        if value is None:
            value = getattr(price, field)
        if value is None:
            return otherwise
        return int((Decimal(repr(value)) * _FEMTO).to_integral_value(ROUND_CEILING))

    read, written = said("input", 0), said("output", 0)
    write = said("cache_write", read)
    return Rates(
        above=tier.above if tier is not None else 0,
        input=read,
        cached=said("cached_input", read),
        write=write,
        write_1h=said("cache_write_1h", write),
        audio_input=said("audio_input", read),
        output=written,
        reasoning=said("reasoning", written),
        audio_output=said("audio_output", written),
    )
