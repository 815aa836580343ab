"""The sandbox in process: a `Send` that answers from memory. Time passes through the `sleep` that it is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.failure import Failed, Failure, Kind
from gateway.sandbox import openai_chat
from gateway.sandbox.plan import End, Pause, Plan, Step
from gateway.transport.contract import Request, Response


class LocalUpstream:
    """One instance is one upstream: it counts the failures of `fail=N`."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._failures: dict[str, int] = {}

    async def __call__(self, request: Request) -> Response:
        """Answers by path. Raises `Failed` as a real upstream would make the transport do."""
        header = dict(request.headers).get("x-sandbox")
        if request.target.endswith("/chat/completions"):
            plan = openai_chat.chat(request.body, header, self._failures)
        else:
            plan = openai_chat.refusal(404, f"There is nothing at {request.target}.")
        timeouts = request.timeouts
        for step in plan.before:
            if step is End.STALL or (isinstance(step, Pause) and step.seconds > (timeouts.first_byte or 1e9)):
                await self._sleep(min(timeouts.first_byte or 1e9, timeouts.total or 1e9))
                raise Failed(Failure(kind=Kind.TIMEOUT, message="no response from the sandbox in time"))
            if step is End.RESET:
                raise Failed(Failure(kind=Kind.CONNECTION, message="the sandbox closed the connection"))
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
        return _Answer(plan, request.timeouts.idle, self._sleep)


class _Answer:
    """See `contract.Response`."""

    def __init__(self, plan: Plan, idle: float | None, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.status = plan.status
        self.headers = plan.headers
        self._steps: list[Step] = list(reversed(plan.steps))
        self._idle = idle
        self._sleep = sleep

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for known, value in self.headers if known == name), None)

    async def read(self, within: float | None = None) -> bytes:
        """The next piece; pauses are waited for."""
        await asyncio.sleep(0)  # as a socket would, it lets others run
        wait = self._idle if within is None else within
        while self._steps:
            step = self._steps.pop()
            if isinstance(step, bytes):
                if step:
                    return step
            elif isinstance(step, Pause):
                if wait is not None and step.seconds > wait:
                    await self._sleep(wait)
                    raise Failed(Failure(kind=Kind.TIMEOUT, message=f"no further bytes within {wait:g}s"))
                await self._sleep(step.seconds)
            elif step is End.RESET:
                raise Failed(Failure(kind=Kind.CONNECTION, message="the sandbox closed the connection"))
            else:
                await self._sleep(wait if wait is not None else 1e9)
                raise Failed(Failure(kind=Kind.TIMEOUT, message=f"no further bytes within {wait}s"))
        return b""

    async def read_all(self, limit: int) -> bytes:
        """Everything that is left."""
        parts = []
        while data := await self.read():
            parts.append(data)
        whole = b"".join(parts)
        if len(whole) > limit:
            raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the body is larger than {limit} bytes"))
        return whole

    def close(self) -> None:
        """Nothing more will be read."""
        self._steps.clear()
