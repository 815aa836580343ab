"""What is told of limits is of the one of which the smallest part is left: as fractions say it."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from random import Random

from gateway.routing.allowances import Limit
from gateway.routing.telling import duration, lines, told
from gateway.state.meters import Meter, Meters
from gateway.store.contract import Sliding
from gateway.store.memory import Memory

NOW = 1_800_000_000.25
Bound = tuple[Meter, Limit]


def bound(random: Random, meters: Meters) -> list[Bound]:
    """Up to three limits of each kind, of which some were used up, or beyond."""
    found: list[Bound] = []
    for what in ("requests", "tokens", "concurrent"):
        for number in range(random.randrange(4)):
            most = random.choice((1, 3, 10, 30, 1000, 90_000_000, 900_000_000_000, 7919, 999_999_999_989))
            seconds = random.choice((1.0, 60.0, 86400.0))
            limit = Limit(f"{what}:{number}", what, most, seconds)
            meter = meters.meter(limit.key, most, lambda now, seconds=seconds: Sliding(seconds))  # type: ignore[misc]
            meter.charge(random.choice((0, 0, 1, most // 3, most // 10, most, most + 5)))
            found.append((meter, limit))
    return found


def used(meter: Meter) -> int:
    return meter.limit - meter.standing().left


def share(each: Bound) -> Fraction:
    return Fraction(used(each[0]), each[1].most)


def defined(meters: list[Bound]) -> dict[str, str]:
    """The headers, by whoever is first of those of which most is used."""
    kinds = [(what, [each for each in meters if each[1].what == what]) for what in ("requests", "tokens")]
    nearest = [(what, max(each, key=share)) for what, each in kinds if each]
    said: dict[str, str] = {}
    for what, (meter, limit) in nearest:
        said[f"x-ratelimit-limit-{what}"] = str(limit.most)
        said[f"x-ratelimit-remaining-{what}"] = str(max(0, limit.most - used(meter)))
        said[f"x-ratelimit-reset-{what}"] = duration(limit.seconds if used(meter) else 0.0)
    meter, limit = max((each for _, each in nearest), key=share)
    said["x-ratelimit-limit"] = str(limit.most)
    said["x-ratelimit-remaining"] = str(max(0, limit.most - used(meter)))
    said["x-ratelimit-reset"] = str(ceil(NOW + limit.seconds if used(meter) else NOW))
    return said


def test_the_tightest_is_told() -> None:
    random = Random(7)
    seen = 0
    for _ in range(2000):
        meters = bound(random, Meters(Memory(clock=lambda: NOW)))
        kinds = told(meters)
        if not any(limit.what in ("requests", "tokens") for _, limit in meters):
            assert kinds == ()
            continue
        text = lines(kinds, NOW)
        headers = dict(line.split(": ") for line in text.splitlines())
        assert text == "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        assert headers == defined(meters)
        seen += len({share(each) for each in meters}) > 2
    assert seen > 500


def test_more_may_have_come_back_to_a_lot_than_was_used_of_it() -> None:
    meters = Meters(Memory(clock=lambda: NOW))
    meter = meters.meter("a", 100, lambda now: Sliding(60.0))
    meter.others = -3
    headers = dict(
        line.split(": ") for line in lines(told([(meter, Limit("a", "requests", 100, 60.0))]), NOW).splitlines()
    )
    assert headers["x-ratelimit-remaining"] == headers["x-ratelimit-remaining-requests"] == "100"
    assert headers["x-ratelimit-reset-requests"] == "0ms"
