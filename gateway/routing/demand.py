"""How much a request may use at most, before anybody has counted: for limits on tokens, and for reservations of money.

The input is estimated on the safe side: half the bytes of a body up to 16 KB; of a larger one, of one that carries
media, and of one that is not what the client wrote any more, one and a half times the rule of `ir/estimate.py`. The
output is what the client bounded it to; where it did not, what the target says that it gives at most, else
`UNBOUNDED`. Every wire's bound holds thoughts too. What a provider adds unseen (a stored conversation, a hosted tool's
pages) is in no body, and is charged when it is known.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gateway.failure import Refused
from gateway.ir.estimate import prompt_tokens
from gateway.ir.usage import Usage
from gateway.protocols.bounds import LEAST, bound_of
from gateway.protocols.contract import Edits
from gateway.routing.allowances import UNBOUNDED
from gateway.routing.node import Target
from gateway.routing.sending import Job

SMALL: Final = 16 << 10
_IN_LISTS: Final = frozenset(("openai-chat", "anthropic"))  # wires whose media are in lists of parts
_MEDIA: Final = (b"image", b'"file', b"inline", b"document", b"audio")
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")  # a letter


class Demand(msgspec.Struct, frozen=True):
    """`input`: tokens; `most`: of one answer, None where the client said nothing; `n`: answers."""

    input: int
    most: int | None
    n: int


def demand_of(job: Job) -> Demand:
    """Looks at a request, and leaves in `job.demand` what it found. One that cannot be read is as large as its body."""
    body, wire = job.head.body, job.protocol.name
    size = len(body)
    if job.edited or size > SMALL or _may_hold_media(wire, body):
        known = _read(job)
    else:
        bound = bound_of(wire, job.head.fields)
        known = Demand(-(-size // 2), bound.most, bound.n)
    job.demand = known
    return known


def _read(job: Job) -> Demand:
    try:
        request = job.request()
    except Refused:
        return Demand(len(job.head.body), None, 1)
    if job.edited:
        most = request.max_tokens if isinstance(request.max_tokens, int) else None
        n = request.n if isinstance(request.n, int) else 1
        return Demand(-(-prompt_tokens(request) * 3 // 2), most, max(1, n))
    bound = bound_of(job.protocol.name, job.head.fields)
    return Demand(-(-prompt_tokens(request) * 3 // 2), bound.most, bound.n)


def _may_hold_media(wire: str, body: bytes) -> bool:
    """Whether the text of a request may name what is larger than its name; a decoded request tells for sure.

    Bytes are searched for one at a time much faster than for words, and where messages are plain text the only list is
    theirs. A name may be written with escapes.
    """
    if body.find(b"[") == body.rfind(b"[") and wire in _IN_LISTS and b"\\" not in body:
        return b'"audio' in body  # an earlier answer that was spoken is named by its id
    return any(map(body.__contains__, _MEDIA)) or (b"\\u00" in body and _ESCAPED.search(body) is not None)


def output_of(demand: Demand, target: Target) -> tuple[int, bool]:
    """(tokens of one answer at most, whether somebody said so) at a target, with what its file's edits make of it."""
    most, edits = demand.most, target.edits
    if edits.set or edits.default or edits.drop:
        most = _edited(most, target.protocol, edits)
    if most is None:
        return target.max_output or UNBOUNDED, False
    if target.max_output is not None and target.max_output < most:
        return target.max_output, True
    return max(most, LEAST), True


def _edited(most: int | None, wire: str, edits: Edits) -> int | None:
    always = bound_of(wire, dict(edits.set)).most
    default = bound_of(wire, dict(edits.default)).most
    if most is not None and any(_drops(wire, name) for name in edits.drop):
        most = None
    return always if always is not None else most if most is not None else default


def _drops(wire: str, name: str) -> bool:
    return bound_of(wire, {name: b'{"maxOutputTokens":1,"num_predict":1,"maxTokens":1}'}).most is not None or (
        bound_of(wire, {name: b"1"}).most is not None
    )


def counted(job: Job, usage: Usage | None, said: int) -> Usage:
    """A usage that nobody reported in full: what is known of it, else the estimate of the prompt and `said` tokens."""
    read = usage.input if usage is not None else 0
    wrote = usage.output if usage is not None else 0
    if not read:
        try:
            read = prompt_tokens(job.request())
        except Refused:
            read = -(-len(job.head.body) // 4)
    if usage is None:
        return Usage(input=read, output=said, estimated=True)
    return Usage(
        input=read,
        output=max(wrote, said),
        cached=usage.cached,
        cache_write=usage.cache_write,
        cache_write_1h=usage.cache_write_1h,
        reasoning=usage.reasoning,
        audio_input=usage.audio_input,
        audio_output=usage.audio_output,
        estimated=True,
    )
