"""Conditions of router.yaml → compiled ones: words become sets and patterns, networks numbers, hours minutes.

The configuration has been checked, so what cannot be read here is a fault of the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from math import inf
from typing import Final

from gateway.config.model_policies import Bounds, Hours, When
from gateway.routing.conditions import (
    ALWAYS,
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
    Test,
    Unless,
    Words,
    condition_of,
)

# Fields of `when` that compare one fact → the fact.
_FACTS: Final = {
    "key": "key",
    "team": "team",
    "model": "asked",
    "user": "user",
    "protocol": "protocol",
    "operation": "operation",
}
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def compiled(when: When | None) -> Condition:
    """The condition of a `when`; one that says nothing always holds."""
    if when is None:
        return ALWAYS
    tests: list[Test] = []
    for field, fact in _FACTS.items():
        words = getattr(when, field)
        if words is not None:
            tests.append(Named(fact, words_of(words)))
    if when.stream is not None:
        tests.append(Streamed(when.stream))
    if when.tags is not None:
        tests.append(Tagged(words_of(when.tags)))
    tests += [Headed(name.lower(), words_of(words)) for name, words in (when.headers or {}).items()]
    if when.client_ip is not None:
        tests.append(From(networks_of(when.client_ip)))
    if when.hours is not None:
        tests.append(_during(when.hours))
    if when.any_ is not None:
        tests.append(Either(tuple(compiled(each) for each in when.any_)))
    if when.all_ is not None:
        tests.append(Every(tuple(compiled(each) for each in when.all_)))
    if when.not_ is not None:
        tests.append(Unless(compiled(when.not_)))
    if when.max_tokens is not None:
        tests.append(Number("max_tokens", *_bounds(when.max_tokens)))
    if when.temperature is not None:
        tests.append(Number("temperature", when.temperature, when.temperature))
    tests += [Carries(word) for word in when.has or ()]
    if when.input_tokens is not None:
        tests.append(Sized(*_bounds(when.input_tokens)))
    return condition_of(tests)


def words_of(words: Iterable[str]) -> Words:
    """Words and patterns, ready to compare with."""
    every = dict.fromkeys(words)
    return Words(
        frozenset(word for word in every if "*" not in word),
        tuple(tuple(word.split("*")) for word in every if "*" in word),
    )


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation, or single addresses."""
    found = []
    for text in texts:
        network = ip_network(text, strict=False)
        shift = network.max_prefixlen - network.prefixlen
        found.append(Network(network.version, str(int(network.network_address) >> shift), shift))
    return tuple(found)


def _bounds(bounds: Bounds) -> tuple[float, float]:
    low, high = bounds.at_least, bounds.at_most
    return -inf if low is None else low, inf if high is None else high


def _during(hours: Hours) -> During:
    days = frozenset(_DAYS.index(day) for day in hours.days or _DAYS)
    return During(days, _minutes(hours.from_), _minutes(hours.until), hours.timezone)


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
