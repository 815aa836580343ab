"""`x-gateway-explain`: why a request is routed as it is, told to keys that may know.

`1`: the request is served, and its answer has a header of the same name with the way that it took, as compact JSON.
`dry`: nobody is asked and nothing is counted; the answer is the explanation (engine/explanation.py), in the state as of
now. Explanations name targets, policies and limits of the file, which may be nobody else's business: a key says
`explain: true` or `admin: true` for it, and where nobody needs a key, everybody may. From others the header is ignored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sanic import Request
from sanic.response import HTTPResponse

from gateway.config.written import lookup
from gateway.engine.access import ANYONE, Caller
from gateway.engine.clients import Received
from gateway.failure import Refusal, Refused

if TYPE_CHECKING:
    from gateway.engine.places import Path
    from gateway.server.ingress import Exchange

HEADER: Final = "x-gateway-explain"
LONGEST: Final = 4000  # characters of the header: proxies take 8 KB of all headers together
DRY: Final = "dry"


def may(caller: Caller) -> bool:
    """Whether a caller may ask. Who needs no key is `ANYONE`."""
    return caller.explain or caller is ANYONE


def way(exchange: Exchange) -> str:
    """The way that a request took, as the header says it. Where it is too long, the last skips and then the last sends
    are left out, and `more` counts them."""
    course, facts, route = exchange.course, exchange.facts, exchange.route
    said: dict[str, Any] = {"revision": exchange.engine.revision[:12], "asked": exchange.asked}
    if route is not None:
        said["route"] = route.name
    if facts is not None and facts.policies:
        said["policies"] = list(facts.policies)
    if course.instead is not None:
        said["instead"] = course.instead
    tried = [
        {
            "target": trial.target,
            "credential": trial.credential,
            "kind": trial.kind,
            "status": trial.status,
            "ms": round(trial.seconds * 1000, 1),
        }
        for trial in course.trials
    ]
    skipped = [{"target": each.target, "why": each.why} for each in course.skipped]
    return _fitting(said, tried, skipped)


def _fitting(said: dict[str, Any], tried: Sequence[Any], skipped: Sequence[Any]) -> str:
    more = 0
    while True:
        whole = {**said, "tried": tried, "skipped": skipped} | ({"more": more} if more else {})
        text = json.dumps(whole, separators=(",", ":"))
        if len(text) <= LONGEST or not (tried or skipped):
            return text[:LONGEST]
        more += 1
        if skipped:
            skipped = skipped[:-1]
        else:
            tried = tried[:-1]


async def told(request: Request, exchange: Exchange, caller: Caller, received: Received) -> HTTPResponse:
    """The answer to a request that asks for its explanation only. Raises `Refused` (503) while nobody knows what was
    compiled."""
    from gateway.engine.explain import explain  # nothing of it is needed to serve
    from gateway.engine.explanation import as_json

    engine, serving = exchange.engine, exchange.serving
    running = serving.running.get(engine.revision)
    if running is None:
        message = "What this revision was compiled from is not known any more. Ask again."
        raise Refused(
            Refusal(
                status=503, type="service_unavailable_error", code="no_explanation", message=message, retry_after=1.0
            )
        )

    def at(path: Path) -> str | None:
        return lookup(running.places, path)

    now = serving.tools.clock()
    found = await asyncio.to_thread(explain, engine, running.config, caller, received, now=now, at=at)
    headers = {"x-request-id": exchange.id, "x-gateway-revision": engine.revision[:12], HEADER: DRY}
    return HTTPResponse(as_json(found), headers=headers, content_type="application/json")
