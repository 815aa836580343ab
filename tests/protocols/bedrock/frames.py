"""Messages of an AWS event stream, written by hand (https://smithy.io/2.0/aws/amazon-eventstream.html)."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any
from zlib import crc32


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message with string headers."""
    head = b"".join(
        struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return body + struct.pack(">I", crc32(body))


def event(name: str, value: Any) -> bytes:
    """An event."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(value).encode())


def exception(name: str, value: Any) -> bytes:
    """An exception."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps(value).encode())


def delta(index: int, **value: Any) -> bytes:
    """More of a block."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": value, "p": "abc"})


def call(index: int, id_: str, name: str, *pieces: str) -> bytes:
    """A whole tool call."""
    start = {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id_, "name": name}}}
    inputs = b"".join(delta(index, toolUse={"input": piece}) for piece in pieces)
    return event("contentBlockStart", start) + inputs + stop(index)


def stop(index: int) -> bytes:
    """The end of a block."""
    return event("contentBlockStop", {"contentBlockIndex": index})


START = event("messageStart", {"role": "assistant"})
USAGE = {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def end(reason: str, **more: Any) -> bytes:
    """The end of the answer."""
    return event("messageStop", {"stopReason": reason, **more})


def splits(data: bytes) -> list[list[bytes]]:
    """The bytes whole, one by one, and cut at odd places."""
    random = Random(7)
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    for _ in range(15):
        cuts = sorted(random.sample(range(len(data)), min(6, len(data))))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    return ways
