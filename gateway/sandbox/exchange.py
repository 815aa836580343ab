"""What all wires share: a request as it came, the faults in the order in which they are met, the counting of `fail=N`.

A wire is a `Dialect` (how it reads a request, how it writes an answer and an error) and its routes. Everything that a
script asks for and that does not depend on a wire's words happens here: waiting, closing, stalling, tearing, errors
in place of an answer and errors in the middle of a stream.

Must not live here: the words of any wire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from gateway.sandbox.content import Ask, Said, say
from gateway.sandbox.plan import End, Pause, Plan, Step
from gateway.sandbox.refusal import Bad, Headers
from gateway.sandbox.script import TOKENS_MOST, Script, UnknownWord, parse, recovered

EPOCH: Final = 1_700_000_000
GARBAGE: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_ODD: Final = (1, 2, 3, 7, 5, 11, 4, 19)


class Received(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A request as it came. `path` are the named parts of its path, `headers` have names in lower case.

    `failed` counts, by model, the requests that `fail=N` let fail; it is written to. `plain`: the model's name is one.
    """

    body: bytes
    headers: Mapping[str, str]
    failed: dict[str, int]
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    plain: bool = False

    @cached_property
    def digest(self) -> str:
        """What ids and times are made of: a hash of the body, of `x-sandbox` and of the parts of the path."""
        words = self.headers.get("x-sandbox") or ""
        said = [self.body, words.encode("utf-8", "replace"), *(part.encode() for part in self.path.values())]
        return sha256(b"\0".join(said)).hexdigest()


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was understood. `request` is its body, for what only the wire itself needs of it."""

    request: dict[str, Any]
    model: str
    script: Script
    ask: Ask
    digest: str
    streamed: bool = False
    count: int = 1  # how many answers are wanted
    query: Mapping[str, str] = {}

    @property
    def created(self) -> int:
        """The time of the answer: 1700000000 plus up to 1048575 seconds of the digest."""
        return EPOCH + int(self.digest[:5], 16)


class Piece(msgspec.Struct, frozen=True):
    """A frame that carries a token. `paced` says that making it took time (of several answers at once, the first)."""

    data: bytes
    paced: bool = True


class Writer(Protocol):
    """An answer in the words of a wire: as a whole, or as a stream of head, frames and tail."""

    def whole(self) -> bytes:
        """The answer as one body."""

    def head(self) -> Iterator[bytes]:
        """What comes before the first token, and before the first fault."""

    def frames(self) -> Iterator[bytes | Piece]:
        """Every token is a `Piece`; what else is between them is bytes."""

    def tail(self) -> Iterator[bytes]:
        """The end of an answer that came through; without what says so where the script has `no_done`."""

    def error(self) -> bytes:
        """An error in the middle of the stream. It takes the place of the frame that was made last."""

    def garbage(self) -> bytes:
        """A frame that cannot be read."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """A wire. `read` raises `Bad`; `late` is the error of `error-in-200`, which has no status of its own."""

    read: Callable[[Received], Read]
    write: Callable[[Read, list[Said]], Writer]
    error: Callable[[Bad, str], Plan]  # the second is the digest
    late: Bad
    json: Callable[[Read], Headers]
    stream: Callable[[Read], Headers]


Answer: TypeAlias = Callable[[Received], Plan]


class Route(msgspec.Struct, frozen=True):
    """Where a wire answers: a method and a pattern that the end of a path matches."""

    method: str
    pattern: re.Pattern[str]
    answer: Answer


def route(method: str, pattern: str, answer: Answer) -> Route:
    """A `Route`; the pattern is matched from any point of a path to its end."""
    return Route(method, re.compile(rf"(?:{pattern})\Z"), answer)


def script_of(model: str, received: Received) -> Script:
    """The script of a request. Raises `Bad`."""
    try:
        return parse("" if received.plain else model, received.headers.get("x-sandbox"))
    except UnknownWord as unknown:
        raise Bad(str(unknown), "invalid_value", unknown.param) from None


def exchange(dialect: Dialect, received: Received) -> Plan:
    """The answer to a request, with the faults that its script asks for."""
    try:
        read = dialect.read(received)
        if read.count * max(read.script.tokens or 0, read.script.reasoning) > TOKENS_MOST:
            raise Bad(f"The sandbox says at most {TOKENS_MOST} tokens in one answer.", "invalid_value", "n")
    except Bad as bad:
        return refused(dialect.error, bad, received.digest)
    script = read.script
    if script.fail is None:
        return _planned(dialect, read)
    failed = received.failed
    failed[read.model] = min(failed.get(read.model, 0) + 1, TOKENS_MOST + 1)
    if failed[read.model] > script.fail:
        script = recovered(script)
    elif recovered(script) == script:
        script = msgspec.structs.replace(script, status=500)
    plan = _planned(dialect, msgspec.structs.replace(read, script=script))
    return msgspec.structs.replace(plan, repeatable=False)


def refused(error: Callable[[Bad, str], Plan], bad: Bad, digest: str = "") -> Plan:
    """The answer to a request that is refused."""
    plan = error(bad, digest)
    return msgspec.structs.replace(plan, headers=(*plan.headers, ("allow", bad.allow))) if bad.allow else plan


def failure(error: Callable[[Bad, str], Plan], script: Script, digest: str) -> Plan | None:
    """The fault that needs no answer: waiting for it, closing, stalling, a status. None where there is none."""
    before = waiting(script)
    if script.reset:
        return Plan(status=0, before=(*before, End.RESET))
    if script.stall:
        return Plan(status=0, before=(*before, End.STALL))
    if script.status is None:
        return None
    plan = error(Bad(None, script.code, script.param, status=script.status, retry_after=script.retry_after), digest)
    extra = (("retry-after", script.retry_after),) if script.retry_after is not None else ()
    return msgspec.structs.replace(plan, headers=(*plan.headers, *extra), before=before)


def waiting(script: Script) -> tuple[Step, ...]:
    """What precedes every answer."""
    return (Pause(script.latency),) if script.latency > 0 else ()


def _planned(dialect: Dialect, read: Read) -> Plan:
    """The faults in the order in which they would be met; then the answer."""
    script = read.script
    failed = failure(dialect.error, script, read.digest)
    if failed is not None:
        return failed
    before = waiting(script)
    headers = dialect.json(read)
    if script.error_in_200:
        return Plan(status=200, headers=headers, body=dialect.error(dialect.late, read.digest).body, before=before)
    answers = [] if script.garbage or script.empty else [say(read.ask, script, n) for n in range(read.count)]
    writer = dialect.write(read, answers)
    if read.streamed:
        headers = dialect.stream(read)
    if script.garbage or script.empty:
        text = b"" if script.empty else writer.garbage() if read.streamed else GARBAGE
        return Plan(status=200, headers=headers, body=text, before=before)
    if read.streamed:
        return Plan(status=200, headers=headers, steps=_torn(_streamed(writer, script), script), before=before)
    if script.rate is not None:
        before = (*before, Pause(max(said.tokens for said in answers) / script.rate))
    text = writer.whole()
    if not script.cut and not script.split:
        return Plan(status=200, headers=headers, body=text, before=before)
    steps: tuple[Step, ...] = (text[: len(text) // 2], End.RESET) if script.cut else (text,)
    return Plan(status=200, headers=headers, steps=_torn(iter(steps), script), length=len(text), before=before)


def _streamed(writer: Writer, script: Script) -> Iterator[Step]:
    """The frames, with the pauses and the ends that the script asks for."""
    pause = Pause(1.0 / script.rate) if script.rate is not None else None
    number = 0
    yield from writer.head()
    for frame in writer.frames():
        if pause is not None and isinstance(frame, Piece) and frame.paced:
            yield pause
        if script.cut_at == number or (script.cut and number == 1):
            yield End.RESET
            return
        if script.stall_at == number:
            yield End.STALL
            return
        if script.error_at == number:
            yield writer.error()
            return
        if not isinstance(frame, Piece):
            yield frame
            continue
        if script.garbage_at == number:
            yield writer.garbage()
        number += 1
        yield frame.data
    if script.cut:
        yield End.RESET
        return
    yield from writer.tail()


def _torn(steps: Iterator[Step], script: Script) -> Iterator[Step]:
    """The same bytes; where the script says so, in odd lengths that mind neither frames nor characters."""
    if not script.split:
        yield from steps
        return
    held, turn = b"", 0
    for step in steps:
        if not isinstance(step, bytes):
            if held:
                yield held
                held = b""
            yield step
            continue
        held += step
        while len(held) >= _ODD[turn % len(_ODD)]:
            length = _ODD[turn % len(_ODD)]
            yield held[:length]
            held, turn = held[length:], turn + 1
    if held:
        yield held
