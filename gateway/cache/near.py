"""The semantic cache: which kept answer belongs to a like question.

Requests are compared that differ in their last user text alone: that text becomes a vector, and everything else
(system, tools, earlier turns, parameters, the route) is hashed. A shelf holds the vectors of one scope, at most `most`
of them, the oldest going first. What other workers add is read from the store every `REFRESH` seconds at most, and only
where somebody has added something. Whatever fails here is a miss.

A vector's signs, as the bits of one number, tell most of those that are far away without touching a float: directions
at an angle a differ in about a/180° of their signs. Those that remain are compared exactly.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from hashlib import sha256
from operator import mul
from random import getrandbits
from typing import Final

import msgspec

from gateway.cache.ask import Ask
from gateway.cache.embed import embedded
from gateway.cache.rules import Semantic
from gateway.failure import Refused
from gateway.ir.chat import Message, Request, Text
from gateway.routing.run import Tools
from gateway.store.contract import Store, StoreDown

PREFIX: Final = "near/"
REFRESH: Final = 5.0
TEXT_MOST: Final = 32 << 10
_SHELVES_MOST: Final = 1024
_SIZE_MOST: Final = 16_384
_JSON: Final = msgspec.json.Encoder(order="deterministic")


class Near(msgspec.Struct, frozen=True, array_like=True, tag="near1", forbid_unknown_fields=True):
    """A vector as it is shared: `key` of its answer, when it lapses (seconds since the epoch), 32-bit floats."""

    key: bytes
    until: float
    floats: bytes


_NEAR: Final = msgspec.msgpack.Decoder(Near)


class Placed(msgspec.Struct, frozen=True):
    """A vector of length 1 on a shelf, with its signs."""

    rest: bytes
    until: float
    vector: tuple[float, ...]
    signs: int


class Shelf:
    """The vectors of one scope, by the keys of their answers, oldest first. `seen`: by what else the requests said,
    when the store was asked, and who had added how often by then."""

    __slots__ = ("placed", "seen")

    def __init__(self) -> None:
        self.placed: dict[bytes, Placed] = {}
        self.seen: dict[bytes, tuple[float, dict[str, bytes]]] = {}

    def place(self, key: bytes, placed: Placed, most: int) -> None:
        """Puts a vector there, in the place of the oldest where the shelf is full."""
        self.placed.pop(key, None)
        self.placed[key] = placed
        while len(self.placed) > most:
            del self.placed[next(iter(self.placed))]

    def nearest(self, rest: bytes, vector: list[float], threshold: float, now: float) -> tuple[bytes, float] | None:
        """(key, cosine) of the nearest vector, where it is near enough."""
        signs, size = signs_of(vector), len(vector)
        differ = size * (math.acos(threshold) / math.pi) + 1.5 * math.sqrt(size)
        best, found = threshold, None
        for key, placed in self.placed.items():
            if placed.rest != rest or (placed.signs ^ signs).bit_count() > differ or placed.until <= now:
                continue
            if len(placed.vector) != size:
                continue
            cosine = sum(map(mul, placed.vector, vector))
            if cosine >= best:
                best, found = cosine, key
        return None if found is None else (found, min(best, 1.0))


class Nearness:
    """One per worker."""

    def __init__(self, store: Callable[[], Store | None], tools: Tools) -> None:
        self._store = store
        self._tools = tools
        self._shelves: dict[str, Shelf] = {}
        self._me = f"{getrandbits(64):016x}"
        self._added = 0

    async def find(self, ask: Ask, semantic: Semantic) -> tuple[bytes, float] | None:
        """(key of the answer, cosine) of the likest request that was kept. Notes the request's own vector in `ask`."""
        try:
            request = ask.job.request()
        except Refused:
            return None
        text, rest = parted(request)
        if not text or len(text) > TEXT_MOST:
            return None
        given = await embedded(semantic, text, ask, self._tools)
        vector = None if given is None else unit(given)
        if vector is None:
            return None
        model = repr([(each.target.model, each.target.upstream) for each in semantic.embedders]).encode()
        headers = repr((ask.job.protocol.name, ask.job.headers)).encode("utf-8", "surrogateescape")
        ask.vector, ask.rest = vector, sha256(b"\0".join((ask.shape, model, headers, rest))).digest()
        shelf = self._shelf(ask.scope)
        await self._refresh(shelf, ask, semantic.most)
        return shelf.nearest(ask.rest, vector, semantic.threshold, self._tools.wall())

    async def add(self, ask: Ask, semantic: Semantic, key: bytes, vector: list[float]) -> None:
        """Keeps the vector of a request whose answer was kept. Raises `StoreDown`."""
        until = self._tools.wall() + semantic.ttl
        self._shelf(ask.scope).place(key, Placed(ask.rest, until, tuple(vector), signs_of(vector)), semantic.most)
        store = self._store()
        if store is not None:
            name = _name(ask)
            near = Near(key, until, struct.pack(f"<{len(vector)}f", *vector))
            self._added += 1
            await store.note(name, key.hex(), msgspec.msgpack.encode(near), semantic.ttl)
            await store.note(f"{name}/who", self._me, str(self._added).encode(), semantic.ttl)

    def forget(self, scope: str, key: bytes) -> None:
        """The answer is gone."""
        self._shelf(scope).placed.pop(key, None)

    def clear(self, scope: str | None) -> None:
        """Empties one shelf, or all."""
        if scope is None:
            self._shelves.clear()
        else:
            for name in [name for name in self._shelves if name == scope or name.startswith(f"{scope}/")]:
                del self._shelves[name]

    def _shelf(self, scope: str) -> Shelf:
        shelf = self._shelves.pop(scope, None) or Shelf()
        self._shelves[scope] = shelf  # the last that was used goes last
        while len(self._shelves) > _SHELVES_MOST:
            del self._shelves[next(iter(self._shelves))]
        return shelf

    async def _refresh(self, shelf: Shelf, ask: Ask, most: int) -> None:
        """Takes in what other workers have added."""
        store, now = self._store(), self._tools.clock()
        at, known = shelf.seen.get(ask.rest, (-math.inf, {}))
        if store is None or now - at < REFRESH:
            return
        shelf.seen[ask.rest] = (now, known)
        while len(shelf.seen) > most:
            del shelf.seen[next(iter(shelf.seen))]
        try:
            name = _name(ask)
            who = {worker: times for worker, times in (await store.table(f"{name}/who")).items() if worker != self._me}
            if who == known:
                return
            shelf.seen[ask.rest] = (now, who)
            for value in (await store.table(name)).values():
                read = read_near(value)
                if read is not None and read[0] not in shelf.placed:
                    key, until, vector = read
                    shelf.place(key, Placed(ask.rest, until, tuple(vector), signs_of(vector)), most)
        except StoreDown:
            return


def _name(ask: Ask) -> str:
    return f"{PREFIX}{ask.scope}/{ask.rest.hex()}"


def read_near(value: bytes) -> tuple[bytes, float, list[float]] | None:
    """(key, until, vector) of a shared vector; None for anything else."""
    try:
        near = _NEAR.decode(value)
        vector = unit(list(struct.unpack(f"<{len(near.floats) // 4}f", near.floats)))
    except (msgspec.MsgspecError, struct.error, UnicodeDecodeError, ValueError):
        return None
    return None if vector is None else (near.key, near.until, vector)


def unit(vector: list[float]) -> list[float] | None:
    """The vector with length 1; None where it has none, or no usable size."""
    if not 0 < len(vector) <= _SIZE_MOST:
        return None
    length = math.sqrt(sum(map(mul, vector, vector)))
    if not 1e-30 < length < math.inf:  # a NaN is neither
        return None
    return [value / length for value in vector]


def signs_of(vector: list[float]) -> int:
    """The signs of a vector as the bits of a number."""
    return int("".join(["1" if value > 0 else "0" for value in vector]), 2)


def parted(request: Request) -> tuple[str, bytes]:
    """(the last message's text, everything else as bytes); the text is "" where the user did not speak last."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "user":
        return "", b""
    text = "\n".join(part.text for part in last.parts if isinstance(part, Text))
    parts = tuple(msgspec.structs.replace(part, text="") if isinstance(part, Text) else part for part in last.parts)
    blank = Message(last.role, parts, last.name, last.extras)
    return text, _JSON.encode(msgspec.structs.replace(request, messages=(*request.messages[:-1], blank)))
