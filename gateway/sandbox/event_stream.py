"""AWS's event stream framing: a message is a prelude, headers and a payload, with a CRC32 after the first and the last.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html and the specification of Smithy
(amazon-eventstream). All headers here are strings.
"""

from __future__ import annotations

from binascii import crc32
from typing import Final

_STRING: Final = 7


def message(headers: tuple[tuple[str, str], ...], payload: bytes) -> bytes:
    """One message."""
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers)
    prelude = (len(head) + len(payload) + 16).to_bytes(4, "big") + len(head).to_bytes(4, "big")
    framed = prelude + crc32(prelude).to_bytes(4, "big") + head + payload
    return framed + crc32(framed).to_bytes(4, "big")


def event(kind: str, payload: bytes) -> bytes:
    """An event of this type."""
    return message((*_typed(":event-type", kind), (":message-type", "event")), payload)


def exception(kind: str, payload: bytes) -> bytes:
    """A modeled error of this type, which is the last message of its stream."""
    return message((*_typed(":exception-type", kind), (":message-type", "exception")), payload)


def _typed(name: str, kind: str) -> tuple[tuple[str, str], ...]:
    return (name, kind), (":content-type", "application/json")


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([_STRING]) + len(value).to_bytes(2, "big") + value
