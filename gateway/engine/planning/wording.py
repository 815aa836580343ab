"""Compiled values in the words of the file. Each is exact: different values, different words.

Seconds become `90s`, `5m`, `2h`; nano-dollars `500 USD`; a condition one line of text. What stands in sets is sorted.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from math import inf
from typing import Any, Final

from gateway.ir.cost import usd
from gateway.routing.conditions import (
    Carries,
    Condition,
    During,
    Either,
    Every,
    From,
    Headed,
    Named,
    Network,
    Number,
    Sized,
    Streamed,
    Tagged,
    Unless,
    Words,
)
from gateway.state.calendars import DAYS, Calendar

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def seconds(value: float | None) -> str | None:
    """A duration, None for none."""
    if value is None:
        return None
    for size, unit in _UNITS:
        if value and value % size == 0:
            return f"{int(value // size)}{unit}"
    thousandth = value * 1000
    return f"{thousandth:.0f}ms" if thousandth == round(thousandth) and value else f"{plain(value)}s"


def between(low: float, high: float) -> str:
    """A range of durations."""
    return f"{seconds(low)}..{seconds(high)}"


def plain(value: float) -> int | float:
    """A number without a fraction that says nothing."""
    return int(value) if value == int(value) else value


def dollars(nano: int | None) -> str | None:
    """Money, None for none."""
    return None if nano is None else f"{usd(nano)} USD"


def portion(value: float) -> str:
    """A share that the file states, exactly."""
    return f"{value * 100:.12g} %"


def percent(share: float) -> str:
    """A share that was counted, to the tenth of a percent."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def words(said: Words) -> list[str]:
    """Words to compare with, plain ones first."""
    return [*sorted(said.exact), *sorted("*".join(pieces) for pieces in said.globs)]


def names(said: Iterable[str] | None) -> list[str] | None:
    """A set in one order."""
    return None if said is None else sorted(said)


def networks(said: Iterable[Network]) -> list[str]:
    """Networks in CIDR notation."""
    found = []
    for each in said:
        number, bits = int(each.prefix) << each.shift, 32 if each.version == 4 else 128
        address = number.to_bytes(bits // 8, "big")
        found.append(str(ip_network((address, bits - each.shift))))
    return sorted(found)


def calendar(said: Calendar) -> str:
    """The window of a budget."""
    if said.per == "rolling":
        return f"rolling {seconds(said.seconds)}"
    if said.per == "total":
        return "total"
    at = f"{said.minute // 60:02}:{said.minute % 60:02} {said.zone}"
    day = {"week": f" on {DAYS[said.on % 7]}", "month": f" on day {said.on}"}.get(said.per, "")
    return f"{said.per}, from {at}{day}"


def condition(said: Condition) -> str:
    """A condition, "always" where it asks nothing."""
    return " and ".join(_test(test) for test in said.tests) or "always"


def _test(test: Any) -> str:
    match test:
        case Named():
            return f"{test.fact} is {_one_of(words(test.words))}"
        case Streamed():
            return "streamed" if test.value else "not streamed"
        case Tagged():
            return f"tagged {_one_of(words(test.words))}"
        case Headed():
            return f"header {test.name} is {_one_of(words(test.words))}"
        case From():
            return f"client_ip in {_one_of(networks(test.networks))}"
        case During():
            days = ",".join(DAYS[day] for day in sorted(test.days)) if len(test.days) < 7 else "every day"
            return f"{_clock(test.begins)} to {_clock(test.ends)} {test.zone} {days}"
        case Either():
            return "(" + " or ".join(_inside(each) for each in test.conditions) + ")" if test.conditions else "never"
        case Every():
            return "(" + " and ".join(_inside(each) for each in test.conditions) + ")"
        case Unless():
            return f"not ({condition(test.condition)})"
        case Number():
            return _bounds(test.name, test.low, test.high)
        case Carries():
            return f"has {test.word}"
        case Sized():
            return _bounds("input_tokens", test.low, test.high)
    raise TypeError(f"no words for {type(test).__name__}")


def _inside(each: Condition) -> str:
    return condition(each) if len(each.tests) < 2 else f"({condition(each)})"


def _one_of(said: list[str]) -> str:
    return " or ".join(said) if said else "nothing"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _bounds(name: str, low: float, high: float) -> str:
    if low == high:
        return f"{name} is {plain(low)}"
    parts = [f"{name} ≥ {plain(low)}" if low > -inf else "", f"{name} ≤ {plain(high)}" if high < inf else ""]
    return " and ".join(part for part in parts if part) or f"{name} is written"
