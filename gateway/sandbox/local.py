"""The sandbox in process: a `Send` that answers from memory.

Time passes only through the `sleep` that it is given, so a test's clock may be virtual. Timeouts are kept as the
transport keeps them, reckoned from what was slept. It fails with the same `Failed` that the transport raises when a
real upstream behaves so. The host of the origin is the wire (`sandbox://anthropic`); any other host is the first wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.failure import Failed, Failure, Kind
from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import End, Pause, Plan
from gateway.sandbox.wires import FIRST, Wire
from gateway.transport.contract import Request, Response, Timeouts

_FOR_EVER: Final = 1e9  # thirty years
_WIRES: Final = {wire.value: wire for wire in Wire}

Sleep = Callable[[float], Awaitable[None]]


class LocalUpstream:
    """A `transport.contract.Send`. One instance is one upstream of each wire: it counts the failures of `fail=N`."""

    def __init__(self, sleep: Sleep) -> None:
        self._sleep = sleep
        self._sandboxes: dict[Wire, Sandbox] = {}

    async def __call__(self, request: Request) -> Response:
        """Answers by path. Raises `Failed`: `timeout` or `connection`."""
        wire = _WIRES.get(request.origin.host, FIRST)
        if wire not in self._sandboxes:
            self._sandboxes[wire] = Sandbox(wire)
        headers = {name.lower(): value for name, value in request.headers}
        plan = self._sandboxes[wire].answer(request.method, request.target, headers, request.body)
        return await played(plan, request.timeouts, self._sleep)


async def played(plan: Plan, timeouts: Timeouts, sleep: Sleep) -> Response:
    """What a plan comes to for whoever waits for it. Raises `Failed`: `timeout` or `connection`."""
    waits = _Waits(sleep, timeouts)
    for step in plan.before:
        if step is End.RESET:
            raise _closed("before it answered")
        if not isinstance(step, bytes):
            first_byte = timeouts.first_byte
            left = None if first_byte is None else first_byte - waits.elapsed
            await waits.wait(step.seconds if isinstance(step, Pause) else _FOR_EVER, left, "no response")
    return _Answer(plan, waits)


class _Waits:
    """The time that an exchange has taken, and the bound on it."""

    def __init__(self, sleep: Sleep, timeouts: Timeouts) -> None:
        self.elapsed = 0.0
        self.idle = timeouts.idle
        self._total = timeouts.total
        self._sleep = sleep

    async def wait(self, seconds: float, within: float | None, what: str) -> None:
        """Sleeps; raises `Failed(timeout)` once `within` or the total is over."""
        left = None if self._total is None else self._total - self.elapsed
        bound = min((each for each in (within, left) if each is not None), default=_FOR_EVER)
        slept = max(min(seconds, bound), 0.0)
        self.elapsed += slept
        await self._sleep(slept)
        if seconds > bound or seconds >= _FOR_EVER:
            raise Failed(Failure(kind=Kind.TIMEOUT, message=f"{what} from the sandbox within {slept:g}s"))


class _Answer:
    """See `contract.Response`."""

    def __init__(self, plan: Plan, waits: _Waits) -> None:
        length = plan.length if plan.body is None else len(plan.body)
        framing = (("transfer-encoding", "chunked") if length is None else ("content-length", str(length)),)
        self.status = plan.status
        self.headers = (*plan.headers, *framing)
        self._steps = iter(plan.steps if plan.body is None else (plan.body,))
        self._waits = waits

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for known, value in self.headers if known == name), None)

    async def read(self, within: float | None = None) -> bytes:
        """The next piece, as soon as it is due; b"" at the end."""
        await asyncio.sleep(0)  # as a socket would, it lets others run
        left = self._waits.idle if within is None else within
        for step in self._steps:
            if isinstance(step, bytes):
                if step:
                    return step
            elif step is End.RESET:
                self.close()
                raise _closed("in the middle of the body")
            else:
                seconds = step.seconds if isinstance(step, Pause) else _FOR_EVER
                began = self._waits.elapsed
                try:
                    await self._waits.wait(seconds, left, "no further bytes")
                except Failed:
                    self.close()
                    raise
                left = None if left is None else left - (self._waits.elapsed - began)
        return b""

    async def read_all(self, limit: int) -> bytes:
        """Everything that is left, up to `limit` bytes."""
        parts, size = [], 0
        while data := await self.read():
            parts.append(data)
            size += len(data)
            if size > limit:
                self.close()
                raise Failed(
                    Failure(
                        kind=Kind.BAD_RESPONSE, message=f"the body is larger than {limit} bytes", status=self.status
                    )
                )
        return b"".join(parts)

    def close(self) -> None:
        """Nothing more will be read."""
        self._steps = iter(())


def _closed(where: str) -> Failed:
    return Failed(Failure(kind=Kind.CONNECTION, message=f"the sandbox closed the connection {where}"))
