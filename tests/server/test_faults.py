"""The fault table over real sockets: what a client of a running gateway sees of each way in which an upstream fails.

The sandbox does what upstreams do (docs/sandbox.md); each row states status, code and attempts as the failure table
gives them. `one` has a single target, `two` falls back to a good one.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest

from gateway.sandbox.serve import Upstream
from tests.conftest import KEY, refused_port

CONFIG = """
version: 1
gateway: {{listen: "127.0.0.1:0", workers: 1}}
defaults:
  timeouts: {{connect: 1s, first_token: 300ms, idle: 300ms, total: 2s}}
  retries: {{backoff: 1ms..2ms}}
  breaker: {{failures: 1000}}
providers:
  up: {{protocol: openai-chat, base_url: "{url}", api_key: none}}
  gone: {{protocol: openai-chat, base_url: "http://127.0.0.1:{refused}/v1", api_key: none}}
models:
  good: {{provider: up, id: "sandbox:tokens=5"}}
  refused: {{provider: gone}}
  "up/*": {{provider: up, id: "*"}}
combos:
  refused-first: [refused, good]
{combos}
keys: {{caller: {{from: {{env: CALLER_KEY}}}}}}
"""

# upstream behaviour: (streamed) status and code with one target; sends to it; None: the answer comes in the stream
FAULTS: dict[str, tuple[bool, int, str, int]] = {
    "refuse": (False, 502, "upstream_connection", 2),
    "cut": (False, 502, "upstream_connection", 2),
    "stall": (True, 504, "upstream_timeout", 1),
    "garbage": (False, 502, "upstream_bad_response", 2),
    "empty": (False, 502, "upstream_bad_response", 2),
    "error-in-200": (False, 502, "upstream_error", 3),
    "status=429": (False, 429, "rate_limit_exceeded", 1),
    "status=429:retry-after=1": (False, 429, "rate_limit_exceeded", 2),
    "status=429:retry-after=30": (False, 429, "rate_limit_exceeded", 1),
    "auth": (False, 502, "upstream_auth", 1),
    "status=402": (False, 503, "upstream_quota", 1),
    "quota": (False, 503, "upstream_quota", 1),
    "status=500": (False, 502, "upstream_error", 3),
    "status=503": (False, 503, "upstream_error", 3),
    "overloaded": (False, 503, "upstream_overloaded", 1),
    "status=404": (False, 502, "upstream_model_not_found", 1),
    "cut-at=0": (True, 502, "upstream_connection", 2),
    "error-at=0": (True, 502, "upstream_error", 3),
    "garbage:slow": (True, 504, "upstream_timeout", 1),
}


def config(upstream: Upstream) -> str:
    """Each fault twice: as a model of its own provider, so that breakers keep apart, and before a good one."""
    providers, models, combos = [], [], []
    for index, fault in enumerate(FAULTS):
        for kind in ("one", "two"):
            providers.append(
                f'  p-{kind}-{index}: {{protocol: openai-chat, base_url: "{upstream.url}", api_key: none}}'
            )
            models.append(f'  {kind}-{index}: {{provider: p-{kind}-{index}, id: "sandbox:{fault}"}}')
        combos.append(f"  combo-{index}: [two-{index}, good]")
    text = CONFIG.format(url=upstream.url, refused=refused_port(), combos="\n".join(combos))
    return text.replace("models:", "\n".join(providers) + "\nmodels:").replace(
        "combos:", "\n".join(models) + "\ncombos:"
    )


def body(model: str, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": "one two three"}]}


def client(gateway: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=gateway.url, headers={"authorization": f"Bearer {KEY}"}, timeout=20)


async def test_the_fault_table(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream))
    async with client(gateway) as http:

        async def row(index: int, fault: str) -> None:
            stream, status, code, attempts = FAULTS[fault]
            response = await http.post("/v1/chat/completions", json=body(f"one-{index}", stream))
            assert response.status_code == status, (fault, response.text)
            assert response.json()["error"]["code"] == code, fault
            assert response.headers["x-gateway-attempts"] == str(attempts), fault
            assert "sandbox" not in response.json()["error"]["message"], "an upstream's words do not leak"
            if fault in ("status=429:retry-after=30", "status=429:retry-after=1"):
                assert int(response.headers["retry-after"]) <= 30
            if code in ("upstream_auth", "upstream_quota", "upstream_model_not_found"):
                assert response.headers["x-should-retry"] == "false"
            response = await http.post("/v1/chat/completions", json=body(f"combo-{index}", stream))
            assert response.status_code == 200, (fault, response.text)
            assert response.headers["x-gateway-model"] == "good", fault
            assert int(response.headers["x-gateway-attempts"]) == attempts + 1, fault

        await asyncio.gather(*(row(index, fault) for index, fault in enumerate(FAULTS)))
        response = await http.post("/v1/chat/completions", json=body("refused"))
        assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_connection")
        response = await http.post("/v1/chat/completions", json=body("refused-first"))
        assert response.headers["x-gateway-model"] == "good"


@pytest.mark.parametrize("fault", ["cut-at=2", "stall-at=2", "error-at=2"])
async def test_a_stream_that_breaks_off_says_so_in_the_stream(launch: Any, upstream: Upstream, fault: str) -> None:
    gateway = launch(config(upstream))
    async with client(gateway) as http:
        response = await http.post("/v1/chat/completions", json=body(f"up/sandbox:tokens=9:{fault}", True))
        assert response.status_code == 200
        frames = [frame.removeprefix("data: ") for frame in response.text.strip().split("\n\n")]
        assert frames[-1] == "[DONE]"
        chunks = [json.loads(frame) for frame in frames[:-1]]
        assert chunks[-1]["error"]["code"] == "upstream_interrupted"
        assert "(1 attempt)." in chunks[-1]["error"]["message"]
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
        assert text == "You said:", "what came before it is there, and nothing twice"


async def test_a_whole_answer_is_bounded_by_the_total(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream))
    async with client(gateway) as http:
        response = await http.post("/v1/chat/completions", json=body("up/sandbox:stall"))
        assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")


async def test_a_client_that_leaves_ends_the_upstream(launch: Any, upstream: Upstream) -> None:
    gateway = launch(config(upstream))

    async def gone() -> None:
        while upstream.open:  # noqa: ASYNC110 - what is waited for is another process' doing
            await asyncio.sleep(0.01)

    for stream in (False, True):
        name = "up/sandbox:latency=1s" if not stream else "up/sandbox:tokens=5000:rate=20/s"
        async with client(gateway) as http:
            with pytest.raises(httpx.ReadTimeout):
                async with http.stream(
                    "POST", "/v1/chat/completions", json=body(name, stream), timeout=0.25
                ) as response:
                    async for _ in response.aiter_bytes():
                        if stream:
                            raise httpx.ReadTimeout("enough")
        await asyncio.wait_for(gone(), 5)
    async with client(gateway) as http:
        metrics = (await http.get("/metrics")).text
    lines = [
        line for line in metrics.splitlines() if line.startswith("gateway_requests_total") and 'status="499"' in line
    ]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) == 2
    assert f'gateway_requests_in_flight{{revision="{gateway.health()["revision"][:12]}"}} 0.0' in metrics


async def test_a_slow_reader_slows_its_upstream_and_gets_everything(launch: Any, upstream: Upstream) -> None:
    text = config(upstream).replace("first_token: 300ms, idle: 300ms, total: 2s", "idle: 20s, total: 60s")
    gateway = launch(text)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", gateway.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    tokens = 120_000  # some 20 MB: more than the kernel keeps between the three processes
    payload = json.dumps(body(f"up/sandbox:tokens={tokens}", True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(payload)}\r\n\r\n"
    writer.write(head.encode() + payload)
    async with asyncio.timeout(20):
        while not any(connection.held_back for connection in upstream.open):  # noqa: ASYNC110 - another process' doing
            await asyncio.sleep(0.01)
    received = bytearray()
    while not received.endswith(b"0\r\n\r\n"):
        data = await reader.read(1 << 20)
        assert data, "it was cut"
        received += data
    assert received.count(b'"content":"') == tokens + 1
    assert b"data: [DONE]" in received
    writer.close()
