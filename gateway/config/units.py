"""Quantities with their units: `30s`, `200ms..5s`, `128k`, `50 USD`, `60/minute`, `80%`, `32MB`.

A bare number where a unit is needed is refused with the fix. Typed values write themselves back as text with a unit,
so that a checked configuration can be handed on as JSON. Durations are seconds, sizes bytes, tokens integers.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, GetCoreSchemaHandler, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SECONDS: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?(B|KB|MB|GB)")
_BYTES: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_TOKENS: Final = re.compile(r"(\d+(?:\.\d+)?) ?([kKmM]?)")
_TIMES: Final = {"": 1, "k": 1_000, "m": 1_000_000}
_MONEY: Final = re.compile(r"(\d+(?:\.\d+)?) ?([A-Z]{3})")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?[kKmM]?) ?/ ?(second|minute|hour|day|week|month)")
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) ?%")


MOST: Final = 10**15  # of anything: what is beyond is a slip, and no longer exact as a number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _missing(value: Any, what: str, example: str) -> PydanticCustomError:
    return PydanticCustomError(
        "missing-unit", "{value} has no unit. Write {what}.", {"value": value, "what": what, "fix": example}
    )


def _bad(value: Any, what: str) -> PydanticCustomError:
    return PydanticCustomError("bad-unit", "{value} is not {what}.", {"value": repr(value), "what": what})


def day(value: Any) -> Any:
    """A day of the calendar, `2027-01-31`. Raises PydanticCustomError."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError(
                "bad-value", "{value} is not a date such as 2027-01-31.", {"value": value}
            ) from None
    return value


def _whole(value: Any, amount: float, what: str) -> int:
    """An amount as an integer. Raises for one beyond reason, infinity among them."""
    if not amount <= MOST:
        raise _bad(value, what)
    return int(amount)


def duration(value: Any) -> float:
    """Seconds of `1m30s`, `200ms`, `10m`."""
    what = "a duration such as 200ms, 30s, 10m, 2h or 1d"
    if _is_number(value):
        raise _missing(value, what, f"{value}s")
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
            if seconds <= 366 * 86400:
                return seconds
    raise _bad(value, what)


def size(value: Any) -> int:
    """Bytes of `32MB`."""
    what = "a size such as 512KB or 32MB"
    if _is_number(value):
        raise _missing(value, what, f"{value}MB")
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _bad(value, what)
    return _whole(value, float(match[1]) * _BYTES[match[2]], what)


def tokens(value: Any) -> int:
    """A count of `128k`, `2M` or `8192` tokens."""
    what = "a number of tokens such as 8192, 128k or 2M"
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return value
    match = _TOKENS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _bad(value, what)
    return _whole(value, float(match[1]) * _TIMES[match[2].lower()], what)


class Span(NamedTuple):
    """From `low` to `high` seconds."""

    low: float
    high: float


def duration_range(value: Any) -> Span:
    """`200ms..5s`; a single duration is both ends."""
    what = "a range of durations such as 200ms..5s"
    if _is_number(value):
        raise _missing(value, what, f"{value}s..{value}s")
    if isinstance(value, Span):
        return value
    if not isinstance(value, str):
        raise _bad(value, what)
    low, dots, high = value.partition("..")
    try:
        span = Span(duration(low), duration(high if dots else low))
    except PydanticCustomError:
        raise _bad(value, what) from None
    if span.low > span.high:
        raise PydanticCustomError("out-of-range", "{value} ends before it begins.", {"value": value})
    return span


class Money(NamedTuple):
    """An amount in a currency by its ISO 4217 code."""

    amount: float
    currency: str


def money(value: Any) -> Money:
    """`50 USD`."""
    if _is_number(value):
        raise _missing(value, "an amount with its currency such as 50 USD", f"{value} USD")
    match = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]) <= MOST:
        raise _bad(value, "an amount with its currency such as 50 USD")
    return Money(float(match[1]), match[2])


class Rate(NamedTuple):
    """`amount` in each `per`."""

    amount: int
    per: str


def rate(value: Any) -> Rate:
    """`60/minute`, `400k/minute`."""
    if _is_number(value):
        raise _missing(value, "a rate such as 60/minute", f"{value}/minute")
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _bad(value, "a rate such as 60/minute or 400k/minute (second, minute, hour, day, week, month)")
    return Rate(tokens(match[1]), match[2])


def percent(value: Any) -> float:
    """`80%` as 0.8."""
    if _is_number(value):
        raise _missing(value, "a share such as 80%", f"{value}%")
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise _bad(value, "a share such as 80%")
    return float(match[1]) / 100


def _plain(value: float) -> str:
    """A number as people write it: without an exponent."""
    return f"{Decimal(repr(value)):f}"


class Plain:
    """Lets a NamedTuple be a field's type as it is: the validator before it has made it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.any_schema()


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Duration = Annotated[
    float,
    BeforeValidator(duration),
    PlainSerializer(lambda value: f"{_plain(value)}s", return_type=str),
    _text_schema(r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$", "30s"),
]
DurationRange = Annotated[
    Span,
    Plain,
    BeforeValidator(duration_range),
    PlainSerializer(lambda value: f"{_plain(value.low)}s..{_plain(value.high)}s", return_type=str),
    _text_schema(r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+(\.\.(\d+(\.\d+)?(ms|s|m|h|d|w))+)?$", "200ms..5s"),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    PlainSerializer(lambda value: f"{value}B", return_type=str),
    _text_schema(r"^\d+(\.\d+)? ?(B|KB|MB|GB)$", "32MB"),
]
Tokens = Annotated[
    int,
    BeforeValidator(tokens),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)? ?[kKmM]?$"}]}
    ),
]
MoneyAmount = Annotated[
    Money,
    Plain,
    BeforeValidator(money),
    PlainSerializer(lambda value: f"{_plain(value.amount)} {value.currency}", return_type=str),
    _text_schema(r"^\d+(\.\d+)? ?[A-Z]{3}$", "50 USD"),
]
RateOf = Annotated[
    Rate,
    Plain,
    BeforeValidator(rate),
    PlainSerializer(lambda value: f"{value.amount}/{value.per}", return_type=str),
    _text_schema(r"^\d+(\.\d+)?[kKmM]? ?/ ?(second|minute|hour|day|week|month)$", "60/minute"),
]
Percent = Annotated[
    float,
    BeforeValidator(percent),
    PlainSerializer(lambda value: f"{_plain(value * 100)}%", return_type=str),
    _text_schema(r"^\d+(\.\d+)? ?%$", "80%"),
]
Day = Annotated[
    date,
    BeforeValidator(day),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2027-01-31"]}),
]
