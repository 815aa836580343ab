"""The transport over real sockets: what it sends, what it makes of what comes back, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest
import trustme

from gateway.failure import Failed, Kind
from gateway.transport.contract import Origin, Request, Response, Timeouts
from gateway.transport.pool import Transport
from tests.conftest import refused_port
from tests.transport.scripted import Handler, Peer, Scripted

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nx-trailer: 1\r\n\r\n"
SHORT = 0.05


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport()
    yield made
    made.close()
    await asyncio.sleep(0)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    servers: list[Scripted] = []

    async def begin(handler: Handler, context: ssl.SSLContext | None = None) -> Scripted:
        server = Scripted()
        servers.append(server)
        return await server.start(handler, context)

    yield begin
    for server in servers:
        await server.close()


def request(server: Scripted | None, port: int = 0, **fields: Any) -> Request:
    values: dict[str, Any] = {
        "origin": Origin("http", "127.0.0.1", server.port if server is not None else port),
        "target": "/v1/x",
        "headers": (("content-type", "application/json"),),
        "body": b'{"a":1}',
        **fields,
    }
    return Request(**values)


def always(data: bytes) -> Handler:
    """Answers every request of a connection with the same bytes."""

    async def handler(peer: Peer) -> None:
        while await peer.request():
            await peer.say(data)

    return handler


def once(data: bytes) -> Handler:
    """Answers one request, then closes."""

    async def handler(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)

    return handler


async def fails(awaitable: Any) -> Any:
    with pytest.raises(Failed) as caught:
        await awaitable
    return caught.value.failure


async def whole(response: Response) -> bytes:
    try:
        return await response.read_all(1 << 24)
    finally:
        response.close()


async def test_a_request_is_written_as_it_should_be(transport: Transport, serve: Any) -> None:
    received: list[bytes] = []

    async def handler(peer: Peer) -> None:
        while data := await peer.request():
            received.append(data)
            await peer.say(OK)

    server = await serve(handler)
    response = await transport(request(server))
    assert (response.status, response.header("content-length")) == (200, "2")
    assert await whole(response) == b"hi"
    assert received == [
        b"POST /v1/x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n"
        b'{"a":1}' % server.port
    ]
    big = bytes(Random(1).randbytes(3_000_000))
    assert await whole(await transport(request(server, body=big))) == b"hi"
    assert received[1].endswith(big)
    assert server.accepted == 1, "one connection served both"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK, b"hi"),
        (CHUNKED, b"abcdefg"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", b"to the end"),
    ],
)
async def test_responses_at_every_split(transport: Transport, serve: Any, data: bytes, expected: bytes) -> None:
    random = Random(3)
    cuts = [sorted(random.sample(range(1, len(data)), 5)) for _ in range(4)]
    for way in ([], *cuts, list(range(1, len(data)))):
        parts = [data[a:b] for a, b in zip([0, *way], [*way, len(data)], strict=True)]

        async def handler(peer: Peer, parts: list[bytes] = parts) -> None:
            await peer.request()
            for part in parts:
                await peer.say(part)
                await asyncio.sleep(0)

        server = await serve(handler)
        response = await transport(request(server))
        assert await whole(response) == expected
        assert response.header("link") is None, "what came before the real head is not part of it"


async def test_connections_are_kept_and_shared_by_origin(transport: Transport, serve: Any) -> None:
    server = await serve(always(OK))
    for _ in range(5):
        await whole(await transport(request(server)))
    assert server.accepted == 1
    responses = await asyncio.gather(*(transport(request(server)) for _ in range(4)))
    assert server.accepted == 4
    (stats,) = transport.stats().values()
    assert (stats.idle, stats.in_use) == (0, 4)
    for response in responses:
        await whole(response)
    (stats,) = transport.stats().values()
    assert (stats.idle, stats.in_use) == (4, 0)
    closing = await serve(always(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"))
    for _ in range(2):
        await whole(await transport(request(closing)))
    assert closing.accepted == 2


async def test_idle_connections_are_closed_after_a_while(serve: Any) -> None:
    transport = Transport(idle_expiry=SHORT)
    server = await serve(always(OK))
    await whole(await transport(request(server)))
    async with asyncio.timeout(5):
        while transport.stats():  # noqa: ASYNC110 - the transport's own timer
            await asyncio.sleep(0.01)
    transport.close()


async def test_a_stale_connection_is_replaced_once_and_unseen(transport: Transport, serve: Any) -> None:
    received: list[bytes] = []

    async def handler(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.say(OK)
        received.append(await peer.request())
        if received[-1]:
            peer.reset()  # as a server does that closed it while the request was under way

    server = await serve(handler)
    for _ in range(3):
        assert await whole(await transport(request(server))) == b"hi"
    assert server.accepted == 3
    assert len([data for data in received if data]) == 5, "each of the last two was sent twice, the first once"


async def test_nothing_is_sent_again_after_a_byte_of_a_response(transport: Transport, serve: Any) -> None:
    received: list[bytes] = []

    async def handler(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.say(OK)
        received.append(await peer.request())
        await peer.say(b"HTTP/1.1 200 O")
        peer.reset()

    server = await serve(handler)
    await whole(await transport(request(server)))
    failure = await fails(transport(request(server)))
    assert failure.kind is Kind.CONNECTION
    assert len(received) == 2
    assert server.accepted == 1


async def test_a_fresh_connection_that_is_closed_unanswered_is_a_failure(transport: Transport, serve: Any) -> None:
    async def handler(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    server = await serve(handler)
    failure = await fails(transport(request(server)))
    assert (failure.kind, failure.sent) == (Kind.CONNECTION, True)
    assert server.accepted == 1


async def test_unreachable(transport: Transport) -> None:
    failure = await fails(transport(request(None, refused_port())))
    assert (failure.kind, failure.sent) == (Kind.CONNECTION, False)
    failure = await fails(transport(request(None, origin=Origin("http", "no-such-host.invalid", 80))))
    assert (failure.kind, failure.sent) == (Kind.CONNECTION, False)
    assert "no-such-host.invalid" in failure.message


async def test_a_connection_that_does_not_come_is_given_up(transport: Transport) -> None:
    import socket

    with socket.socket() as full:  # a listener whose queue is full answers no further connection
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        failure = await fails(transport(request(None, full.getsockname()[1], timeouts=Timeouts(connect=SHORT))))
        for filler in fillers:
            filler.close()
    assert (failure.kind, failure.sent) == (Kind.TIMEOUT, False)
    assert "(connect)" in failure.message


@pytest.mark.parametrize(
    "data",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nbad header: 1\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_bad_response(transport: Transport, serve: Any, data: bytes) -> None:
    server = await serve(once(data))
    failure = await fails(transport(request(server, timeouts=Timeouts(first_byte=2.0))))
    assert failure.kind is Kind.BAD_RESPONSE
    assert not transport.stats()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
async def test_a_body_that_ends_too_early(transport: Transport, serve: Any, data: bytes) -> None:
    server = await serve(once(data))
    response = await transport(request(server))
    failure = await fails(whole(response))
    assert failure.kind is Kind.CONNECTION


async def test_a_broken_chunk_is_a_bad_response(transport: Transport, serve: Any) -> None:
    server = await serve(once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"))

    async def ask() -> bytes:
        return await whole(await transport(request(server)))

    assert (await fails(ask())).kind is Kind.BAD_RESPONSE


async def test_bytes_after_the_end_close_the_connection(transport: Transport, serve: Any) -> None:
    server = await serve(always(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"))
    for _ in range(2):
        assert await whole(await transport(request(server))) == b"hi"
    assert server.accepted == 2, "a response that nobody asked for is never taken for the next one"


async def test_time_outs(transport: Transport, serve: Any) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(30)

    async def begun(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun")
        await asyncio.sleep(30)

    async def dripping(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        for _ in range(100):
            await peer.say(b"x")
            await asyncio.sleep(0.01)

    for handler, timeouts, words in (
        (silent, Timeouts(first_byte=SHORT), "no response within 0.05s"),
        (silent, Timeouts(total=SHORT), "(total)"),
        (begun, Timeouts(idle=SHORT), "no further bytes within 0.05s"),
        (dripping, Timeouts(total=SHORT, idle=5.0), "over 0.05s (total)"),
    ):
        server = await serve(handler)

        async def go(server: Scripted = server, timeouts: Timeouts = timeouts) -> bytes:
            return await whole(await transport(request(server, timeouts=timeouts)))

        failure = await fails(go())
        assert failure.kind is Kind.TIMEOUT
        assert words in failure.message
    server = await serve(begun)
    response = await transport(request(server))
    assert await response.read() == b"begun"
    assert (await fails(response.read(SHORT))).kind is Kind.TIMEOUT
    response.close()
    await asyncio.sleep(0)
    assert not transport.stats()


async def test_cancelling_and_closing_end_the_upstream(transport: Transport, serve: Any) -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def handler(peer: Peer) -> None:
        await peer.request()
        asked.set()
        if not await peer.reader.read(1):
            gone.set()

    server = await serve(handler)
    task = asyncio.create_task(transport(request(server)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), 5)

    gone.clear()

    async def streaming(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        if not await peer.reader.read(1):
            gone.set()

    server = await serve(streaming)
    response = await transport(request(server))
    assert await response.read() == b"abc"
    response.close()
    response.close()
    await asyncio.wait_for(gone.wait(), 5)
    assert not transport.stats()


async def test_a_reader_that_waits_holds_its_upstream_back(transport: Transport, serve: Any) -> None:
    size = 64 << 20
    sent = 0

    async def handler(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        piece = b"x" * 65536
        while sent < size:
            await peer.say(piece)
            sent += len(piece)

    server = await serve(handler)
    response = await transport(request(server))
    last = -1
    while sent != last:
        last = sent
        await asyncio.sleep(0.1)
    assert sent < size / 2, "what is not read stays with the kernel and the upstream"
    received = 0
    while data := await response.read():
        received += len(data)
    assert received == size
    response.close()


async def test_the_limit_of_a_whole_body(transport: Transport, serve: Any) -> None:
    server = await serve(always(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 100))
    response = await transport(request(server))
    assert (await fails(response.read_all(99))).kind is Kind.BAD_RESPONSE
    response = await transport(request(server))
    assert len(await whole(response)) == 100


def encoded(body: bytes, encoding: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n%b" % (encoding, len(body), body)


async def test_bodies_that_come_compressed(transport: Transport, serve: Any) -> None:
    text = b'{"a": "b"}' * 1000
    server = await serve(always(encoded(gzip.compress(text), b"gzip")))
    assert await whole(await transport(request(server))) == text
    bomb = await serve(always(encoded(gzip.compress(b"\0" * (64 << 20)), b"gzip")))
    assert (await fails(whole(await transport(request(bomb))))).kind is Kind.BAD_RESPONSE
    cut = await serve(always(encoded(gzip.compress(text)[:-20], b"gzip")))
    assert (await fails(whole(await transport(request(cut))))).kind is Kind.BAD_RESPONSE
    other = await serve(always(encoded(text, b"br")))
    assert (await fails(transport(request(other)))).kind is Kind.BAD_RESPONSE


async def test_tls(transport: Transport, serve: Any, tmp_path: Any) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = await serve(always(OK), context)

    def to(host: str, ca: str, verify: bool = True) -> Request:
        return request(server, origin=Origin("https", host, server.port, ca=str(tmp_path / ca), verify=verify))

    for _ in range(2):
        assert await whole(await transport(to("localhost", "ca.pem"))) == b"hi"
    assert server.accepted == 1
    for host, ca in (("localhost", "other.pem"), ("127.0.0.1", "ca.pem")):
        failure = await fails(transport(to(host, ca)))
        assert (failure.kind, failure.sent) == (Kind.CONNECTION, False)
        assert "certificate" in failure.message
    assert await whole(await transport(to("127.0.0.1", "ca.pem", verify=False))) == b"hi"


async def test_proxies(transport: Transport, serve: Any, tmp_path: Any) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    behind = await serve(always(OK), context)
    heads: list[bytes] = []

    async def proxy(peer: Peer) -> None:
        head = await peer.request()
        heads.append(head)
        if b"Basic dXNlcjpwQHNz" not in head:
            return await peer.say(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        if not head.startswith(b"CONNECT"):
            return await peer.say(OK)
        reader, writer = await asyncio.open_connection("127.0.0.1", behind.port)
        await peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)

        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        return None

    server = await serve(proxy)
    url = f"http://user:p%40ss@127.0.0.1:{server.port}"
    secure = Origin("https", "localhost", behind.port, ca=str(tmp_path / "ca.pem"), proxy=url)
    for _ in range(2):
        assert await whole(await transport(request(None, origin=secure))) == b"hi"
    assert heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % behind.port)
    assert len(heads) == 1, "the tunnel is kept like any connection"
    assert await whole(await transport(request(None, origin=Origin("http", "plain.test", 80, proxy=url)))) == b"hi"
    assert heads[1].startswith(b"POST http://plain.test/v1/x HTTP/1.1\r\nhost: plain.test\r\n")
    wrong = Origin("https", "localhost", 1, proxy=f"http://127.0.0.1:{server.port}")
    failure = await fails(transport(request(None, origin=wrong)))
    assert (failure.kind, failure.sent) == (Kind.CONNECTION, False)
    assert "407" in failure.message


async def test_nothing_is_left_behind(serve: Any) -> None:
    transport = Transport()
    good, cut = await serve(always(OK)), await serve(once(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"))

    async def stall(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(30)

    stalled = await serve(stall)
    random = Random(5)
    before = len(asyncio.all_tasks())

    async def one() -> None:
        server = random.choice((good, good, good, cut, stalled))
        timeouts = Timeouts(first_byte=0.02 if server is stalled else 10.0)
        with pytest.raises(Failed) if server is not good else _nothing():
            await whole(await transport(request(server, timeouts=timeouts)))

    for _ in range(10):
        await asyncio.gather(*(one() for _ in range(50)))
    (stats,) = transport.stats().values()
    assert stats.in_use == 0
    transport.close()
    await asyncio.sleep(0.05)
    assert transport.stats() == {}
    gc.collect()
    assert len(asyncio.all_tasks()) - before <= 500, "only what the servers still sleep in"


class _nothing:  # noqa: N801 - a context that does nothing, written as one
    def __enter__(self) -> None: ...

    def __exit__(self, *args: object) -> None: ...
