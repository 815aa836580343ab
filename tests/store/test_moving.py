"""A store that is elsewhere from now on: who serves, where leased units go back to, and what nobody forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis import Redis as Client

from gateway.state.meters import Meters
from gateway.store.contract import Fixed, Grant, Held, Return, Sliding, Store, StoreDown, Want, Window
from gateway.store.guarded import Guarded
from gateway.store.memory import Memory
from gateway.store.moving import LINGER, PROBE, Moving, News
from gateway.store.redis import Redis, address
from tests.servers import RedisServer, redis_server

HOUR = Sliding(3600.0)
MONTH = Fixed("07", float("inf"))
WINDOWS: list[Window] = [HOUR, MONTH]


class Pause:
    """A sleep that ends when the test says so; by its seconds."""

    def __init__(self) -> None:
        self.over: dict[float, asyncio.Event] = {}

    async def __call__(self, seconds: float) -> None:
        event = self.over.setdefault(seconds, asyncio.Event())
        await event.wait()
        event.clear()

    def end(self, seconds: float) -> None:
        self.over.setdefault(seconds, asyncio.Event()).set()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    """Two real servers."""
    first, second = redis_server(), redis_server()
    yield first, second
    first.kill()
    second.kill()


def store(server: RedisServer, url: str = "") -> Redis:
    return Redis(url or server.url, "m:", patience=5.0)


def looking(server: RedisServer) -> Callable[[Window], int]:
    """What a server itself counts of `k`."""

    def used(window: Window) -> int:
        async def ask() -> int:
            own = store(server)
            (count,) = await own.used([("k", window)])
            await own.close()
            return count

        return asyncio.run(ask())

    return used


async def counted(server: RedisServer, window: Window) -> int:
    return await asyncio.to_thread(looking(server), window)


async def lease(from_: Store, window: Window, amount: int, *returns: Return) -> Grant:
    (grant,) = await from_.lease([Want("k", window, 100, amount)], returns)
    return grant


async def settled(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_units_go_back_to_the_server_they_were_leased_of(
    window: Window, pair: tuple[RedisServer, RedisServer]
) -> None:
    first, second = pair
    said: list[tuple[News, str]] = []
    moving = Moving(store(first), lambda news, why: said.append((news, why)))
    before = await lease(moving, window, 30)
    assert not before.lot.startswith("^")
    await moving.move(store(second), near=False)
    assert said == [("another", "")]
    after = await lease(moving, window, 20)
    assert (await counted(first, window), await counted(second, window)) == (30, 20)
    await moving.lease((), [Return("k", window, before.lot, 25), Return("k", window, after.lot, 5)])
    await moving.lease((), [Return("k", window, before.lot, -7)])
    await moving.close()
    assert await counted(first, window) == 5, "what was not used of it"
    assert await counted(second, window) == 15 + 7, "what was used beyond counts where the gateway counts now"


@pytest.mark.parametrize("gone", [False, True], ids=["both are valid", "the former is revoked"])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_another_password_of_one_server_changes_nothing(window: Window, gone: bool, redis: RedisServer) -> None:
    admin: Client = Client.from_url(redis.url)
    for name in ("old", "new"):
        admin.acl_setuser(name, enabled=True, passwords=[f"+{name}-secret"], keys=["*"], categories=["+@all"])
    urls = [f"redis://{name}:{name}-secret@127.0.0.1:{redis.port}/0" for name in ("old", "new")]
    said: list[News] = []
    moving = Moving(store(redis, urls[0]), lambda news, why: said.append(news))
    before = await lease(moving, window, 30)
    if gone:
        admin.acl_deluser("old")
        with pytest.raises(StoreDown):
            await moving.now()
    await moving.move(store(redis, urls[1]), near=address(urls[0]) == address(urls[1]))
    await lease(moving, window, 20, Return("k", window, before.lot, 25))
    assert await counted(redis, window) == 25, "one server counts all of it"
    assert said == ["same"]
    await moving.close()
    admin.close()


async def test_the_former_serves_until_the_new_one_answers(pair: tuple[RedisServer, RedisServer]) -> None:
    first, second = pair
    second.kill()
    said: list[News] = []
    pause = Pause()
    moving = Moving(store(first), lambda news, why: said.append(news), pause)
    await moving.move(store(second), near=False)
    assert moving.waits and said == ["waits"]
    await lease(moving, MONTH, 10)
    pause.end(PROBE)
    await asyncio.sleep(0.05)
    assert moving.waits, "it was asked again, and said nothing again"
    assert said == ["waits"]
    second.restart()
    pause.end(PROBE)
    await settled(lambda: not moving.waits)
    await lease(moving, MONTH, 20)
    assert (await counted(first, MONTH), await counted(second, MONTH)) == (10, 20)
    assert said == ["waits", "another"]
    await moving.close()


async def test_a_move_that_is_taken_back_never_happens(pair: tuple[RedisServer, RedisServer]) -> None:
    first, second = pair
    second.kill()
    moving = Moving(store(first), sleep=Pause())
    before = await lease(moving, MONTH, 30)
    await moving.move(store(second), near=False)
    await moving.move(store(first), near=False)
    assert not moving.waits
    await moving.lease((), [Return("k", MONTH, before.lot, 30)])
    await moving.close()
    assert await counted(first, MONTH) == 0
    second.restart()


class Closing(Memory):
    """A memory that says whether it was closed, and may be away."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_800_000_000.0)
        self.closed = self.away = False

    async def lease(self, wants: object, returns: object = ()) -> list[Grant]:
        if self.away:
            raise StoreDown("away")
        return self.lease_now(wants, returns)  # type: ignore[arg-type]  # as it is given

    async def close(self) -> None:
        self.closed = True


async def test_a_former_store_is_let_go_after_a_while() -> None:
    first, second, third = Closing(), Closing(), Closing()
    pause = Pause()
    moving = Moving(first, sleep=pause)
    one = await lease(moving, MONTH, 30)
    await moving.move(second, near=False)
    two = await lease(moving, MONTH, 30)
    await moving.move(third, near=False)
    assert two.lot.startswith("^1^")
    await moving.lease((), [Return("k", MONTH, one.lot, 10), Return("k", MONTH, two.lot, 20)])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [await each.used([("k", MONTH)]) for each in (first, second, third)] == [[20], [10], [0]]
    pause.end(LINGER)
    await settled(lambda: first.closed)
    await moving.lease((), [Return("k", MONTH, one.lot, 10)])
    await asyncio.sleep(0)
    assert await first.used([("k", MONTH)]) == [20], "nobody asks it any more"
    second.away = True
    await moving.lease((), [Return("k", MONTH, two.lot, 5)])
    await moving.close()
    assert second.closed and third.closed


async def test_meters_move_without_noticing(pair: tuple[RedisServer, RedisServer]) -> None:
    """What is in use is counted anew where it is looked for, and a limit of 10 stays one of 10 there."""
    first, second = pair
    moving = Moving(store(first))
    guarded = Guarded(moving, "reject")
    meters = Meters(guarded, sleep=Pause())
    rate = meters.meter("k", 100, lambda now: HOUR)
    held = meters.meter("c", 10, lambda now: Held("", 30.0))
    taken = []
    for _ in range(6):
        assert await meters.take([(rate, 1), (held, 1)]) is None
        taken.append(meters.clock())
    assert await counted(first, HOUR) == 6
    await moving.move(store(second), near=False)
    for _ in range(4):
        assert await meters.take([(rate, 1), (held, 1)]) is None
        taken.append(meters.clock())
    short = await meters.take([(held, 1)])
    assert short is not None and short.meter is held, "ten are in use"
    other = Meters(store(second))
    assert await other.take([(other.meter("c", 10, lambda now: Held("", 30.0)), 1)]) is not None
    await other.close()
    for when in taken:
        meters.give([(rate, 1), (held, 1)], meters.clock() - when)
    await meters.close()
    await guarded.close()
    used = [await counted(server, HOUR) for server in pair]
    assert used == [0, 0], "all of it went back, each to its own"


async def test_a_store_that_is_away_is_back_by_its_new_url(pair: tuple[RedisServer, RedisServer]) -> None:
    first, second = pair
    moving = Moving(store(first))
    pause = Pause()
    guarded = Guarded(moving, "local", sleep=pause)
    month = Fixed("07", 4e9)
    assert (await lease(guarded, month, 30)).amount == 30
    first.kill()
    local = await lease(guarded, month, 30)
    assert local.amount == 30 and not guarded.up
    await moving.move(store(second), near=False)
    pause.end(PROBE)
    await settled(lambda: guarded.up)
    assert await counted(second, month) == 30, "what was used while there was none"
    await guarded.close()
    first.restart()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("redis://h", "redis://u:p@h:6379/0", True),
        ("redis://h/1", "redis://h/2", False),
        ("redis://h", "rediss://g", False),
        ("unix:///a", "unix:///a?db=0", True),
        ("unix:///a", "unix:///b", False),
    ],
)
def test_an_address_is_what_is_left_without_who_may_use_it(one: str, other: str, same: bool) -> None:
    assert (address(one) == address(other)) is same


def test_a_url_of_something_else_is_none() -> None:
    with pytest.raises(ValueError, match="redis://"):
        address("https://example.com")
