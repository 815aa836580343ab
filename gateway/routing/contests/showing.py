"""Reading a whole answer that a contest was given, and giving it on to the client as it is."""

from __future__ import annotations

from gateway.failure import Failed, Failure
from gateway.ir.chat import Response
from gateway.protocols import replay, translate
from gateway.routing.attempt import Answer
from gateway.routing.sending import Job


def response_of(answer: Answer, job: Job) -> Response | Failure:
    """What a whole answer says; it stands in the client's protocol."""
    try:
        return translate.response_of(job.protocol, answer.body)
    except Failed as failed:
        return failed.failure


def shown(answer: Answer, response: Response, job: Job, wall: float) -> Answer:
    """The answer for the client: as it is, or as a stream where the client wants one. `wall`: seconds since the
    epoch."""
    if not job.head.stream:
        return answer
    encoder = job.protocol.stream_encoder(job.request(), int(wall))
    body = b"".join([encoder.push(event) for event in replay.events_of(response)]) + encoder.close()
    return answer.with_body(body, job.protocol.content_type)
