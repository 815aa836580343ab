"""Asking an embedding model of the file for the vector of a text: one send, by the target's own credentials.

It passes the gate of limits and budgets, and the breakers learn from it, as from any other send; but nothing is tried
twice and nothing takes longer than `WITHIN`, since the answer to the client waits for it. No vector is no failure.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from gateway.cache.ask import Ask
from gateway.cache.rules import Embedder, Semantic
from gateway.events import Attempted
from gateway.failure import Failed, Failure, Kind
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.protocols.embedding import EMBEDDINGS, vector_of
from gateway.protocols.reading import Malformed
from gateway.routing.gate import NOTHING, Hold
from gateway.routing.run import Tools, penalise
from gateway.routing.runtime import Lane
from gateway.transport.contract import Request, Timeouts

WITHIN: Final = 5.0
_BODY_MOST: Final = 4 << 20


async def embedded(semantic: Semantic, text: str, ask: Ask, tools: Tools) -> list[float] | None:
    """The vector of a text by the first embedder whose target is well; None where there is none."""
    for embedder in semantic.embedders:
        for lane in ask.runtime.lanes_of(embedder.target):
            now = tools.clock()
            if lane.whole.wait(now) > 0 or lane.own.wait(now) > 0:
                continue
            return await _ask(embedder, lane, text, ask, tools)
    return None


async def _ask(embedder: Embedder, lane: Lane, text: str, ask: Ask, tools: Tools) -> list[float] | None:
    target, started = embedder.target, tools.clock()
    hold: Hold = NOTHING
    if ask.runtime.gate is not None:
        passed = await ask.runtime.gate.hold(target, lane, ask.job, tools)
        if isinstance(passed, Failure):
            return None
        hold = passed
    if not lane.whole.enter(started):
        hold.release(asked=False)
        return None
    if not lane.own.enter(started):
        lane.whole.leave()
        hold.release(asked=False)
        return None
    used: Usage | None = None
    try:
        async with asyncio.timeout(WITHIN):
            vector, tokens = await _send(embedder, lane, text, tools)
        used = Usage(input=tokens)
    except (Failed, Malformed, TimeoutError) as error:
        failure = _failure(error)
        hold.release(asked=failure.sent)
        penalise(target, lane, failure, tools.clock(), tools.emit)
        _tell(embedder, lane, failure, tools.clock() - started, tools)
        return None
    except BaseException:
        hold.settle(None)
        lane.own.leave()
        lane.whole.leave()
        raise
    hold.settle(used)
    lane.own.success()
    lane.whole.success()
    _tell(embedder, lane, None, tools.clock() - started, tools)
    return vector


async def _send(embedder: Embedder, lane: Lane, text: str, tools: Tools) -> tuple[list[float], int]:
    target = embedder.target
    body = msgspec.json.encode(EMBEDDINGS[target.protocol].ask(target.upstream, text))
    headers = lane.headers
    if lane.signer is not None:
        headers += await lane.signer.headers("POST", target.origin.authority, embedder.path, body)
    timeouts = Timeouts(connect=target.whole.connect, first_byte=WITHIN, idle=WITHIN, total=WITHIN)
    response = await tools.send(
        Request(origin=target.origin, target=embedder.path, headers=headers, body=body, timeouts=timeouts)
    )
    try:
        answer = await response.read_all(_BODY_MOST)
        if response.status != 200:
            protocol = PROTOCOLS[target.protocol]
            raise Failed(protocol.decode_error(response.status, dict(response.headers), answer, tools.wall()))
    finally:
        response.close()
    return vector_of(target.protocol, answer)


def _failure(error: Failed | Malformed | TimeoutError) -> Failure:
    if isinstance(error, Failed):
        return error.failure
    if isinstance(error, Malformed):
        return Failure(kind=Kind.BAD_RESPONSE, message=str(error))
    return Failure(kind=Kind.TIMEOUT, message=f"no embedding within {WITHIN:g}s")


def _tell(embedder: Embedder, lane: Lane, failure: Failure | None, seconds: float, tools: Tools) -> None:
    target = embedder.target
    kind, status = (None, 200) if failure is None else (failure.kind, failure.status)
    tools.emit(Attempted(target.provider, lane.credential, target.model, kind, status, seconds))
