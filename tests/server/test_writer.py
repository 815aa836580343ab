"""The streaming writer on a virtual clock: what it sends while nothing comes, and when it gives a client up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.protocols import PROTOCOLS
from gateway.server.writer import STALLED_READER, StreamWriter

CHAT = PROTOCOLS["openai-chat"]


class Sent:
    """Stands for Sanic's request and response: keeps what is written; `full` makes a write wait."""

    def __init__(self) -> None:
        self.headers: dict[str, str] | None = None
        self.written: list[bytes] = []
        self.ended = False
        self.aborted = False
        self.full: asyncio.Event | None = None
        self.protocol = self

    async def respond(self, *, status: int, headers: dict[str, str], content_type: str) -> Sent:
        assert status == 200
        assert content_type.startswith("text/event-stream")
        self.headers = headers
        return self

    async def send(self, data: bytes = b"", end_stream: bool = False) -> None:
        if self.full is not None:
            await self.full.wait()
        if data:
            self.written.append(data)
        self.ended = end_stream

    def abort(self) -> None:
        self.aborted = True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def parts() -> tuple[Sent, Clock, StreamWriter]:
    sent, clock = Sent(), Clock()
    request: Any = sent
    return sent, clock, StreamWriter(request, CHAT, clock, lambda: {"x-request-id": "r"})


async def test_silence_before_content_commits_the_stream(parts: tuple[Sent, Clock, StreamWriter]) -> None:
    sent, clock, writer = parts
    clock.now = 14.9
    writer._watch()
    await turn()
    assert not writer.begun, "not yet"
    clock.now = 15.0
    writer._watch()
    await turn()
    assert writer.begun
    assert sent.headers is not None
    assert sent.headers["x-request-id"] == "r"
    assert sent.written == [CHAT.keep_alive]
    await writer.begin(b"data: 1\n\n", {"x-request-id": "other"})
    assert sent.written == [CHAT.keep_alive, b"data: 1\n\n"], "the head is sent once"
    await writer.end(b"data: [DONE]\n\n")
    assert sent.ended


async def test_silence_between_frames_is_filled_and_talk_is_not(parts: tuple[Sent, Clock, StreamWriter]) -> None:
    sent, clock, writer = parts
    await writer.begin(b"a\n\n", {})
    clock.now = 10.0
    await writer.send(b"b\n\n")
    clock.now = 20.0
    writer._watch()
    await turn()
    assert sent.written == [b"a\n\n", b"b\n\n"]
    clock.now = 25.0
    writer._watch()
    await turn()
    assert sent.written[-1] == CHAT.keep_alive
    writer.cancel()


async def test_a_client_that_takes_nothing_is_given_up(parts: tuple[Sent, Clock, StreamWriter]) -> None:
    sent, clock, writer = parts
    await writer.begin(b"a\n\n", {})
    sent.full = asyncio.Event()
    stuck = asyncio.create_task(writer.send(b"b\n\n"))
    await turn()
    clock.now = STALLED_READER
    writer._watch()
    await turn()
    assert not sent.aborted
    assert sent.written == [b"a\n\n"], "no comment is put into a full buffer"
    clock.now = STALLED_READER + 1
    writer._watch()
    assert sent.aborted
    sent.full.set()
    await stuck
    writer.cancel()


async def test_a_refusal_before_anything_was_sent_sends_nothing(parts: tuple[Sent, Clock, StreamWriter]) -> None:
    sent, clock, writer = parts
    clock.now = 15.0
    writer._watch()
    writer.cancel()
    await turn()
    assert not writer.begun
    assert sent.written == []
