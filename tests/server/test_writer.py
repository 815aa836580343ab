"""The streaming writer on a virtual clock: what it sends while nothing comes, and when it gives a client up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.protocols import PROTOCOLS
from gateway.server.progress import progress_of
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


async def test_progress_between_the_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.server.writer.EVERY", 0.02)
    sent, clock = Sent(), Clock()
    request: Any = sent
    progress = progress_of("openai-chat", False, {"x-gateway-progress": "true"}, clock)
    assert progress is not None
    writer = StreamWriter(request, CHAT, clock, dict, progress=progress)
    await asyncio.sleep(0.05)
    assert sent.written == [], "it never begins a stream"
    await writer.begin(b"data: 1\n\n", {"a": "b"})
    assert sent.headers is not None
    assert sent.headers["x-omniroute-progress"] == sent.headers["x-gateway-progress"] == "enabled"
    clock.now = 2.0
    await asyncio.sleep(0.05)
    first = b'event: progress\ndata: {"tokens_generated":1,"elapsed_ms":2000}\n\n'
    assert sent.written[:2] == [b"data: 1\n\n", first]
    sent.full = asyncio.Event()
    blocked = asyncio.create_task(writer.send(b"data: 2\n\ndata: 3\n\n"))
    await turn()
    count = len(sent.written)
    await asyncio.sleep(0.05)
    assert len(sent.written) == count, "a client that does not read gets no more to read"
    sent.full.set()
    await blocked
    progress.tokens = 17
    await writer.end(b"data: [DONE]\n\n")
    last = b'data: [DONE]\n\nevent: progress\ndata: {"tokens_generated":17,"elapsed_ms":2000,"done":true}\n\n'
    assert sent.written[-1] == last
    await asyncio.sleep(0.05)
    assert sent.written[-1] == last
    assert sent.ended


def test_who_gets_progress() -> None:
    asked, official = {"x-omniroute-progress": "True"}, {"x-gateway-progress": "true", "x-stainless-lang": "python"}
    clock = Clock()
    assert progress_of("anthropic", False, official, clock) is not None
    assert progress_of("openai-responses", False, asked, clock) is not None
    for wire, framed, headers in (
        ("openai-chat", False, official),
        ("openai-chat", False, {}),
        ("openai-chat", False, {"x-gateway-progress": "false"}),
        ("gemini", False, asked),
        ("gemini", True, asked),
        ("ollama", False, asked),
    ):
        assert progress_of(wire, framed, headers, clock) is None
