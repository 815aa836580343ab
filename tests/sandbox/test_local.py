"""The sandbox in process, on a clock that only `sleep` moves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.failure import Failed, Kind
from gateway.sandbox.local import LocalUpstream
from gateway.transport.contract import Origin, Request, Response, Timeouts


class Clock:
    """Time that passes when it is slept."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def request(model: str, timeouts: Timeouts = Timeouts(), header: str | None = None, **more: Any) -> Request:  # noqa: B008 - it is frozen
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "one two three"}], **more}).encode()
    headers = (("content-type", "application/json"), *((("X-Sandbox", header),) if header is not None else ()))
    return Request(
        origin=Origin("sandbox", "local", 0),
        target="/v1/chat/completions",
        headers=headers,
        body=body,
        timeouts=timeouts,
    )


async def everything(response: Response) -> tuple[bytes, Failed | None]:
    data = b""
    try:
        while piece := await response.read():
            data += piece
    except Failed as failed:
        return data, failed
    return data, None


async def test_a_whole_answer() -> None:
    clock = Clock()
    response = await LocalUpstream(clock.sleep)(request("sandbox:latency=3s"))
    assert clock.now == 3.0
    assert response.status == 200
    assert response.header("content-type") == "application/json"
    body = await response.read_all(1 << 20)
    assert response.header("content-length") == str(len(body))
    assert json.loads(body)["choices"][0]["message"]["content"] == "You said: one two three"
    assert await response.read() == b""
    response.close()
    response.close()


async def test_a_stream_comes_piece_by_piece() -> None:
    clock = Clock()
    response = await LocalUpstream(clock.sleep)(request("sandbox:rate=4/s", stream=True))
    assert response.header("transfer-encoding") == "chunked"
    times = []
    while piece := await response.read():
        times.append((clock.now, piece.count(b"\n\n")))
    assert times == [(0.0, 1), (0.25, 1), (0.5, 1), (0.75, 1), (1.0, 1), (1.25, 1), (1.25, 1), (1.25, 1)]


async def test_the_header_counts_in_process_too() -> None:
    local = LocalUpstream(Clock().sleep)
    response = await local(request("sandbox", header="status=429; retry-after=2"))
    assert (response.status, response.header("retry-after")) == (429, "2")
    assert [(await local(request("sandbox:fail=1"))).status for _ in range(2)] == [500, 200]


@pytest.mark.parametrize(
    ("model", "timeouts", "kind", "at"),
    [
        ("sandbox:refuse", Timeouts(), Kind.CONNECTION, 0.0),
        ("sandbox:latency=2s:refuse", Timeouts(), Kind.CONNECTION, 2.0),
        ("sandbox:stall", Timeouts(first_byte=7.0), Kind.TIMEOUT, 7.0),
        ("sandbox:stall", Timeouts(first_byte=None, total=30.0), Kind.TIMEOUT, 30.0),
        ("sandbox:latency=5s", Timeouts(first_byte=4.0), Kind.TIMEOUT, 4.0),
        ("sandbox:latency=3s:stall", Timeouts(first_byte=4.0), Kind.TIMEOUT, 4.0),
        ("sandbox:latency=5s", Timeouts(total=4.5), Kind.TIMEOUT, 4.5),
    ],
)
async def test_what_fails_before_the_head(model: str, timeouts: Timeouts, kind: Kind, at: float) -> None:
    clock = Clock()
    with pytest.raises(Failed) as caught:
        await LocalUpstream(clock.sleep)(request(model, timeouts))
    assert caught.value.failure.kind is kind
    assert caught.value.failure.sent
    assert clock.now == at


async def test_a_wait_that_just_fits_is_no_timeout() -> None:
    response = await LocalUpstream(Clock().sleep)(request("sandbox:latency=4s", Timeouts(first_byte=4.0, total=4.0)))
    assert response.status == 200


@pytest.mark.parametrize(
    ("model", "timeouts", "kind", "pieces", "at"),
    [
        ("sandbox:cut-at=2", Timeouts(), Kind.CONNECTION, 2, 0.0),
        ("sandbox:stall-at=2", Timeouts(idle=9.0), Kind.TIMEOUT, 2, 9.0),
        ("sandbox:rate=2/s:stall-at=2", Timeouts(idle=9.0, total=5.0), Kind.TIMEOUT, 2, 5.0),
        ("sandbox:rate=2/s", Timeouts(idle=0.4), Kind.TIMEOUT, 0, 0.4),
        ("sandbox:rate=2/s", Timeouts(total=1.2), Kind.TIMEOUT, 2, 1.2),
        ("sandbox:latency=1s:rate=2/s", Timeouts(total=2.2), Kind.TIMEOUT, 2, 2.2),
    ],
)
async def test_what_fails_in_a_stream(model: str, timeouts: Timeouts, kind: Kind, pieces: int, at: float) -> None:
    clock = Clock()
    response = await LocalUpstream(clock.sleep)(request(model, timeouts, stream=True))
    data, failed = await everything(response)
    assert failed is not None
    assert failed.failure.kind is kind
    assert data.count(b'"content":"') == pieces + 1
    assert clock.now == pytest.approx(at)
    assert await response.read() == b"", "it is over"


async def test_a_cut_answer_and_a_large_one() -> None:
    local = LocalUpstream(Clock().sleep)
    response = await local(request("sandbox:cut"))
    data, failed = await everything(response)
    assert failed is not None
    assert failed.failure.kind is Kind.CONNECTION
    assert 0 < len(data) < int(response.header("content-length") or 0)
    response = await local(request("sandbox:tokens=1000", stream=True))
    with pytest.raises(Failed) as caught:
        await response.read_all(10_000)
    assert caught.value.failure.kind is Kind.BAD_RESPONSE


async def test_one_read_may_have_a_bound_of_its_own() -> None:
    clock = Clock()
    response = await LocalUpstream(clock.sleep)(request("sandbox:stall-at=0", Timeouts(idle=60.0), stream=True))
    assert b'"role"' in await response.read(within=1.0)
    with pytest.raises(Failed):
        await response.read(within=1.5)
    assert clock.now == 1.5


async def test_a_closed_one_says_no_more() -> None:
    response = await LocalUpstream(Clock().sleep)(request("sandbox:tokens=50", stream=True))
    assert await response.read()
    response.close()
    assert await response.read() == b""


async def test_the_host_names_the_wire() -> None:
    local = LocalUpstream(Clock().sleep)
    body = json.dumps(
        {"model": "sandbox:fail=1", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    ).encode()
    asked = Request(
        origin=Origin("sandbox", "anthropic", 0),
        target="/v1/messages",
        headers=(("Anthropic-Version", "2023-06-01"),),
        body=body,
        timeouts=Timeouts(),
    )
    answers = [json.loads(await (await local(asked)).read_all(1 << 20)) for _ in range(2)]
    assert answers[0]["error"]["type"] == "api_error"
    assert answers[1]["content"] == [{"type": "text", "text": "You said: x"}]
    assert (await local(request("sandbox:fail=1"))).status == 500, "each wire counts for itself"
