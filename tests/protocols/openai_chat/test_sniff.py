"""Streams that go by: commit point, usage, errors and ends, whole, byte by byte and split at odd places."""

from __future__ import annotations

import json
from random import Random

import pytest

from gateway.failure import Kind
from gateway.protocols.openai_chat.sniff import Sniffer


def frame(**fields: object) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **fields}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def delta(reason: str | None = None, **fields: object) -> bytes:
    return frame(choices=[{"index": 0, "delta": fields, "finish_reason": reason}])


ROLE = delta(role="assistant", content="")
HELLO = delta(content='Hé \U0001f600 "usage": {} [DONE] "error"\n\n')
WORLD = delta(content=" world")
STOP = delta(reason="stop")
USAGE = frame(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"


def feed(parts: list[bytes], strip: bool = False) -> tuple[bytes, Sniffer]:
    sniffer = Sniffer(strip)
    out = b""
    for part in parts:
        out += sniffer.feed(part)
        if sniffer.failure is not None:
            return out, sniffer
    return out + sniffer.finish(), sniffer


def splits(data: bytes) -> list[list[bytes]]:
    random = Random(7)
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    for _ in range(20):
        cuts = sorted(random.sample(range(len(data)), min(6, len(data))))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return ways


CASES: dict[str, tuple[bytes, bool, bytes, Kind | None, int | None]] = {
    "plain": (ROLE + HELLO + WORLD + STOP + DONE, False, ROLE + HELLO + WORLD + STOP + DONE, None, None),
    "usage that the client asked for passes": (
        ROLE + HELLO + STOP + USAGE + DONE, False, ROLE + HELLO + STOP + USAGE + DONE, None, 3,
    ),
    "usage that we asked for is taken out": (
        ROLE + HELLO + STOP + USAGE + DONE, True, ROLE + HELLO + STOP + DONE, None, 3,
    ),
    "comments pass": (PING + ROLE + PING + HELLO + PING + STOP + DONE, False,
                      PING + ROLE + PING + HELLO + PING + STOP + DONE, None, None),
    "no [DONE], but a finish reason: it is added": (ROLE + HELLO + STOP, False, ROLE + HELLO + STOP + DONE, None, None),
    "the last blank line is missing": (
        ROLE + HELLO + STOP + DONE.rstrip(), False, ROLE + HELLO + STOP + DONE, None, None,
    ),
    "an answer without text": (ROLE + STOP + DONE, False, ROLE + STOP + DONE, None, None),
    "cut after content": (ROLE + HELLO + WORLD, False, ROLE + HELLO + WORLD, Kind.INTERRUPTED, None),
    "cut before content": (ROLE, False, b"", Kind.BAD_RESPONSE, None),
    "empty": (b"", False, b"", Kind.BAD_RESPONSE, None),
    "only [DONE]": (DONE, False, b"", Kind.BAD_RESPONSE, None),
    "garbage before content": (ROLE + b"data: {oops\n\n", False, b"", Kind.BAD_RESPONSE, None),
    "an error before content": (
        ROLE + frame(error={"message": "x", "code": "rate_limit_exceeded"}), False, b"", Kind.RATE_LIMIT, None,
    ),
    "an error after content": (
        ROLE + HELLO + frame(error={"message": "x", "type": "server_error"}), False, ROLE + HELLO, Kind.INTERRUPTED, None,
    ),
    "an error as an event": (b'event: error\ndata: {"error":"overloaded"}\n\n', False, b"", Kind.BAD_RESPONSE, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_cases_at_every_split(name: str) -> None:
    data, strip, expected, kind, prompt = CASES[name]
    for parts in splits(data):
        out, sniffer = feed(parts, strip)
        assert out == expected
        assert (sniffer.failure.kind if sniffer.failure is not None else None) is kind
        assert (sniffer.usage.input if sniffer.usage is not None else None) == prompt


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_line_ends(newline: bytes) -> None:
    data = (ROLE + delta(content="Hi") + STOP + DONE).replace(b"\n", newline)
    for parts in splits(data):
        out, sniffer = feed(parts)
        assert out == data
        assert sniffer.failure is None


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "x"},
        {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]},
        {"refusal": "no"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
    ],
)
def test_what_bears_content(fields: dict[str, object]) -> None:
    sniffer = Sniffer(False)
    assert sniffer.feed(ROLE) == b""
    assert not sniffer.content
    assert sniffer.feed(delta(**fields)) == ROLE + delta(**fields)
    assert sniffer.content


def test_bounds() -> None:
    sniffer = Sniffer(False)
    for _ in range(40):
        sniffer.feed(b": " + b"x" * 32_000 + b"\n\n")
    assert sniffer.failure is not None
    sniffer = Sniffer(False)
    for _ in range(300):
        sniffer.feed(b"x" * 65_536)
        if sniffer.failure is not None:
            break
    assert sniffer.failure is not None, "an endless frame is not collected for ever"


def test_a_long_frame_is_not_scanned_again_for_every_byte_of_it() -> None:
    sniffer = Sniffer(False)
    sniffer.feed(ROLE + HELLO)
    big = delta(content="x" * 2_000_000)
    out = b"".join(sniffer.feed(big[i : i + 16_384]) for i in range(0, len(big), 16_384))
    assert out == big
