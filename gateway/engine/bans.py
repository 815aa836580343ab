"""`providers.*.bans`, compiled: which failures count, and how long they are answered with rest."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.config.model_rules import Ban
from gateway.state.breaker import Banning

CLASSES = {f"{digit}xx": range(digit * 100, digit * 100 + 100) for digit in (4, 5)}


def bans_of(rules: Sequence[Ban]) -> tuple[Banning, ...]:
    """The rules in the order of the file."""
    return tuple(_banning(rule) for rule in rules)


def _banning(rule: Ban) -> Banning:
    statuses = {each for each in rule.on if isinstance(each, int)}
    for word in rule.on:
        if isinstance(word, str) and word in CLASSES:
            statuses.update(CLASSES[word])
    kinds = {word for word in rule.on if isinstance(word, str) and word not in CLASSES}
    return Banning(
        statuses=tuple(sorted(statuses)),
        kinds=tuple(sorted(kinds)),
        failures=rule.failures,
        window=rule.within,
        rest=rule.lasts,
    )
