"""Sends that serve a request without being its answer: told as events, each with its own usage.

A copy (`copy`), what lost a race (`loser`), a voice of a panel (`voice`), a stage of a pipeline (`stage`), the
beginning of an answer that another target ended (`beginning`). What a provider did not report is estimated, and marked
so.
"""

from __future__ import annotations

import msgspec

from gateway.events import Aside, Emit
from gateway.failure import Refused
from gateway.ir.cost import cost
from gateway.ir.estimate import prompt_tokens, text_tokens
from gateway.ir.usage import Usage
from gateway.routing.node import Target
from gateway.routing.runtime import Lane
from gateway.routing.sending import Job


def estimated(job: Job, said: str = "") -> Usage | None:
    """The usage of a request that was sent and answered with `said`; None where the request cannot be read."""
    try:
        return Usage(input=prompt_tokens(job.request()), output=text_tokens(said), estimated=True)
    except Refused:
        return None


def partial(job: Job, said: str, usage: Usage | None) -> Usage | None:
    """The usage of an answer that ended before its provider could say it; what it did say counts."""
    guess = estimated(job, said)
    if usage is None or guess is None:
        return usage or guess
    if usage.input and usage.output >= guess.output:
        return usage
    return msgspec.structs.replace(
        usage, input=usage.input or guess.input, output=max(usage.output, guess.output), estimated=True
    )


def tell(
    line: str,
    job: Job,
    target: Target,
    lane: Lane,
    emit: Emit,
    *,
    kind: str | None,
    seconds: float,
    usage: Usage | None,
) -> None:
    """Emits an `Aside`. `kind` None is an answer. `seconds` until it was over."""
    facts = job.facts
    if usage is None:
        usage = estimated(job)
    price = target.price
    emit(
        Aside(
            line=line,
            request_id=facts.request_id,
            operation=facts.operation,
            route=facts.asked,
            provider=target.provider,
            model=target.model,
            key=facts.key,
            status=200 if kind is None else 499 if kind == "cancelled" else 502,
            kind=kind,
            stream=job.head.stream,
            seconds=seconds,
            usage=usage,
            upstream=target.upstream,
            credential=lane.credential,
            team=facts.team,
            user=facts.user,
            tags=facts.tags,
            cost=cost(usage, price) if price is not None and usage is not None else None,
        )
    )
