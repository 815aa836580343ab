"""Credentials of one provider: tiers, and bans of the file."""

from __future__ import annotations

import msgspec

from gateway.events import Tripped
from gateway.routing.attempt import Answer
from gateway.state.breaker import Banning
from tests.routing.bench import Bench, Reply, error, target

BAN = Banning(statuses=(429,), kinds=(), failures=2, window=60.0, rest=600.0)


def tiered(bench: Bench, *tiers: int) -> Bench:
    lanes = bench.runtime.lanes["a"]
    bench.runtime.lanes["a"] = tuple(
        msgspec.structs.replace(lane, tier=tier) for lane, tier in zip(lanes, tiers, strict=True)
    )
    return bench


async def test_a_higher_tier_is_used_when_no_lower_one_can_be() -> None:
    bench = tiered(Bench(target("a"), credentials=("one", "two", "paid")), 0, 0, 1)
    used = []
    for _ in range(4):
        assert isinstance(await bench.ask(), Answer)
        used += [credential for _, credential in bench.sent]
    assert used == ["one", "two", "one", "two"]
    for lane in bench.runtime.lanes["a"][:2]:
        lane.whole.open_for(bench.now, 60.0, "quota")
    assert isinstance(await bench.ask(), Answer)
    assert [credential for _, credential in bench.sent] == ["paid"]
    bench.now += 61.0
    assert isinstance(await bench.ask(), Answer)
    assert [credential for _, credential in bench.sent] != ["paid"], "the lower tier is back"


async def test_a_refused_credential_leads_to_the_rest_of_its_tier_first() -> None:
    bench = tiered(Bench(target("a"), credentials=("one", "two", "paid")), 0, 0, 1)
    bench.scripts["a"] = [error(401), error(401), Reply()]
    assert isinstance(await bench.ask(), Answer)
    assert [credential for _, credential in bench.sent] == ["one", "two", "paid"]


async def test_a_ban_is_a_rest_of_its_own_length() -> None:
    bench = Bench(target("a", bans=(BAN,)), credentials=("one",))
    bench.scripts["a"] = [error(429, retry_after="5")]
    assert not isinstance(await bench.ask(), Answer)
    bench.now += 5.0
    assert not isinstance(await bench.ask(), Answer)
    assert [event.seconds for event in bench.events if isinstance(event, Tripped)] == [5.0, 600.0]
    assert bench.runtime.lanes["a"][0].own.snapshot(bench.now).banned
    bench.now += 599.0
    assert not isinstance(await bench.ask(), Answer)
    assert bench.path == [], "banned: nobody is asked"
    bench.now += 1.0
    bench.scripts["a"] = []
    assert isinstance(await bench.ask(), Answer)
    assert not bench.runtime.lanes["a"][0].own.snapshot(bench.now).banned


async def test_a_ban_may_name_what_harms_nobody_else() -> None:
    ban = msgspec.structs.replace(BAN, statuses=(400,))
    bench = Bench(target("a", bans=(ban,)), credentials=("one",))
    bench.scripts["a"] = [error(400)]
    for _ in range(2):
        await bench.ask()
    assert bench.runtime.lanes["a"][0].own.wait(bench.now) == 600.0
