"""The store of several hosts: Redis 6.2 or newer, or what speaks like it.

All wants of an exchange travel in one script, and Redis' own clock rules windows. Every key begins with the prefix;
counters share the hash tag `{c}`, so that what one script touches lies in one slot. No call
lasts longer than `patience`; what is slower, or breaks, is `StoreDown`. A broken connection is made anew by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unconnected
from redis.exceptions import NoScriptError, RedisError

from gateway.store.contract import Fixed, Grant, Held, Return, Sliding, StoreDown, Want, Window
from gateway.store.scripts import EXCHANGE, NOTE, TABLE, VISIT

PATIENCE: Final = 0.25
CONNECTIONS: Final = 16
_SCAN: Final = 500
_SHAS: Final = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest() for script in (EXCHANGE, VISIT, NOTE, TABLE)
}
_WORDS: Final = 5  # of a grant


def address(url: str) -> tuple[str, int, int]:
    """The host or socket, port and database of a URL, not who may use it. Raises ValueError for one that is none."""
    parts = parse_url(url)
    return parts.get("path") or parts.get("host", "localhost"), parts.get("port", 6379), parts.get("db", 0)


class Redis:
    """See `contract.Store`. `url`: redis://, rediss:// or unix://, with user and password where there are any.

    Raises ValueError for a URL that is none.
    """

    up = True  # whether it is, is known by who asks: see `guarded.py`

    def __init__(self, url: str, prefix: str = "gateway:", patience: float = PATIENCE) -> None:
        self._prefix = prefix
        self._patience = patience
        pool: Any = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=patience,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=Retry(NoBackoff(), 1, supported_errors=(Unconnected,)),
        )
        self._client: Any = Client(connection_pool=pool)

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        """Whatever goes wrong, as StoreDown and in time."""
        try:
            async with asyncio.timeout(self._patience):
                yield
        except TimeoutError:
            raise StoreDown(f"Redis did not answer within {self._patience:g}s") from None
        except (RedisError, OSError) as error:
            raise StoreDown(f"Redis: {type(error).__name__}: {error}") from error

    async def _run(self, script: str, keys: Sequence[str], words: Sequence[str | bytes]) -> Any:
        async with self._told():
            try:
                return await self._client.evalsha(_SHAS[script], len(keys), *keys, *words)
            except NoScriptError:
                return await self._client.eval(script, len(keys), *keys, *words)

    async def now(self) -> float:
        async with self._told():
            seconds, micros = await self._client.time()
        return int(seconds) + int(micros) / 1e6

    async def lease(self, wants: Sequence[Want], returns: Sequence[Return] = ()) -> list[Grant]:
        keys: list[str] = []
        words: list[str] = []
        for back in returns:
            kind, *about = _about(back.window)
            keys.append(f"{self._prefix}{{c}}:{kind}:{back.key}")
            words += ("b" + kind, *about, "0", str(back.amount), "0", back.lot)
        for want in wants:
            kind, *about = _about(want.window)
            keys.append(f"{self._prefix}{{c}}:{kind}:{want.key}")
            words += ("l" + kind, *about, str(want.limit), str(want.amount), str(want.least), "")
        answer = [word.decode() for word in await self._run(EXCHANGE, keys, words)]
        at = float(answer[0])
        grants = []
        for start in range(1, len(answer), _WORDS):
            amount, left, lot, until, retry = answer[start : start + _WORDS]
            grants.append(Grant(int(amount), int(left), lot, float(until), at, float(retry)))
        return grants

    async def used(self, keys: Sequence[tuple[str, Window]]) -> list[int]:
        return [-grant.left for grant in await self.lease([Want(key, window, 0, 0, 0) for key, window in keys])]

    async def forget(self, key: str) -> None:
        async with self._told():
            await self._client.unlink(*(f"{self._prefix}{{c}}:{kind}:{key}" for kind in "sfh"))

    async def visit(self, key: str, member: str, ttl: float, limit: int) -> int | None:
        count = int(await self._run(VISIT, [f"{self._prefix}{{c}}:p:{key}"], [member, str(ttl), str(limit)]))
        return count if count >= 0 else None

    async def get(self, key: str) -> bytes | None:
        async with self._told():
            value: bytes | None = await self._client.get(self._value(key))
            return value

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        async with self._told():
            await self._client.set(self._value(key), value, px=_millis(ttl))

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        async with self._told():
            return bool(await self._client.set(self._value(key), value, px=_millis(ttl), nx=True))

    async def delete(self, key: str) -> None:
        async with self._told():
            await self._client.unlink(self._value(key))

    async def weigh(self, prefix: str) -> tuple[int, int]:
        sizes: dict[bytes, int] = {}  # a scan may show a key twice
        async for keys in self._scan(prefix):
            async with self._told():
                pipe = self._client.pipeline(transaction=False)
                for key in keys:
                    pipe.strlen(key)
                sizes.update(zip(keys, await pipe.execute(), strict=True))
        return len(sizes), sum(sizes.values())

    async def clear(self, prefix: str) -> int:
        count = 0
        async for keys in self._scan(prefix):
            async with self._told():
                count += await self._client.unlink(*keys)
        return count

    async def _scan(self, prefix: str) -> AsyncIterator[list[bytes]]:
        """The keys of values that begin so, some at a time."""
        literal = "".join(f"\\{char}" if char in "*?[]\\^-" else char for char in self._value(prefix))
        cursor = 0
        while True:
            async with self._told():
                cursor, keys = await self._client.scan(cursor, match=f"{literal}*", count=_SCAN)
            if keys:
                yield keys
            if not int(cursor):
                return

    async def note(self, table: str, field: str, value: bytes | None, ttl: float) -> None:
        key = f"{self._prefix}t:{table}"
        if value is not None:
            await self._run(NOTE, [key], [field, value, str(ttl)])
            return
        async with self._told():
            await self._client.hdel(key, field)

    async def table(self, table: str) -> Mapping[str, bytes]:
        found = await self._run(TABLE, [f"{self._prefix}t:{table}"], [])
        return {found[index].decode(): found[index + 1] for index in range(0, len(found), 2)}

    async def bound(self, size: int) -> None:
        """Redis bounds itself (`maxmemory`); what it evicts is its operator's choice."""

    async def close(self) -> None:
        await self._client.aclose(close_connection_pool=True)

    def _value(self, key: str) -> str:
        return f"{self._prefix}v:{key}"


def _about(window: Window) -> tuple[str, str, str]:
    """The letter of a window, and two words about it."""
    match window:
        case Sliding():
            return "s", f"{window.seconds:.6f}", ""
        case Fixed():
            return "f", window.name, "inf" if window.ends == float("inf") else f"{window.ends:.6f}"
        case Held():
            return "h", window.holder, f"{window.ttl:.6f}"


def _millis(ttl: float) -> int:
    return max(1, int(ttl * 1000))
