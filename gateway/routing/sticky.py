"""Who goes first because he served before: a session's target, and whoever made the answer that a request goes on from.

A sticky combo remembers, for each session, user or key, which of its targets served last. That target goes first while
one of its credentials is ready and it can carry the request; everything else is as the strategy says. It is bound by an
answer, renewed by each, and dropped when it fails. An answer that its provider keeps under an id binds its target and
its credential in the same way, unasked, for the request that names it as `previous_response_id`.

Everything is decided from this worker's tables; `recall` asks the store, where there is one, for what they do not have.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split, Sticky, Target, stuck, tried
from gateway.routing.runtime import Lane
from gateway.routing.sending import Job
from gateway.routing.sessions import identity_of, previous_answer
from gateway.routing.signals import OPEN, health

KEPT: Final = 30 * 86400.0  # seconds that providers keep answers
_CONTINUING: Final = frozenset(("openai-responses",))  # wires whose answers can be gone on from
_ID: Final = re.compile(rb'"id"\s*:\s*"([^"\\]{1,256})"')
_WITHIN: Final = 8192  # bytes of an answer in which its id stands


def unknown(node: Node, moment: Moment) -> bool:
    """Whether a sticky combo of the route knows nobody for this request, as far as this worker knows."""
    tables, job, now = moment.runtime.sticky, moment.job, moment.now
    for split, sticky in stuck(node):
        identity = identity_of(job, sticky.by)
        if identity and tables[split.name].entry(identity, now) is None:
            return True
    return False


async def recall(node: Node, moment: Moment) -> None:
    """Finds out who goes first, before anybody is asked."""
    job, runtime, now = moment.job, moment.runtime, moment.now
    if runtime.shares:
        for split, sticky in stuck(node):
            bindings, identity = runtime.sticky[split.name], identity_of(job, sticky.by)
            if identity and bindings.asks(identity, now):
                await bindings.ask(identity, now, sticky.seconds)
    if runtime.makers is not None and job.protocol.name in _CONTINUING:
        previous = previous_answer(job)
        if previous is not None:
            key = _answer(job, previous)
            made = runtime.makers.find(key, now)
            if made is None and runtime.makers.asks(key, now):
                made = await runtime.makers.ask(key, now, KEPT)
            if made is not None:
                name, _, credential = made.partition("\n")
                moment.made = (name, credential)


def maker(node: Node, moment: Moment) -> Target | None:
    """The target that made the answer that is gone on from, where this route still has it."""
    if moment.made is None:
        return None
    name = moment.made[0]
    return next((target for target in tried(node) if target.name == name), None)


def remember(moment: Moment, target: Target, lane: Lane, body: bytes) -> None:
    """An answer came, and begins so: whoever made it will go first when it is gone on from."""
    makers = moment.runtime.makers
    if makers is not None and moment.job.protocol.name in _CONTINUING and target.protocol in _CONTINUING:
        found = _ID.search(body[:_WITHIN])
        if found is not None:
            key = _answer(moment.job, found[1].decode())
            makers.bind(key, f"{target.name}\n{lane.credential}", moment.now, KEPT)


def bound(split: Split, name: str, moment: Moment) -> Target | None:
    """The target of this name, which served last, where it can be asked now."""
    leaf = split.tried.get(name)
    if leaf is None:
        return None
    for lane in moment.runtime.lanes_of(leaf):
        if not lane.whole.open_until and not lane.own.open_until:
            return leaf
    return leaf if health(leaf, moment) > OPEN else None


def served(split: Split, sticky: Sticky, moment: Moment) -> None:
    """The last target that was asked has answered."""
    identity = identity_of(moment.job, sticky.by)
    if moment.served is not None and identity:
        moment.runtime.sticky[split.name].bind(identity, moment.served.name, moment.now, sticky.seconds)


def _answer(job: Job, id_: str) -> str:
    return f"{job.facts.key or ''}:{id_}"
