"""A bench for limits and money: an Engine compiled from a file's text, scripted upstreams, and one virtual clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from gateway.config.load import load
from gateway.engine.build import build
from gateway.engine.engine import Engine
from gateway.engine.known import KNOWN
from gateway.events import Event
from gateway.failure import Failed, Failure, Refusal, Refused
from gateway.protocols import PROTOCOLS
from gateway.routing.admission import Admission, admitted
from gateway.routing.attempt import Answer
from gateway.routing.facts import Facts
from gateway.routing.outcome import refusal_of
from gateway.routing.run import Course, Tools, run
from gateway.routing.sending import Job
from gateway.state.meters import Meters
from gateway.state.pool import StatePool
from gateway.store.memory import Memory
from gateway.transport.contract import Request, Response
from tests.routing.bench import Reply

CHAT = PROTOCOLS["openai-chat"]
START = 1_790_000_000.0
ENV = {"A": "secret-a", "B": "secret-b", "CI": "c" * 20, "ANNA": "a" * 20, "BOT": "b" * 20}
BASE = """
version: 1
providers:
  up: {protocol: openai-chat, base_url: "https://host.test/v1", api_keys: {one: {env: A}, two: {env: B}}}
  house: {protocol: openai-chat, base_url: "https://house.test/v1", api_key: none}
models:
  dear: {provider: up, price: {input: 10, output: 100}, max_output: 1000}
  cheap: {provider: house, price: {input: 1, output: 10}, max_output: 1000}
  free: {provider: house, price: {input: 0, output: 0}}
  unpriced: {provider: house}
combos: {both: [dear, cheap]}
keys:
  ci: {from: {env: CI}, trust: [user]}
  anna: {from: {env: ANNA}, team: research, tags: [batch]}
  bot: {from: {env: BOT}, team: research}
"""


def usage(read: int, wrote: int) -> bytes:
    """A whole answer."""
    told = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
    return json.dumps(
        {"id": "x", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": told}
    ).encode()


def ask_body(model: str, size: int = 0, **fields: Any) -> bytes:
    """A request; `size` bytes at least."""
    text = "x" * max(1, size - 64 - len(model))
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **fields}).encode()


class Till:
    """One worker. `more` is YAML that replaces or adds top-level parts of `BASE`."""

    def __init__(self, directory: Path, more: str = "", state: StatePool | None = None) -> None:
        self.now = START
        self.events: list[Event] = []
        self.sent: list[Request] = []
        self.reply: Callable[[Request], Reply] = lambda request: Reply(200, usage(10, 10))
        self.state = state or StatePool()
        if state is None:
            self.state.meters = Meters(Memory(lambda: self.now))
        self.tools = Tools(
            send=self._send,
            clock=lambda: self.now,
            wall=lambda: self.now,
            sleep=self._sleep,
            random=Random(1),
            emit=self.events.append,
        )
        self._directory = directory
        self.engine = self.load(more)

    def load(self, more: str) -> Engine:
        """The Engine of another text, with the same state."""
        files = [self._directory / "base.yaml", self._directory / "more.yaml"]
        files[0].write_text(BASE)
        files[1].write_text(more or "version: 1")
        loaded = load(files, known=KNOWN, environ=ENV)
        # a price that must be known is asked for when the file is checked; while it runs, of what a pattern leads to
        errors = [(d.code, d.detail) for d in loaded.diagnostics.errors if d.code != "price-required"]
        assert errors == []
        assert loaded.config is not None
        self.engine = build(loaded.config, loaded.secrets, self.state, revision=loaded.revision)
        return self.engine

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def _send(self, request: Request) -> Response:
        await asyncio.sleep(0)
        self.sent.append(request)
        return self.reply(request)

    def job(self, body: bytes, key: str = "ci", user: str | None = None, session: str = "") -> Job:
        """A request of a key."""
        head = CHAT.decode_head(body)
        named = next(each for each in self.engine.keyring.callers.values() if each.name == key)
        facts = Facts(key=key, team=named.team, tags=named.tags, user=user, session=session, asked=head.model)
        return Job(CHAT, head, (), facts)

    async def ask(self, body: bytes, **who: Any) -> Answer | Refusal:
        """A whole request, over to its end, or what its caller is told."""
        job = self.job(body, **who)
        admission: Admission | None = None
        course = Course()
        answer: Answer | None = None
        try:
            admission = await self.admit(job)
            route = self.engine.routes[job.head.model]
            answer = await run(route.node, job, self.engine.runtime, self.tools, course, None)
            answer.close()
            return answer
        except Refused as refused:
            return refused.refusal
        except Failed as failed:
            return refusal_of(failed.failure, course.trials)
        finally:
            if admission is not None:
                admission.close(answer.usage if answer is not None else None)

    async def admit(self, job: Job) -> Admission | None:
        """What ingress does first. Raises `Refused`."""
        if self.engine.limits is None:
            return None
        admission = admitted(self.engine.limits, job, self.tools)
        if admission is not None and admission.taken is None:
            await admission.wait(self.engine.limits, job, self.tools)
        return admission

    def used(self, name: str) -> int:
        """What of a counter is used or reserved now."""
        found = next(meter for meter in list(self.state.meters._meters.values()) if meter.key == name)
        standing = found.standing()
        return standing.limit - standing.left


def refused(outcome: Answer | Refusal) -> Refusal:
    assert isinstance(outcome, Refusal), "it was answered"
    return outcome


def answered(outcome: Answer | Refusal) -> Answer:
    assert isinstance(outcome, Answer), outcome
    return outcome


def failed_with(failure: Failure) -> Callable[[Request], Reply]:
    def reply(_request: Request) -> Reply:
        raise Failed(failure)

    return reply
