"""The sandbox on a socket: every word over a real connection, and the connection itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.sandbox.script import WORDS
from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire

ASK = [{"role": "user", "content": "one two three"}]
ECHO = "You said: one two three"


@pytest.fixture
async def http(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=upstream.url, timeout=10) as client:
        yield client


def body(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": ASK, **more}


def said(text: str) -> str:
    """What the frames of a stream say."""
    parts = []
    for frame in text.replace("\r\n", "\n").split("\n\n"):
        for line in frame.split("\n"):
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: ")).get("choices", ())
                parts += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(parts)


# by word: how it is used, then what a whole answer and what a stream give: a status, text that is in the body, or an error
TIMEOUT, BROKEN = httpx.ReadTimeout, (httpx.RemoteProtocolError, httpx.ReadError)
Seen = Any
FAULTS: dict[str, tuple[Seen, Seen]] = {
    "tokens=7": ((200, ECHO), (200, ECHO)),
    "seed=7": ((200, ECHO), (200, ECHO)),
    "reasoning=3": ((200, "reasoning_content"), (200, "reasoning_content")),
    "tool=clock": ((200, '"name":"clock"'), (200, '"name":"clock"')),
    "refusal": ((200, '"refusal":"I'), (200, '"refusal":"I')),
    "finish=content_filter": ((200, '"finish_reason":"content_filter"'), (200, '"finish_reason":"content_filter"')),
    "cached=2": ((200, '"cached_tokens":2'), (200, ECHO)),
    "latency=10ms": ((200, ECHO), (200, ECHO)),
    "slow": (TIMEOUT, TIMEOUT),
    "rate=1000/s": ((200, ECHO), (200, ECHO)),
    "stall": (TIMEOUT, TIMEOUT),
    "stall-at=2": ((200, ECHO), TIMEOUT),
    "status=418": ((418, "Status 418."), (418, "Status 418.")),
    "code=slow_down+status=503": ((503, '"slow_down"'), (503, '"slow_down"')),
    "retry-after=2+status=429": ((429, '"rate_limit_exceeded"'), (429, '"rate_limit_exceeded"')),
    "fail=1": ((500, "server_error"), (200, ECHO)),
    "auth": ((401, '"invalid_api_key"'), (401, '"invalid_api_key"')),
    "quota": ((429, '"insufficient_quota"'), (429, '"insufficient_quota"')),
    "overloaded": ((529, '"overloaded_error"'), (529, '"overloaded_error"')),
    "not-found": ((404, '"model_not_found"'), (404, '"model_not_found"')),
    "context-length": ((400, '"context_length_exceeded"'), (400, '"context_length_exceeded"')),
    "content-filter": ((400, '"content_filter"'), (400, '"content_filter"')),
    "unsupported=top_p": ((400, '"unsupported_parameter"'), (400, '"unsupported_parameter"')),
    "error-in-200": ((200, '{"error":'), (200, '{"error":')),
    "error-at=2": ((200, ECHO), (200, 'data: {"error":')),
    "error-in-stream-at=2": ((200, ECHO), (200, 'data: {"error":')),
    "refuse": (BROKEN, BROKEN),
    "reset": (BROKEN, BROKEN),
    "cut": (BROKEN, BROKEN),
    "cut-at=2": ((200, ECHO), BROKEN),
    "garbage": ((200, "<html>"), (200, "data: <html>")),
    "garbage-at=2": ((200, ECHO), (200, "data: <html>")),
    "empty": ((200, ""), (200, "")),
    "no-done": ((200, ECHO), (200, ECHO)),
    "no-usage": ((200, ECHO), (200, ECHO)),
    "split": ((200, ECHO), (200, ECHO)),
    "chunk-split": ((200, ECHO), (200, ECHO)),
    "comments": ((200, ECHO), (200, ": the sandbox is thinking\n\ndata: {")),
    "crlf": ((200, ECHO), (200, "data: [DONE]\r\n\r\n")),
}


def test_every_word_is_tried() -> None:
    assert {word.partition("=")[0] for word in FAULTS} == set(WORDS)


@pytest.mark.parametrize("word", FAULTS)
async def test_a_word_over_a_socket(http: httpx.AsyncClient, word: str) -> None:
    for stream, seen in zip((False, True), FAULTS[word], strict=True):
        request = http.post("/chat/completions", json=body(f"sandbox+{word}", stream=stream), timeout=0.3)
        if not isinstance(seen[0] if isinstance(seen, tuple) else seen, int):
            with pytest.raises(seen):
                await request
            continue
        response = await request
        status, text = seen
        assert response.status_code == status
        if text == ECHO and stream:
            assert said(response.text).startswith(ECHO)
            assert ("[DONE]" in response.text) is (word != "no-done")
        elif text:
            assert text in response.text
        else:
            assert response.text == ""
        if word.startswith("retry-after"):
            assert response.headers["retry-after"] == "2"
        if word == "no-usage":
            assert '"usage"' not in response.text


async def test_a_connection_serves_many_requests_and_the_journal_has_them(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    for number in range(5):
        for stream in (False, True):
            response = await http.post(
                "/chat/completions?a=1", json=body("sandbox", stream=stream), headers={"X-Number": str(number)}
            )
            assert response.status_code == 200
    assert len(upstream.open) == 1
    assert [entry.headers["x-number"] for entry in upstream.journal] == [str(n // 2) for n in range(10)]
    assert {(entry.method, entry.path) for entry in upstream.journal} == {("POST", "/v1/chat/completions?a=1")}
    assert json.loads(upstream.journal[0].body)["messages"] == ASK


async def test_the_journal_over_http(http: httpx.AsyncClient, upstream: Upstream) -> None:
    await http.post("/chat/completions", json=body("sandbox"), headers={"authorization": "Bearer mine"})
    journal = f"http://127.0.0.1:{upstream.port}/sandbox/journal"
    (entry,) = (await http.get(journal)).json()["requests"]
    assert (entry["method"], entry["path"]) == ("POST", "/v1/chat/completions")
    assert entry["headers"]["authorization"] == "Bearer mine"
    assert json.loads(entry["body"]) == body("sandbox")
    assert (await http.delete(journal)).json() == {"requests": []}
    assert (await http.get(journal)).json() == {"requests": []}, "asking for it is not in it"
    assert (await http.put(journal)).status_code == 405


async def test_the_journal_is_bounded() -> None:
    upstream = await start(journal=3)
    async with httpx.AsyncClient(base_url=upstream.url) as http:
        for number in range(5):
            await http.get(f"/models/{number}")
    assert [entry.path for entry in upstream.journal] == ["/v1/models/2", "/v1/models/3", "/v1/models/4"]
    await upstream.close()


async def test_known_bytes_get_the_known_answer_and_are_in_the_journal(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    answers = [(await http.post("/chat/completions", json=body("sandbox"))).text for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(upstream.known) == 1
    assert len(upstream.journal) == 3
    failing = [(await http.post("/chat/completions", json=body("sandbox:fail=2"))).status_code for _ in range(4)]
    assert failing == [500, 500, 200, 200], "what counts is not remembered"
    assert len(upstream.known) == 1


async def raw(upstream: Upstream, *pieces: bytes, until: bytes = b"") -> bytes:
    """Sends pieces as separate writes, and reads until the end, or until it has seen enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.001)
    received = b""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            while (not until or until not in received) and (data := await reader.read(1 << 16)):
                received += data
    writer.close()
    return received


def wire(model: str, extra: str = "", version: str = "1.1", **more: Any) -> bytes:
    data = json.dumps(body(model, **more)).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\ncontent-length: {len(data)}\r\n{extra}\r\n"
    return head.encode() + data


async def test_requests_in_any_pieces(upstream: Upstream) -> None:
    whole = wire("sandbox", "connection: close\r\n")
    for pieces in ([whole], [whole[:30], whole[30:]], [whole[:-1], whole[-1:]], [bytes([byte]) for byte in whole]):
        received = await raw(upstream, *pieces)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close\r\n" in received
        assert received.count(b"HTTP/1.1") == 1


async def test_pipelined_requests_are_answered_in_order(upstream: Upstream) -> None:
    models = ["sandbox:latency=20ms:seed=1", "sandbox:seed=2", "sandbox:seed=3", "sandbox:cut:seed=4", "sandbox:seed=5"]
    received = await raw(upstream, b"".join(wire(model) for model in models))
    seeds = [int(part[:1]) for part in received.split(b"seed=")[1:]]
    assert seeds == [1, 2, 3, 4], "nothing comes after a cut"
    many = b"".join(wire("sandbox:latency=1ms", number=n) for n in range(60)) + wire("last", "connection: close\r\n")
    assert (await raw(upstream, many)).count(b"HTTP/1.1 200 OK") == 61
    again = wire("sandbox") + wire("sandbox:seed=8")[:50]
    received = await raw(upstream, wire("sandbox"), again, wire("sandbox:seed=8")[50:], until=b"seed=8")
    assert received.count(b"HTTP/1.1 200 OK") == 3, "known bytes with a beginning after them"


async def test_what_is_no_http_is_told_so(upstream: Upstream) -> None:
    for garbage in (
        b"hello\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"\x16\x03\x01\x02",
    ):
        received = await raw(upstream, garbage)
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b'{"error":{"message":"This is no HTTP request' in received
    upgrade = wire("sandbox", "connection: upgrade\r\nupgrade: h2c\r\n")
    assert b" 400 Bad Request" in await raw(upstream, upgrade) or b" 200 OK" in await raw(upstream, upgrade)


async def test_old_clients_and_careful_ones(upstream: Upstream) -> None:
    received = await raw(upstream, wire("sandbox", version="1.0"))
    assert b"connection: close\r\n" in received
    received = await raw(upstream, wire("sandbox", version="1.0", stream=True))
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"chunked" not in head, "HTTP/1.0 has no chunks: the end of the connection is the end"
    assert rest.startswith(b"data: {")
    assert rest.endswith(b"data: [DONE]\n\n")
    whole = wire("sandbox", "expect: 100-continue\r\nconnection: close\r\n")
    cut = whole.index(b"\r\n\r\n") + 4
    received = await raw(upstream, whole[:cut], whole[cut:])
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_a_client_that_leaves_is_forgotten(upstream: Upstream) -> None:
    await raw(upstream, wire("sandbox:tokens=1000:rate=20/s", stream=True), until=b"data: ")
    async with asyncio.timeout(5):
        while upstream.open:  # noqa: ASYNC110 - what is waited for is the kernel's doing
            await asyncio.sleep(0.005)


async def test_close_ends_what_is_open() -> None:
    upstream = await start()
    waiting = asyncio.create_task(raw(upstream, wire("sandbox:stall")))
    while not upstream.journal:  # noqa: ASYNC110 - what is waited for is the kernel's doing
        await asyncio.sleep(0.005)
    await upstream.close()
    assert await waiting == b""
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionRefusedError):
            await raw(upstream, wire("sandbox"))


@pytest.mark.parametrize("word", ["refuse", "cut"])
async def test_a_reset_is_a_reset(upstream: Upstream, word: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", upstream.port))
        await loop.sock_sendall(sock, wire(f"sandbox:{word}"))
        received = b""
        with pytest.raises(ConnectionResetError):
            while data := await asyncio.wait_for(loop.sock_recv(sock, 1 << 16), 5):
                received += data
        assert (b"You said" in received) is (word == "cut"), "what was sent before it has arrived"


@pytest.mark.parametrize(
    ("wire", "where"),
    [(Wire.ANTHROPIC, {"type": "error"}), (Wire.GEMINI, {}), (Wire.OPENAI_RESPONSES, {}), (Wire.OPENAI_CHAT, {})],
)
async def test_what_is_wrong_with_the_connection_is_said_in_the_words_of_the_wire(wire: Wire, where: Any) -> None:
    upstream = await start(wire=wire)
    answered = await raw(upstream, b"nonsense\r\n\r\n")
    told = json.loads(answered.partition(b"\r\n\r\n")[2])
    assert told["error"]["message"].startswith("This is no HTTP request")
    assert where.items() <= told.items()
    async with httpx.AsyncClient() as http:
        refused = await http.put(f"http://127.0.0.1:{upstream.port}/sandbox/journal")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, DELETE")
    assert where.items() <= refused.json().items()
    await upstream.close()
