"""Counting a prompt's tokens: by the provider that would answer it, where it counts, else by a stated rule.

It is a question about a request, not a request: nobody's health is judged by it, nothing is tried twice, and whatever
goes wrong ends in the estimate.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.failure import Failed
from gateway.ir.estimate import prompt_tokens
from gateway.protocols import PROTOCOLS, forward, translate
from gateway.protocols.reading import Malformed
from gateway.routing.node import Node, Target, targets
from gateway.routing.run import Tools
from gateway.routing.runtime import Runtime
from gateway.routing.sending import Job
from gateway.transport.contract import Request, Timeouts

_BODY_MOST: Final = 1 << 20
_TIMEOUTS: Final = Timeouts(connect=5.0, first_byte=20.0, idle=10.0, total=30.0)


async def count(node: Node, job: Job, runtime: Runtime, tools: Tools) -> tuple[int, Target | None]:
    """(tokens, who counted them; None is the estimate). Nobody is asked that the request may not be sent to. Raises
    `Refused` for a request that cannot be read."""
    for target in targets(node):
        if target.count_path is not None and (job.constraints is None or job.constraints.objection(target) is None):
            try:
                return await _ask(target, job, runtime, tools), target
            except (Failed, Malformed):
                break
    return prompt_tokens(job.request()), None


async def _ask(target: Target, job: Job, runtime: Runtime, tools: Tools) -> int:
    upstream = PROTOCOLS[target.protocol]
    counting, path = upstream.counting, target.count_path
    lane = runtime.lanes_of(target)[0]
    if counting is None or path is None:
        raise Malformed("", "there is nobody to ask")
    if job.forwards(target.protocol):
        fields, headers = dict(job.head.fields), job.headers
    else:
        fields, headers = translate.encoded(upstream, job.request(), target.dialect).body, ()
    body = forward.body_of(counting.body(fields, target.upstream))
    headers = lane.headers + headers
    if lane.signer is not None:
        headers += await lane.signer.headers("POST", target.origin.authority, path, body)
    timeouts = msgspec.structs.replace(_TIMEOUTS, connect=target.whole.connect)
    response = await tools.send(
        Request(origin=target.origin, target=path, headers=headers, body=body, timeouts=timeouts)
    )
    try:
        answer = await response.read_all(_BODY_MOST)
    finally:
        response.close()
    if response.status != 200:
        raise Malformed("", f"the count was answered with {response.status}")
    return counting.decode(answer)
