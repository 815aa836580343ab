"""The application without a socket: what a client on the network would meet, but for the network."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.config.load import load
from gateway.engine.known import KNOWN
from gateway.rehearsal.stage import Stage
from gateway.rehearsal.world import World
from gateway.server.loopback import Reply, _read

FILE = """
version: 1
gateway: {auth: open, max_body: 1KB}
providers: {sandbox: {}}
models: {m: {provider: sandbox}}
policies:
  - name: office only
    when: {not: {client_ip: [10.0.0.0/8]}}
    do: {deny: {status: 403, message: "Internal only."}}
"""


def asked(method: str, path: str, body: bytes = b"", peer: str = "10.0.0.1") -> Reply:
    file = Path("loopback.yaml")
    stage = Stage(load([file], known=KNOWN, environ={}, texts={file: FILE.encode()}))

    async def play(world: World) -> Reply:
        return await stage.door.ask(method, path, [("content-type", "application/json")], body, peer)

    return stage.run(play, wall=1_800_000_000.0, seed=0)


CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]%s}'


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/models", b"", 200),
        ("GET", "/nowhere", b"", 404),
        ("GET", "/v1/messages", b"", 405),
        ("POST", "/v1/chat/completions", CHAT % b"", 200),
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", CHAT % (b" " * 2000), 413),
    ],
)
def test_the_servers_own_answers(method: str, path: str, body: bytes, status: int) -> None:
    reply = asked(method, path, body)
    assert (reply.status, reply.whole) == (status, True)
    assert reply.header("content-type") == "application/json"
    msgspec.json.decode(reply.body)


def test_a_stream_is_read_to_its_end() -> None:
    reply = asked("POST", "/v1/chat/completions", CHAT % b', "stream": true')
    assert reply.header("transfer-encoding") == "chunked"
    assert reply.whole
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_a_request_comes_from_an_address() -> None:
    reply = asked("POST", "/v1/chat/completions", CHAT % b"", peer="192.0.2.1")
    assert reply.status == 403
    assert b"Internal only." in reply.body


@pytest.mark.parametrize(
    ("data", "body", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", b"ab", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", b"ab", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nab", b"ab", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", b"ab", False),
    ],
)
def test_what_the_server_wrote_is_read(data: bytes, body: bytes, whole: bool) -> None:
    reply = _read(data)
    assert (reply.status, reply.body, reply.whole) == (200, body, whole)


def test_a_connection_that_was_closed_without_an_answer() -> None:
    with pytest.raises(ValueError, match="without an answer"):
        _read(b"")
