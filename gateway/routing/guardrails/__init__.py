"""Guardrails with a pattern: what may not be said to a model, and what a model may not say.

`inbound` looks at a request after the policies have edited it: everything in it that is text, results and arguments of
tools included; what only the client's own wire knows, and what a model thought earlier, is not looked into. `Outbound`
looks at answers, whole and streamed, on whatever wire: text, refusals, thoughts and arguments of calls. An answer that
is looked at is read and written anew on the client's wire, also where its bytes would else have passed.

reject: 400 `content_blocked`; of an answer it is a `content_filter` failure, which a fallback rule may name, and after
the first content an error inside the stream. redact: the match is replaced. flag: the request gets the guardrail's name
as a tag, and `Flagged` is told.
"""

from __future__ import annotations

from gateway.events import Emit
from gateway.failure import BLOCKED, Refusal, Refused
from gateway.routing.guardrails.outbound import Outbound
from gateway.routing.guardrails.texts import rewritten
from gateway.routing.guardrails.verdicts import Guard, Verdicts
from gateway.routing.sending import Job

__all__ = ["Guard", "Outbound", "guarded", "inbound"]


def inbound(guards: tuple[Guard, ...], job: Job, emit: Emit) -> Job:
    """The request as it may be sent. Raises `Refused`: 400 `content_blocked`, or that it cannot be read."""
    verdicts = Verdicts(job.facts, "request", emit)
    request = job.request()
    changed = request
    for guard in guards:
        look = _Look(guard)
        cleaned = rewritten(changed, look)
        if not look.found:
            continue
        if guard.do == "reject":
            raise Refused(
                Refusal(
                    status=400,
                    type="invalid_request_error",
                    code=BLOCKED,
                    message=f"The guardrail {guard.name!r} does not let this request pass.",
                    should_retry=False,
                )
            )
        if guard.do == "flag":
            verdicts.flag(guard)
        else:
            changed = cleaned
    return job if changed is request else job.with_request(changed)


class _Look:
    """One guardrail over all texts of a request."""

    __slots__ = ("_guard", "_pattern", "found")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._pattern = guard.compiled
        self.found = False

    def __call__(self, text: str) -> str:
        if self._pattern.find(text) is None:
            return text
        self.found = True
        return self._pattern.replaced(text, self._guard.instead) if self._guard.do == "redact" else text


def guarded(guards: tuple[Guard, ...], job: Job, emit: Emit) -> Outbound:
    """What its answers have to pass."""
    return Outbound(guards, Verdicts(job.facts, "response", emit))
