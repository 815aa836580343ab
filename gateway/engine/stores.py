"""The store that a worker uses for its whole life, by what the file says of `gateway.state`."""

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


def store_of(config: Config, secrets: Secrets, shared: Path | None, say: Callable[[bool, str], None]) -> Store:
    """The store. `shared`: a directory of the workers of one server, where `memory` has to be shared by several;
    `say(up, why)` is called when the store fails, and when it is back. Nothing is opened before it is used."""
    state = config.gateway.state
    size = size_of(config)
    # Imported where they are needed: half the servers need neither library.
    if state == "memory" and shared is None:
        return Memory(size=size)
    if state == "memory" or isinstance(state, OnDisk):
        from gateway.store.disk import Disk

        directory = Path(state.disk) if isinstance(state, OnDisk) else shared
        store: Store = Disk(directory or Path(), size=size)
    else:
        from gateway.store.redis import Redis

        store = Redis(secrets.value(state.redis.url).strip(), state.redis.prefix)
    return Guarded(store, config.gateway.on_store_failure, say)
