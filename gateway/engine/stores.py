"""The store that a worker uses for its whole life, by what the file says of `gateway.state`.

What kind it is, and what names its keys have, stays; where Redis is and who may use it is told anew with every
configuration (`move`), since its password is changed while the server runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from gateway.config.model import Config
from gateway.config.model import Disk as OnDisk
from gateway.config.refs import Secrets
from gateway.store.contract import Store
from gateway.store.guarded import Guarded
from gateway.store.memory import VALUES, Memory
from gateway.store.moving import Moving, News

Place: TypeAlias = Literal["memory", "disk", "redis"]


def size_of(config: Config) -> int:
    """The bytes of values that are kept."""
    return config.cache.size if config.cache is not None else VALUES


def place_of(config: Config) -> Place:
    """What the file names."""
    state = config.gateway.state
    if state == "memory":
        return "memory"
    return "disk" if isinstance(state, OnDisk) else "redis"


def url_of(config: Config, secrets: Secrets) -> str:
    """Where Redis is, and who may use it; "" where the state is elsewhere. Raises ValueError for no URL of it."""
    state = config.gateway.state
    if state == "memory" or isinstance(state, OnDisk):
        return ""
    from gateway.store.redis import address

    url = secrets.value(state.redis.url).strip()
    address(url)
    return url


async def move(moving: Moving, config: Config, old: str, new: str) -> None:
    """Has the state in Redis at another URL from now on; both as `url_of` says."""
    from gateway.store.redis import Redis, address

    state = config.gateway.state
    if state == "memory" or isinstance(state, OnDisk):
        raise ValueError("the state is not in Redis")
    await moving.move(Redis(new, state.redis.prefix), near=address(old) == address(new))


def store_of(
    config: Config,
    secrets: Secrets,
    shared: Path | None,
    say: Callable[[bool, str], None],
    say_moved: Callable[[News, str], None] = lambda news, why: None,
) -> tuple[Store, Moving | None]:
    """The store, and what of it may move. `shared`: a directory of the workers of one server, where `memory` has to be
    shared by several; `say(up, why)` is called when the store fails, and when it is back, `say_moved` as in `Moving`.
    Nothing is opened before it is used."""
    state = config.gateway.state
    size = size_of(config)
    # Imported where they are needed: half the servers need neither library.
    if state == "memory" and shared is None:
        return Memory(size=size), None
    if state == "memory" or isinstance(state, OnDisk):
        from gateway.store.disk import Disk

        directory = Path(state.disk) if isinstance(state, OnDisk) else shared
        return Guarded(Disk(directory or Path(), size=size), config.gateway.on_store_failure, say), None
    from gateway.store.redis import Redis

    moving = Moving(Redis(url_of(config, secrets), state.redis.prefix), say_moved)
    return Guarded(moving, config.gateway.on_store_failure, say), moving
