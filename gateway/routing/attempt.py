"""One request to one target with one credential, up to the commit point.

For a whole answer the commit point is its last byte, read and understood; for a stream it is the first frame that
bears content. What fails before it is a `Failed` that routing may do something about; after it, an `Answer` that
breaks off raises `Failed(interrupted)` to whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.failure import BLOCKED, Failed, Failure, Kind
from gateway.ir.chat import Dropped
from gateway.ir.usage import Usage
from gateway.protocols.bounds import Tally
from gateway.protocols.contract import Protocol, StreamSniffer
from gateway.protocols.quotas import share_left
from gateway.routing.demand import counted
from gateway.routing.node import Target
from gateway.routing.runtime import Lane
from gateway.routing.sending import Job, sending
from gateway.transport.contract import Request, Response, Send

_BODY_MOST: Final = 64 << 20
_ERROR_MOST: Final = 256 << 10


class Answer:
    """An upstream's answer past its commit point. `body` is what the client gets first: everything, or a beginning.

    For a stream, `more` gives the rest, whole frames at a time, b"" at its end; it raises `Failed(interrupted)` when
    the stream breaks off. It may be cancelled where it waits for the upstream, and called again: nothing is lost.
    `close` is owed, and idempotent; closing early cancels the upstream. `dropped` is what the translation lost, as far
    as it is known when the answer begins. `lane` is None where nobody was asked for this very request: an answer that
    is given again, or another's that this one follows. `usage` is there once the answer is over.
    """

    __slots__ = (
        "_ended",
        "_job",
        "_last",
        "_left",
        "_response",
        "_sniffer",
        "_tally",
        "body",
        "content_type",
        "dropped",
        "lane",
        "stream",
        "target",
        "usage",
    )

    def __init__(
        self,
        target: Target,
        lane: Lane | None,
        response: Response | None,
        sniffer: StreamSniffer | None,
        body: bytes,
        usage: Usage | None,
        content_type: str,
        dropped: tuple[Dropped, ...],
        left: Callable[[Usage | None], None],
        job: Job | None = None,
        *,
        counts: bool = False,
    ) -> None:
        self.target = target
        self.lane = lane
        self.body = body
        self.usage = usage
        self.content_type = content_type
        self.dropped = dropped
        self.stream = sniffer is not None
        self._ended = False
        self._response = response
        self._sniffer = sniffer
        self._left = left
        self._job = job
        self._last: tuple[bytes, ...] = ()
        self._tally: Tally | None = None
        if job is not None and sniffer is not None:
            self._tally = Tally(job.protocol.name)
            self._tally.feed(body)

    @property
    def end(self) -> bytes:
        """The last bytes that were read, where anybody counts them: they say why the answer ended."""
        return b"".join(self._last) if self._last else self.body

    def with_body(self, body: bytes, content_type: str) -> Answer:
        """The same whole answer in another form."""
        return Answer(self.target, self.lane, None, None, body, self.usage, content_type, self.dropped, _nothing)

    @property
    def sniffer(self) -> StreamSniffer | None:
        """What watches or translates its stream, while it is open."""
        return self._sniffer

    def watch(self, seen: Callable[[bytes], None], over: Callable[[], None]) -> None:
        """Shows what a stream gives from now on to somebody else as well; `over` is called once, at its end."""
        if self._sniffer is None:
            raise TypeError("a whole answer is seen already")
        left = self._left

        def both(usage: Usage | None) -> None:
            left(usage)
            over()

        self._sniffer, self._left = _Watched(self._sniffer, seen), both

    async def more(self) -> bytes:
        """The next frames of a stream, b"" at its end."""
        response, sniffer = self._response, self._sniffer
        if response is None or sniffer is None:
            return b""
        try:
            while sniffer.failure is None:
                data = await response.read()
                out = sniffer.feed(data) if data else sniffer.finish()
                if out:
                    if self._tally is not None:
                        self._tally.feed(out)
                        self._last = (*self._last[-2:], out)
                    return out
                if not data and sniffer.failure is None:
                    self._ended = True
                    if self.lane is not None:
                        self.lane.own.success()
                        self.lane.whole.success()
                    self.close()
                    return b""
            raise Failed(sniffer.failure)
        except Failed as failed:
            self.close()
            if failed.failure.code == BLOCKED:
                raise
            raise Failed(msgspec.structs.replace(failed.failure, kind=Kind.INTERRUPTED, retry_after=None)) from failed

    def close(self) -> None:
        """Ends the exchange, wherever it is."""
        sniffer, self._sniffer = self._sniffer, None
        if sniffer is not None:
            self.usage = sniffer.usage
            job, tally = self._job, self._tally
            if job is not None and tally is not None and (self.usage is None or not self._ended):
                self.usage = counted(job, self.usage, tally.tokens)
        response, self._response = self._response, None
        if response is not None:
            response.close()
        left, self._left = self._left, _nothing
        left(self.usage)


class _Watched:
    """A sniffer that shows what it gives."""

    __slots__ = ("_seen", "inner")

    def __init__(self, inner: StreamSniffer, seen: Callable[[bytes], None]) -> None:
        self.inner = inner
        self._seen = seen

    @property
    def content(self) -> bool:
        return self.inner.content

    @property
    def usage(self) -> Usage | None:
        return self.inner.usage

    @property
    def failure(self) -> Failure | None:
        return self.inner.failure

    def feed(self, data: bytes) -> bytes:
        out = self.inner.feed(data)
        self._seen(out)
        return out

    def finish(self) -> bytes:
        out = self.inner.finish()
        self._seen(out)
        return out


def unwatched(sniffer: StreamSniffer | None) -> StreamSniffer | None:
    """The sniffer itself, whoever looks on."""
    while isinstance(sniffer, _Watched):
        sniffer = sniffer.inner
    return sniffer


def _nothing(_usage: Usage | None) -> None:
    pass


async def attempt(
    job: Job,
    target: Target,
    lane: Lane,
    *,
    send: Send,
    clock: Callable[[], float],
    wall: Callable[[], float],
    seconds: float | None,
    left: Callable[[Usage | None], None],
    counts: bool = False,
    bound: int | None = None,
) -> Answer:
    """Sends once. `clock` is monotonic, `wall` is seconds since the epoch, `seconds` bounds the whole exchange.

    `left` is called once, with the usage, when an answer is over, and when the exchange is cancelled: what was sent may
    be billed. Raises `Failed`; there was no answer then. `counts`: where nobody reports a usage, or only the beginning
    of it was heard, it is estimated. `bound`: tokens of the answer at most, where the client said nothing.
    """
    head = job.head
    timeouts = target.streamed if head.stream else target.whole
    if seconds is not None and (timeouts.total is None or seconds < timeouts.total):
        timeouts = msgspec.structs.replace(timeouts, total=max(seconds, 0.001))
    response: Response | None = None
    sniffer: StreamSniffer | None = None
    try:
        parcel = sending(job, target, bound)
        upstream = parcel.protocol
        path = target.stream_path if head.stream else target.path
        headers = lane.headers + parcel.headers
        if lane.signer is not None:
            headers += await lane.signer.headers("POST", target.origin.authority, path, parcel.body)
        request = Request(origin=target.origin, target=path, headers=headers, body=parcel.body, timeouts=timeouts)
        started = clock()
        response = await send(request)
        if lane.quota is not None:
            lane.quota.note(share_left(response.headers), clock())
        if not 200 <= response.status < 300:
            raise Failed(await _error(upstream, response, wall()))
        content_type = response.header("content-type") or "application/json"
        if not head.stream or not content_type.startswith(upstream.content_type):
            read = parcel.whole(await response.read_all(_BODY_MOST), wall())
            if head.stream:
                raise Failed(
                    Failure(kind=Kind.BAD_RESPONSE, message=f"asked for a stream, answered with {content_type}")
                )
            response.close()
            usage = read.usage
            if usage is None and counts:
                usage = counted(job, None, -(-len(read.body) // 4))
            left(usage)
            content_type = content_type if upstream is job.protocol else "application/json"
            return Answer(target, lane, None, None, read.body, usage, content_type, read.dropped, _nothing)
        sniffer = parcel.stream(wall())
        body = await _opening(response, sniffer, target, started, clock)
        watched = job if counts else None
        return Answer(target, lane, response, sniffer, body, None, content_type, parcel.dropped, left, watched)
    except Failed:
        if response is not None:
            response.close()
        raise
    except BaseException:
        if response is not None:
            response.close()
        left(sniffer.usage if sniffer is not None else None)
        raise


async def _opening(
    response: Response, sniffer: StreamSniffer, target: Target, started: float, clock: Callable[[], float]
) -> bytes:
    """Reads up to the first content; the bound of `first_token` holds over all that comes before it."""
    while True:
        within = None
        if target.first_token is not None:
            within = target.first_token - (clock() - started)
            if within <= 0:
                raise Failed(
                    Failure(kind=Kind.TIMEOUT, message=f"no content within {target.first_token:g}s (first_token)")
                )
        data = await response.read(within)
        out = sniffer.feed(data) if data else sniffer.finish()
        if sniffer.failure is not None and not out:
            raise Failed(sniffer.failure)
        if out or not data:
            return out


async def _error(protocol: Protocol, response: Response, now: float) -> Failure:
    """What a non-2xx answer means; its body may be missing, cut or too large to be worth reading."""
    try:
        body = await response.read_all(_ERROR_MOST)
    except Failed:
        body = b""
    return protocol.decode_error(response.status, dict(response.headers), body, now)
