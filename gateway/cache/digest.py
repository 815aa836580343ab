"""Which requests are the same, and who shares an answer.

The digest is SHA-256 over everything that may shape an answer: the client's wire and whether it streams, the route as
it is compiled, the request headers that a provider sees, and the whole body in canonical form. No field is left out,
not even those that only label a request (`user`, `metadata`) or shape a stream (`stream_options`): that they change
nothing cannot be proven. Object keys are in order, `1` and `1.0` are one number, white space and escapes do not count.

What two readers could read differently has no canonical form and is never given again: keys that are written twice in
one object, numbers that no double holds. What answers depend on beside the request (a stored conversation) has none
either.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from gateway.cache.rules import READ_MOST
from gateway.protocols.contract import Head
from gateway.protocols.endings import stateful
from gateway.routing.facts import Facts
from gateway.routing.sending import Job

_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_COLON: Final = re.compile(rb"\\u003[aA]")
_WHOLE: Final = b".0"  # every whole double below 2**53 is written so; other things are too, which costs time only
_EXACT: Final = 2.0**53


def canonical(head: Head, protocol: str) -> bytes | None:
    """The body of a request in canonical form, None where it has none."""
    body = head.body
    if len(body) > READ_MOST or (b"\\u003" in body and _COLON.search(body)) or stateful(protocol, head.fields):
        return None
    try:
        value = _DECODE(body)
        text = _ENCODE(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if text.count(b":") != body.count(b":"):  # a key was written twice: colons in texts are on both sides
        return None
    return text if _WHOLE not in text else _ENCODE(_numbers(value))


def _numbers(value: Any) -> Any:
    """The same with whole numbers as such."""
    kind = value.__class__
    if kind is dict:
        return {name: _numbers(each) for name, each in value.items()}
    if kind is list:
        return [_numbers(each) for each in value]
    if kind is float and value.is_integer() and -_EXACT < value < _EXACT:
        return int(value)
    return value


def request_digest(job: Job, shape: bytes) -> bytes | None:
    """The digest of a request, None where it is not one that an answer can be given to again. `shape` is what beside
    the request decides over its answer (`rules.Way.shape`)."""
    head, name = job.head, job.protocol.name
    body = canonical(head, name)
    if body is None:
        return None
    parts = (name, head.model, job.facts.operation, "stream" if head.stream else "whole", *sum(job.headers, ()))
    hashed = sha256("\0".join(parts).encode("utf-8", "surrogateescape"))
    hashed.update(b"\0\0" + shape + b"\0\0")
    hashed.update(body)
    if job.edited:
        hashed.update(b"\0\0" + msgspec.json.encode(job.request(), order="deterministic"))
    return hashed.digest()


def asked_digest(job: Job) -> bytes:
    """The digest of what the client wrote, whatever becomes of it: by it a repeated request is known."""
    head, name = job.head, job.protocol.name
    text = canonical(head, name)
    parts = f"{name}\0{head.model}\0{job.facts.operation}\0{head.stream}\0".encode("utf-8", "surrogateescape")
    hints = msgspec.json.encode(job.hints, order="deterministic") if job.hints is not None else b""
    return sha256(parts + (head.body if text is None else text) + hints).digest()


def owner_of(facts: Facts, anonymous: bool = False) -> str:
    """Whose an answer is where nobody shares it: the key's, and its user's where the key is trusted to name users."""
    return "open" if facts.key is None or anonymous else _owner(facts.key, facts.user)


@lru_cache(4096)
def _owner(key: str, user: str | None) -> str:
    name = f"key/{quote(key, safe='')}"
    return name if user is None else f"{name}/user/{quote(user, safe='')}"


def scope_of(scope: str, facts: Facts, owner: str) -> str:
    """Who shares an answer: `scope` is key, team or shared. A key without a team shares with nobody."""
    if scope == "shared":
        return "shared"
    if scope == "team" and facts.team is not None:
        return f"team/{quote(facts.team, safe='')}"
    return owner
