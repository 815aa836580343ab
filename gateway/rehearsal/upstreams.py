"""The upstreams of a rehearsal: the sandbox in each target's own wire, with the faults that a test gives the target.

A send is known by a header that the stage puts into each lane, so two targets of one provider are told apart. Faults
are used up send by send; a target without any answers well. Everything that is sent is kept, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gateway.config.model_tests import Fault, Faults
from gateway.config.patterns import part
from gateway.failure import Failed, Failure, Kind
from gateway.routing.node import Target
from gateway.sandbox.answer import Sandbox
from gateway.sandbox.local import Sleep, played
from gateway.sandbox.plan import Plan
from gateway.sandbox.wires import FIRST, Wire
from gateway.transport.contract import Request, Response

LANE: Final = "x-rehearsal-lane"  # target and credential, one after the other
EVERY: Final = "*"
_WELL: Final = Fault()
_WIRES: Final = {wire.value: wire for wire in Wire}

# What the sandbox is told, by the kind of a fault; `connection` and `stall` are not as simple.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "ok": (),
    "timeout": ("stall",),
    "server_error": ("status=500",),
    "overloaded": ("overloaded",),
    "rate_limit": ("status=429",),
    "quota": ("quota",),
    "auth": ("auth",),
    "not_found": ("not-found",),
    "context_window": ("context-length",),
    "content_filter": ("content-filter",),
    "unsupported": ("unsupported=temperature",),
    "invalid_request": ("status=400",),
    "bad_response": ("garbage",),
    "interrupted": ("cut",),
    "reset": ("reset",),
    "empty": ("empty",),
}
_STREAM: Final = re.compile(rb'"stream":\s*true')


class Sent(NamedTuple):
    """One send: to whom, with which credential, what, and when on the virtual clock."""

    target: str
    credential: str
    body: bytes
    at: float


class Upstreams:
    """A `transport.contract.Send`. `targets`: by the key of their lanes. `sleep` and `clock` are the stage's."""

    def __init__(self, targets: Mapping[str, Target], sleep: Sleep, clock: Callable[[], float]) -> None:
        self.sent: list[Sent] = []
        self._targets = targets
        self._sleep = sleep
        self._clock = clock
        self._faults: dict[str, Faults] = {}
        self._used: dict[str, int] = {}
        self._sandboxes: dict[tuple[Wire, bool], Sandbox] = {}

    def befall(self, faults: Mapping[str, Faults]) -> None:
        """From now on these targets do this; what others do stays."""
        for name, fault in faults.items():
            self._faults[name] = fault
            self._used.pop(name, None)

    async def __call__(self, request: Request) -> Response:
        """Answers as the script says. Raises `Failed`: `timeout` or `connection`."""
        headers = dict(request.headers)
        lane, _, credential = headers.pop(LANE).partition("\0")
        target = self._targets[lane]
        self.sent.append(Sent(self._name(target, request), credential, request.body, self._clock()))
        fault = self._next(self.sent[-1].target, target)
        if fault.kind == "connection":
            await self._sleep(fault.delay or 0.0)
            raise Failed(Failure(kind=Kind.CONNECTION, message="the connection was refused", sent=False))
        plan = self._plan(request, headers, target, words_of(fault, _streams(request, target)))
        return await played(_edited(plan, fault), request.timeouts, self._sleep)

    def _plan(self, request: Request, headers: dict[str, str], target: Target, words: list[str]) -> Plan:
        origin = request.origin
        own = origin.scheme == "sandbox"  # its models say how they behave, in their ids
        wire = _WIRES.get(origin.host, FIRST) if own else _WIRES.get(target.protocol, FIRST)
        sandbox = self._sandboxes.get((wire, own))
        if sandbox is None:
            sandbox = self._sandboxes[wire, own] = Sandbox(wire, plain=not own)
        if words:
            headers["x-sandbox"] = "; ".join(words)
        return sandbox.answer(request.method, request.target, headers, request.body)

    def _next(self, name: str, target: Target) -> Fault:
        """What this send comes to."""
        for said in (name, target.lanes, target.model, EVERY):
            faults = self._faults.get(said)
            if faults is None:
                continue
            used = self._used.get(said, 0)
            self._used[said] = used + 1
            if used < len(faults.each):
                return faults.each[used]
            return faults.then or _WELL
        return _WELL

    def _name(self, target: Target, request: Request) -> str:
        """The target's name; of a pattern, the one of its names with a fault that the request is for."""
        if "*" not in target.lanes:
            return target.name
        for name in self._faults:
            star = part(target.lanes, name)
            upstream = target.upstream.replace("*", star) if star else ""
            if upstream and (f'"{upstream}"'.encode() in request.body or f"/{upstream}" in request.target):
                return name
        return target.name


def words_of(fault: Fault, stream: bool) -> list[str]:
    """The words that make the sandbox behave so (docs/sandbox.md)."""
    words = ["stall-at=1" if stream else "stall"] if fault.kind == "stall" else list(_WORDS[fault.kind or "ok"])
    if fault.status is not None and fault.status >= 400:
        words.append(f"status={fault.status}")
    if fault.retry_after is not None:
        words.append(f"retry-after={fault.retry_after:g}")
    if fault.delay is not None:
        words.append(f"latency={fault.delay:.6f}s")
    for name, word in _NUMBERS.items():
        value = getattr(fault, name)
        if value is not None:
            words.append(word.format(value))
    if fault.code is not None:
        words.append(f"code={fault.code}")
    if fault.calls:
        words.append(f"tool={','.join(fault.calls)}")
    return words


_NUMBERS: Final = {
    "rate": "rate={}/s",
    "stall_after": "stall-at={}",
    "cut_after": "cut-at={}",
    "error_after": "error-at={}",
    "garbage_after": "garbage-at={}",
    "tokens": "tokens={}",
}


def _edited(plan: Plan, fault: Fault) -> Plan:
    """The plan with what the fault says of its answer itself."""
    changes: dict[str, Any] = {}
    if fault.headers:
        new = tuple((name.lower(), value) for name, value in fault.headers.items())
        named = {name for name, _ in new}
        changes["headers"] = (*(pair for pair in plan.headers if pair[0] not in named), *new)
    if fault.status is not None:
        changes["status"] = fault.status
    if fault.body is not None:
        text = fault.body.encode() if isinstance(fault.body, str) else msgspec.json.encode(fault.body)
        changes |= {"body": text, "steps": (), "length": None}
    return msgspec.structs.replace(plan, **changes) if changes else plan


def _streams(request: Request, target: Target) -> bool:
    if target.stream_path != target.path:
        return request.target.endswith(target.stream_path.rpartition(":")[2]) and target.stream_path != target.path
    return _STREAM.search(request.body) is not None
