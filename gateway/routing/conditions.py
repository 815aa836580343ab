"""Conditions over requests, compiled: what `when` and `only_when` of router.yaml ask, as frozen data.

A `Condition` is a row of tests in the order of their cost, and holds where all of them do: what is known of the caller
first, then headers, addresses and the time of day, then what needs the body. Of several words one is enough; `*` in a
word stands for anything. A test of the body reads the request's head where the client's wire says it there, else the
request is decoded, once. Nothing that a client claims of itself counts but through `Facts`.

Compiling them from the file's words is the engine's work (engine/conditions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import inf
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from gateway.ir.chat import Format, Media, Message, Part, Request, Thinking, ToolResult
from gateway.ir.estimate import prompt_tokens
from gateway.protocols.peeking import NUMBER, NUMBERS
from gateway.routing.sending import Job


class Words(msgspec.Struct, frozen=True):
    """Words to compare with: plain ones, and the pieces between the stars of each pattern."""

    exact: frozenset[str]
    globs: tuple[tuple[str, ...], ...] = ()

    def has(self, word: str) -> bool:
        """Whether one of them says this word."""
        if word in self.exact:
            return True
        return bool(self.globs) and any(_globs(pieces, word) for pieces in self.globs)


def _globs(pieces: tuple[str, ...], word: str) -> bool:
    first, last = pieces[0], pieces[-1]
    at, end = len(first), len(word) - len(last)
    if end < at or not word.startswith(first) or not word.endswith(last):
        return False
    for piece in pieces[1:-1]:
        at = word.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


class Named(msgspec.Struct, frozen=True, tag=True):
    """A fact (`key`, `team`, `asked`, `user`, `protocol`, `operation`) is one of the words."""

    fact: str
    words: Words


class Streamed(msgspec.Struct, frozen=True, tag=True):
    """The answer is streamed, or is not."""

    value: bool


class Tagged(msgspec.Struct, frozen=True, tag=True):
    """The request has one of these tags by now."""

    words: Words


class Headed(msgspec.Struct, frozen=True, tag=True):
    """A header, by its lower-case name, has one of these values; of one that is sent twice each value is looked at."""

    name: str
    words: Words


class Network(msgspec.Struct, frozen=True):
    """Addresses whose bits above `shift` are `prefix`."""

    version: int
    prefix: str  # an integer in decimal: those of IPv6 are larger than JSON's
    shift: int


class From(msgspec.Struct, frozen=True, tag=True):
    """The client's address is in one of these networks. One that is not known is in none."""

    networks: tuple[Network, ...]


class During(msgspec.Struct, frozen=True, tag=True):
    """The time of day in a zone: minutes from `begins` up to `ends`, on days (0 is Monday) on which it begins."""

    days: frozenset[int]
    begins: int
    ends: int
    zone: str


class Either(msgspec.Struct, frozen=True, tag=True):
    """One of these holds."""

    conditions: tuple[Condition, ...]


class Every(msgspec.Struct, frozen=True, tag=True):
    """All of these hold."""

    conditions: tuple[Condition, ...]


class Unless(msgspec.Struct, frozen=True, tag=True):
    """This does not hold."""

    condition: Condition


class Number(msgspec.Struct, frozen=True, tag=True):
    """A number that the client wrote (`max_tokens`, `temperature`) is in a range; both ends are inside."""

    name: str
    low: float = -inf
    high: float = inf


class Carries(msgspec.Struct, frozen=True, tag=True):
    """The request carries images, tools, …: a word of `HAS`."""

    word: str


class Sized(msgspec.Struct, frozen=True, tag=True):
    """The prompt's estimated tokens are in a range; both ends are inside."""

    low: float = -inf
    high: float = inf


Test: TypeAlias = (
    Named | Streamed | Tagged | Headed | From | During | Either | Every | Unless | Number | Carries | Sized
)


class Condition(msgspec.Struct, frozen=True):
    """All of `tests`, in this order. `reads`: one of them may need the body."""

    tests: tuple[Test, ...] = ()
    reads: bool = False


ALWAYS: Final = Condition()

_COST: Final = {kind: cost for cost, kind in enumerate((Named, Streamed, Tagged, Headed, From, During))}
_BODY_COST: Final = {kind: 20 + cost for cost, kind in enumerate((Number, Carries, Sized))}
_NESTED: Final = 10


def condition_of(tests: list[Test]) -> Condition:
    """The condition of some tests, put in the order of their cost."""
    ordered = tuple(sorted(tests, key=_cost))
    return Condition(ordered, any(_reads(test) for test in ordered))


def _reads(test: Test) -> bool:
    if isinstance(test, Either | Every):
        return any(condition.reads for condition in test.conditions)
    if isinstance(test, Unless):
        return test.condition.reads
    return type(test) in _BODY_COST


def _cost(test: Test) -> int:
    if isinstance(test, Either | Every | Unless):
        return _NESTED + 20 * _reads(test)
    kind = type(test)
    return _COST[kind] if kind in _COST else _BODY_COST[kind]


def holds(condition: Condition, job: Job) -> bool:
    """Whether a condition holds for a request. Raises `Refused` (400) where its body has to be read and cannot be."""
    for test in condition.tests:  # noqa: SIM110 - every request of a file with policies comes here; all() is slower
        if not _TESTS[test.__class__](test, job):
            return False
    return True


def _named(test: Named, job: Job) -> bool:
    value = getattr(job.facts, test.fact)
    return value is not None and test.words.has(value)


def _streamed(test: Streamed, job: Job) -> bool:
    return job.head.stream is test.value


def _tagged(test: Tagged, job: Job) -> bool:
    return any(map(test.words.has, job.facts.tags))


def _headed(test: Headed, job: Job) -> bool:
    headers = job.facts.headers
    if test.name not in headers:
        return False
    return any(test.words.has(value) for value in header_values(headers, test.name))


def header_values(headers: Mapping[str, str], name: str) -> list[str]:
    """Every value of a header that may be sent more than once."""
    many: Callable[[str, list[str]], list[str]] | None = getattr(headers, "getall", None)
    if many is not None:
        return many(name, [])
    value = headers.get(name)
    return [] if value is None else [value]


@lru_cache(4096)
def address_of(text: str) -> tuple[int, int] | None:
    """(version, number) of an address, None where the text is none; an IPv4 address inside IPv6 counts as itself."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


_number_of: Final = lru_cache(4096)(int)


def within(networks: tuple[Network, ...], text: str) -> bool:
    """Whether an address is in one of some networks."""
    address = address_of(text)
    if address is None:
        return False
    version, number = address
    for each in networks:  # noqa: SIM110 - as in `holds`
        if each.version == version and number >> each.shift == _number_of(each.prefix):
            return True
    return False


def _from(test: From, job: Job) -> bool:
    return within(test.networks, job.facts.client_ip)


def _during(test: During, job: Job) -> bool:
    day, minute = _clock_of(test.zone, int(job.facts.wall // 60))
    if test.begins < test.ends:
        return test.begins <= minute < test.ends and day in test.days
    return (minute >= test.begins and day in test.days) or (minute < test.ends and (day - 1) % 7 in test.days)


@lru_cache(64)
def _clock_of(zone: str, minutes: int) -> tuple[int, int]:
    """(day of the week, minute of the day) in a zone, so many minutes since the epoch."""
    here = datetime.fromtimestamp(minutes * 60, ZoneInfo(zone))
    return here.weekday(), here.hour * 60 + here.minute


def _either(test: Either, job: Job) -> bool:
    return any(holds(condition, job) for condition in test.conditions)


def _every(test: Every, job: Job) -> bool:
    return all(holds(condition, job) for condition in test.conditions)


def _unless(test: Unless, job: Job) -> bool:
    tests = test.condition.tests
    return not (_TESTS[tests[0].__class__](tests[0], job) if len(tests) == 1 else holds(test.condition, job))


def ranged(test: Number, job: Job) -> bool:
    """Whether a number that the client wrote is in the test's range. Raises `Refused` (400) as `holds` does."""
    if not job.edited:
        fields = job.head.fields
        try:
            for field in NUMBERS[job.protocol.name, test.name]:
                if field in fields and (number := NUMBER(fields[field])) is not None:
                    return test.low <= number <= test.high
            return False
        except (KeyError, msgspec.MsgspecError):
            pass  # only decoding can tell
    value = getattr(job.request(), test.name)
    return isinstance(value, (int, float)) and test.low <= value <= test.high


def _sized(test: Sized, job: Job) -> bool:
    return test.low <= prompt_tokens(job.request()) <= test.high


def _carries(test: Carries, job: Job) -> bool:
    marks = _MARKS.get(test.word)
    if marks is not None and not job.edited:
        body = job.head.body
        if not any(mark in body for mark in marks) and b"\\u" not in body:
            return False  # no wire says it without one of these words, unless it is escaped
    return HAS[test.word](job.request())


_MARKS: Final = {
    "images": (b"image", b"file", b"nline"),
    "audio": (b"audio", b"file", b"nline"),
    "tools": (b"tools", b"functions"),
}


def _media(kind: str) -> Callable[[Request], bool]:
    def inside(part: Part) -> bool:
        if isinstance(part, ToolResult):
            return any(inside(each) for each in part.content)
        return isinstance(part, Media) and part.kind == kind

    return lambda request: any(inside(part) for message in request.messages for part in message.parts)


def _schema(form: Format | None) -> bool:
    return form is not None and form.kind == "json_schema"


def _thinks(thinking: Thinking | None) -> bool:
    return thinking is not None and not (thinking.enabled is False or thinking.effort == "none" or thinking.budget == 0)


def _system(message: Message) -> bool:
    return message.role in ("system", "developer")


HAS: Final[dict[str, Callable[[Request], bool]]] = {
    "images": _media("image"),
    "audio": _media("audio"),
    "documents": _media("document"),
    "tools": lambda request: bool(request.tools),
    "json_schema": lambda request: _schema(request.format),
    "reasoning": lambda request: _thinks(request.thinking),
    "system": lambda request: any(map(_system, request.messages)),
}

_TESTS: Final[dict[type, Callable[[Any, Job], bool]]] = {
    Named: _named,
    Streamed: _streamed,
    Tagged: _tagged,
    Headed: _headed,
    From: _from,
    During: _during,
    Either: _either,
    Every: _every,
    Unless: _unless,
    Number: ranged,
    Carries: _carries,
    Sized: _sized,
}
