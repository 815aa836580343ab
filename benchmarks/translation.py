"""What translating costs: microseconds per event of a stream for each pair of wires, and whole answers per second.

The upstreams of the second are sandboxes on ports of their own, one per wire; the client asks each through the gateway.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import configs
from benchmarks.measure import Candidate, Sample, Stage, load
from benchmarks.processes import free_port, running, wait_until_up
from benchmarks.report import Promise
from gateway.ir.chat import Request
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.contract import Dialect, StreamSniffer
from gateway.protocols.framing import split_frames
from gateway.sandbox.answer import Sandbox
from gateway.sandbox.event_stream import event
from gateway.sandbox.wires import Wire

BOUND: Final = 12.0  # microseconds per event
LEAST: Final = 0.6  # of the rate on the client's own wire
SIZE: Final = 320  # bytes of an event
EVENTS: Final = 200
ROUNDS: Final = 4  # of every pair; the best counts, since whoever else uses the machine only ever adds to it
CLIENTS: Final = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
UPSTREAMS: Final = (*CLIENTS, "bedrock-converse", "cohere")
# Where a wire's paths begin in a sandbox, and what is below for a client.
BASES: Final = {"gemini": "/v1beta", "ollama": "", "bedrock-converse": "", "cohere": ""}
PATHS: Final = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/MODEL:generateContent",
    "ollama": "/api/chat",
}
QUESTION: Final = "What is the capital of France? " * 29

Pairs = dict[tuple[str, str], float]  # (upstream's wire, client's wire) → a number


def request_on(wire: str, text: str, stream: bool) -> bytes:
    """A client's question on a wire."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
    chat = PROTOCOLS["openai-chat"]
    request = chat.decode_request(chat.decode_head(json.dumps(body).encode(), None, None))
    encoded = translate.encoded(PROTOCOLS[wire], request, Dialect("bench", "claude-sonnet-4-5", frozenset()))
    return msgspec.json.encode(encoded.body)


def stream_on(wire: str) -> tuple[bytes, bytes, bytes]:
    """A sandbox's stream of one token: what precedes its event, the event at `SIZE` bytes, what follows."""
    path = PROTOCOLS[wire].endpoint("echo", True)
    body = json.loads(request_on(wire, "piece", True))
    if "model" in body:
        body["model"] = "echo"
    headers = {"anthropic-version": "2023-06-01"}
    plan = Sandbox(Wire(wire)).answer("POST", f"/v1{path}", headers, json.dumps(body).encode())
    data = b"".join(step for step in plan.steps if isinstance(step, bytes))
    if wire == "bedrock-converse":
        frames, at = [], 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            frames.append(data[at : at + size])
            at += size
    else:
        frames = data.splitlines(keepends=True) if wire == "ollama" else split_frames(data)
    at = next(index for index, frame in enumerate(frames) if b'"piece"' in frame)
    if wire == "bedrock-converse":
        value: dict[str, Any] = {"contentBlockIndex": 0, "delta": {"text": ""}}
        short = event("contentBlockDelta", json.dumps(value).encode())
        value["delta"]["text"] = "x" * (SIZE - len(short))
        frame = event("contentBlockDelta", json.dumps(value).encode())
    else:
        frame = frames[at].replace(b'"piece"', b'"%b"' % (b"x" * (5 + SIZE - len(frames[at]))), 1)
    return b"".join(frames[:at]), frame, b"".join(frames[at + 1 :])


def per_event(upstream: str, client: str, batches: int) -> float:
    """The median over batches of the CPU microseconds that one event takes, fed alone, from bytes to bytes."""
    before, frame, _ = stream_on(upstream)
    asked = Request(origin=client, model="m", messages=(), stream=True, stream_usage=True)

    def watcher() -> StreamSniffer:
        if upstream == client:
            return PROTOCOLS[client].stream_sniffer(False)
        return translate.Translation(PROTOCOLS[upstream].stream_decoder(), PROTOCOLS[client].stream_encoder(asked, 1))

    took = []
    for _ in range(batches):
        reader = watcher()
        reader.feed(before)
        reader.feed(frame)
        feed: Callable[[bytes], bytes] = reader.feed
        began = time.thread_time()
        for _ in range(EVENTS):
            feed(frame)
        took.append(time.thread_time() - began)
        if reader.failure is not None:
            raise RuntimeError(f"{upstream} to {client}: {reader.failure.message}")
    return statistics.median(took) / EVENTS * 1e6


def events(batches: int) -> Pairs:
    """`per_event` of every pair."""
    return {(upstream, client): per_event(upstream, client, batches) for upstream in UPSTREAMS for client in CLIENTS}


def _router(port: int, ports: dict[str, int]) -> str:
    lines = ["version: 1", f"gateway: {{listen: 127.0.0.1:{port}, workers: 1, auth: keys}}", "providers:"]
    for wire, at in ports.items():
        url = f"http://127.0.0.1:{at}{BASES.get(wire, '/v1')}"
        lines.append(f'  {wire}: {{protocol: {wire}, base_url: "{url}", api_key: none}}')
    lines.append("models:")
    lines += [f"  to-{wire}: {{provider: {wire}, id: claude-sonnet-4-5}}" for wire in ports]
    digest = sha256(configs.KEY.encode()).hexdigest()
    return "\n".join([*lines, f'keys: {{bench: {{hash: "sha256:{digest}"}}}}']) + "\n"


def rates(stage: Stage, seconds: float, note: Callable[[str], None]) -> dict[tuple[str, str], Sample]:
    """Whole answers through a gateway: per second, and CPU microseconds each, for every pair."""
    found: dict[tuple[str, str], Sample] = {}
    with ExitStack() as stack:
        ports = {}
        for wire in UPSTREAMS:
            ports[wire] = free_port()
            command = [sys.executable, "-m", "gateway", "sandbox", "--wire", wire, "--port", str(ports[wire])]
            server = stack.enter_context(running(command, stage.place / f"{wire}.log", stage.load))
            wait_until_up(server, ports[wire], "/sandbox/journal")
        port = free_port()
        candidate, _ = stage.start_gateway(stack, _router(port, ports), port, "translation.yaml")
        for client in CLIENTS:
            note(f"translation: {client} to every wire")
            taken: dict[str, list[Sample]] = {upstream: [] for upstream in UPSTREAMS}
            for _ in range(ROUNDS):  # interleaved, so that a disturbance spoils one sample of each
                for upstream in UPSTREAMS:
                    taken[upstream].append(_rate(stage, candidate, upstream, client, seconds / ROUNDS))
            for upstream, samples in taken.items():
                found[upstream, client] = min(samples, key=lambda sample: sample["cpu_us"])
    return found


def _rate(stage: Stage, candidate: Candidate, upstream: str, client: str, seconds: float) -> Sample:
    body = json.loads(request_on(client, QUESTION, False))
    if "model" in body:
        body["model"] = f"to-{upstream}"
    file = stage.place / "body.json"
    file.write_text(json.dumps(body))
    url = f"http://127.0.0.1:{candidate.port}" + PATHS[client].replace("MODEL", f"to-{upstream}")
    script = str(Path(__file__).with_name("wrk.lua"))
    command = ["wrk", "-t1", "-c16", f"-d{max(1, round(seconds))}s", "--latency", "-s", script, url, "--", configs.KEY]
    result, used, wall = load(f"{client} to {upstream}", [*command, "json", str(file)], stage, candidate)
    return {
        "rate": result["requests"] / result["microseconds"] * 1e6,
        "cpu_us": used / result["requests"] * 1e6,
        "busy": used / wall,
    }


def ratios(found: dict[tuple[str, str], Sample]) -> Pairs:
    """Each pair's answers per second of CPU over those of the client on its own wire: what a core is good for, whoever
    else uses it meanwhile."""
    return {
        (upstream, client): found[client, client]["cpu_us"] / sample["cpu_us"]
        for (upstream, client), sample in found.items()
        if upstream != client
    }


def table(title: str, pairs: Pairs, bound: float | None = None) -> str:
    """A table with a row per upstream and a column per client; beside each number its ratio to a bound."""
    lines = [f"{title:<34}" + "".join(f"{client:>18}" for client in CLIENTS)]
    for upstream in UPSTREAMS:
        cells = ""
        for client in CLIENTS:
            value = pairs.get((upstream, client))
            text = "" if value is None else f"{value:.2f}"
            cells += f"{text + (f' ({value / bound:.2f})' if bound and value is not None else ''):>18}"
        lines.append(f"  from {upstream:<27}{cells}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Measured:
    """Both tables."""

    events: Pairs
    rates: dict[tuple[str, str], Sample]

    def text(self) -> str:
        """For people."""
        shares = ratios(self.rates)
        own = "  ".join(f"{client} {self.rates[client, client]['rate']:,.0f}" for client in CLIENTS)
        return "\n\n".join(
            (
                table(f"µs per event (÷ {BOUND:g})", self.events, BOUND),
                table("answers/s ÷ on the client's wire", shares) + f"\n  on the client's own wire: {own}",
                table("CPU µs per answer", {pair: sample["cpu_us"] for pair, sample in self.rates.items()}),
            )
        )

    def promises(self) -> list[Promise]:
        """The worst pair of each table against its bound."""
        shares = ratios(self.rates)
        slowest, least = max(self.events, key=self.events.__getitem__), min(shares, key=shares.__getitem__)
        return [
            Promise(f"µs per translated event, {slowest[0]} to {slowest[1]}", self.events[slowest], BOUND, False),
            Promise(f"answers/s ÷ on the client's wire, {least[0]} to {least[1]}", shares[least], LEAST, True),
        ]

    def samples(self) -> dict[str, Any]:
        """For the file of samples."""
        return {
            "event_us": {" to ".join(pair): value for pair, value in self.events.items()},
            "answers": {" to ".join(pair): sample for pair, sample in self.rates.items()},
        }


def measured(stage: Stage, batches: int, seconds: float, note: Callable[[str], None]) -> Measured:
    """Everything of this file."""
    return Measured(events(batches), rates(stage, seconds, note))


def main() -> None:
    """`python -m benchmarks.translation`: the first table alone; it needs nothing but this process."""
    sys.stdout.write(table(f"µs per event (÷ {BOUND:g})", events(30), BOUND) + "\n")


if __name__ == "__main__":
    main()
