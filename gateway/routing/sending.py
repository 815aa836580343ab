"""What is sent to one target, and how its answer is read: forwarded on the same wire, translated onto another.

A request goes out as the client's own bytes where the target speaks the client's wire, unless it carries a seal of
another family of models (protocols/seals.py), which the target's provider would refuse, or has lost its seals
(protocols/stripped.py): then its body is written anew on the same wire, and its answer still passes as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from random import getrandbits
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from gateway.failure import Failed, Failure, Kind, Refused
from gateway.ir import chat
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS, forward, seals, stripped, translate
from gateway.protocols.bounds import bounded
from gateway.protocols.contract import Encoded, Head, Protocol, StreamEncoder, StreamSniffer
from gateway.protocols.losses import merged
from gateway.protocols.resuming import Recorder
from gateway.routing.constraints import Caps, Constraints
from gateway.routing.facts import Facts
from gateway.routing.hints import Hints
from gateway.routing.node import Target

if TYPE_CHECKING:
    from gateway.routing.guardrails.outbound import Outbound
    from gateway.routing.needs import Needs


class Job:
    """What is to be done: a request whose head was read, in the protocol of its client.

    `headers` are the client's own that another provider of the same wire may see. The request is decoded at most once,
    whatever number of targets it is translated for. `stripped`: its seals were taken off. `edited`: it is not what the
    client wrote any more, so it is written anew even on the client's wire. `constraints` hold for every target that is
    tried for it, `caps` over everything that is done for it; `guards` are what its answers have to pass. `hints` are
    what the client asked of targets. `needs` and `session` are found out when somebody asks (needs.py, sessions.py).
    `spent`: what others used for this answer, which the client sees added to its usage. `lasting`: where its stream
    breaks off, another target may go on with it; `onto` then makes what the rest is written with.
    """

    __slots__ = (
        "_request",
        "caps",
        "constraints",
        "demand",
        "edited",
        "facts",
        "guards",
        "head",
        "headers",
        "hints",
        "lasting",
        "needs",
        "onto",
        "protocol",
        "sealed",
        "session",
        "spent",
        "stripped",
    )

    def __init__(
        self, protocol: Protocol, head: Head, headers: tuple[tuple[str, str], ...] = (), facts: Facts | None = None
    ) -> None:
        self.protocol = protocol
        self.head = head
        self.headers = headers
        self.facts = facts if facts is not None else Facts(asked=head.model, stream=head.stream, protocol=protocol.name)
        self.edited = False
        self.sealed = seals.wrapped(head.body)
        self.stripped = False
        self.constraints: Constraints | None = None
        self.caps: Caps | None = None
        self.hints: Hints | None = None
        self.needs: Needs | None = None
        self.session: str | None = None
        self.spent: Usage | None = None
        self.lasting = False
        self.onto: Callable[[], StreamEncoder] | None = None
        self.guards: Outbound | None = None
        self.demand: Any = None  # what routing/demand.py found, once
        self._request: chat.Request | None = None

    def forwards(self, protocol: str) -> bool:
        """Whether a target of this wire gets the client's own bytes."""
        return protocol == self.protocol.name and not self.sealed and not self.stripped and not self.edited

    @property
    def changes(self) -> bool:
        """Whether what targets answer is not what the client gets: guardrails look at it, usage is added, or it is the
        rest of another answer."""
        return self.guards is not None or self.spent is not None or self.onto is not None

    def request(self) -> chat.Request:
        """The request in the IR. Raises `Refused` (400)."""
        if self._request is None:
            self._request = translate.request_of(self.protocol, self.head)
        return self._request

    def without_seals(self) -> Job | None:
        """The same without seals; None where it has none left, and where it cannot be read."""
        if self.stripped:
            return None
        try:
            request = stripped.stripped(self.request())
        except Refused:
            return None
        if request is None:
            return None
        job = self.with_request(request)
        job.stripped = True
        return job

    def with_request(self, request: chat.Request) -> Job:
        """The same work with another request, which every target gets written from the IR."""
        job = Job(self.protocol, self.head, self.headers, self.facts)
        job.edited = True
        job.stripped = self.stripped
        job.constraints = self.constraints
        job.caps = self.caps
        job.hints = self.hints
        job.session = self.session
        job.spent = self.spent
        job.lasting = self.lasting
        job.guards = self.guards
        job._request = request
        return job

    def whole(self) -> Job:
        """The same work, answered as a whole. Raises `Refused` (400) where a stream's request cannot be read."""
        if not self.head.stream:
            return self
        job = self.with_request(replace(self.request(), stream=False, stream_usage=False))
        job.head = replace(self.head, stream=False)
        return job

    def encoded(self, target: Target, bound: int | None = None) -> Encoded:
        """The body for a target, written from the IR. Raises `Failed` where `on_lossy` forbids what would be lost."""
        request = self.request()
        if bound is not None:
            request = replace(request, max_tokens=bound)
        encoded = translate.encoded(PROTOCOLS[target.protocol], request, target.dialect)
        if self.stripped:
            encoded = replace(encoded, dropped=merged(stripped.DROPPED, encoded.dropped))
        strict = self.hints is not None and self.hints.strict
        if encoded.dropped and (strict or target.on_lossy in ("reject", "reroute")):
            raise Failed(_lossy(target, encoded.dropped, strict))
        return encoded


class Read(msgspec.Struct, frozen=True):
    """A whole answer in the client's protocol."""

    body: bytes
    usage: Usage | None
    dropped: tuple[chat.Dropped, ...] = ()


class Forwarding:
    """The same wire on both sides. An answer that is not given on as it comes is read and written all the same."""

    __slots__ = ("_job", "_strip", "body", "dropped", "headers", "protocol")

    def __init__(self, job: Job, target: Target, bound: int | None) -> None:
        self.protocol = job.protocol
        self._job = job
        ask = "no_stream_options" not in target.dialect.quirks
        head = job.head
        self.dropped: tuple[chat.Dropped, ...] = ()
        if not job.forwards(target.protocol):
            encoded = job.encoded(target, bound)
            self.dropped = encoded.dropped
            head = job.protocol.decode_head(forward.body_of(encoded.body), head.model, head.stream)
        elif bound is not None:
            head = replace(
                head,
                fields=bounded(
                    target.protocol, head.fields, bound, newest="max_completion_tokens" in target.dialect.quirks
                ),
            )
        forwarded = job.protocol.encode_forwarded(head, target.upstream, target.edits, ask)
        self.body = forwarded.body
        self.headers = job.headers
        self._strip = forwarded.strip_usage

    def whole(self, body: bytes, now: float) -> Read:
        """The answer as it is. Raises `Failed`."""
        if self._job.changes:
            return _translated(self._job, self.protocol, body, None, now, self.dropped)
        return Read(body, self.protocol.decode_answer(body), self.dropped)

    def stream(self, now: float) -> StreamSniffer:
        """A watcher of the stream."""
        if self._job.changes:
            return _translation(self._job, self.protocol, None, now)
        return self.protocol.stream_sniffer(self._strip)


class Translating:
    """Two wires."""

    __slots__ = ("_job", "_tool", "body", "dropped", "headers", "protocol")

    def __init__(self, job: Job, target: Target, bound: int | None) -> None:
        self.protocol = PROTOCOLS[target.protocol]
        self._job = job
        encoded = job.encoded(target, bound)
        self._tool = encoded.answer_tool
        self.dropped = encoded.dropped
        self.headers: tuple[tuple[str, str], ...] = ()
        fields = encoded.body
        if "model" in fields:
            fields = forward.with_model(fields, target.upstream, target.edits)
        else:
            fields = forward.edited(fields, target.edits)
        self.body = forward.body_of(fields)

    def whole(self, body: bytes, now: float) -> Read:
        """The answer on the client's wire. Raises `Failed`."""
        return _translated(self._job, self.protocol, body, self._tool, now, self.dropped)

    def stream(self, now: float) -> StreamSniffer:
        """A translator of the stream."""
        return _translation(self._job, self.protocol, self._tool, now)


def _translated(
    job: Job, upstream: Protocol, body: bytes, tool: str | None, now: float, dropped: tuple[chat.Dropped, ...]
) -> Read:
    """A whole answer on the client's wire, past its guardrails. Raises `Failed`."""
    through = job.guards.whole if job.guards is not None else None
    encoded, usage = translate.answer(
        upstream, job.protocol, job.request(), body, tool, int(now), _id(), through, job.spent
    )
    return Read(msgspec.json.encode(encoded.body), usage, merged(dropped, encoded.dropped))


def _translation(job: Job, upstream: Protocol, tool: str | None, now: float) -> StreamSniffer:
    """A translator of a stream to the client's wire, past its guardrails."""
    request = job.request()
    through = job.guards.stream() if job.guards is not None else None
    encoder = job.onto() if job.onto is not None else job.protocol.stream_encoder(request, int(now))
    if job.lasting:
        encoder = Recorder(encoder)
    return translate.Translation(upstream.stream_decoder(), encoder, tool, request.model, _id(), through, job.spent)


def _id() -> str:
    """A name for an answer whose wire has none: clients want one, and each its own."""
    return f"gateway-{getrandbits(96):024x}"


def sending(job: Job, target: Target, bound: int | None = None) -> Forwarding | Translating:
    """What to send to a target. `bound`: tokens of the answer at most, None where nobody but the client says so.

    Raises `Failed` where its `on_lossy` forbids what would be lost.
    """
    if job.hints is not None:
        target = job.hints.told(target)
    kind = Forwarding if target.protocol == job.protocol.name else Translating
    return kind(job, target, bound)


def _lossy(target: Target, dropped: tuple[chat.Dropped, ...], strict: bool) -> Failure:
    """What `on_lossy` makes of a loss: another target may carry it, or the client must leave it out. `strict`: the
    client asked for whoever can carry all of it."""
    reasons = "; ".join(f"{each.field} ({each.why})" for each in dropped)
    return Failure(
        kind=Kind.UNSUPPORTED if strict or target.on_lossy == "reroute" else Kind.INVALID_REQUEST,
        message=f"{target.name} cannot carry this request as it is: {reasons}",
        status=400,
        code="lossy_translation",
        param=dropped[0].field,
        sent=False,
    )
