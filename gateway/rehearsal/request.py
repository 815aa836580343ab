"""A test's request as its client would send it: path, headers and body in the words of the client's protocol.

What the test does not say is made up, the same each time; the protocol's own encoder writes it. `body` and `headers`
win over everything.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import UNSET

from gateway.config.model_tests import TestRequest
from gateway.engine.clients import USER_HEADER
from gateway.ir.chat import Media, Message, Part, Request, Text, Tool
from gateway.ir.estimate import text_tokens
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect
from gateway.routing.sessions import SESSION_HEADERS
from gateway.sandbox.wires import BASES, Wire

PROMPT: Final = "What is the capital of France?"
FIRST: Final = "openai-chat"
_WORDS: Final = "The quick brown fox jumps over the lazy dog. "
_RED: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dwn4EIAwBiCAYEJsqfXQAAAABJRU5ErkJggg=="
_IMAGE: Final = Media(kind="image", mime="image/png", data=_RED)
# Where a conversation stands, of the wires that do not call it `messages`.
_CONVERSATION: Final = {"openai-responses": "input", "gemini": "contents"}


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is ready to be sent. `peer`: the address that it comes from."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    peer: str


def merged(base: TestRequest, more: TestRequest) -> TestRequest:
    """The request of a step: what the step says, else what its test does; headers and fields of the body each."""
    found = {name: value for name in TestRequest.model_fields if (value := getattr(base, name)) is not None}
    for name in TestRequest.model_fields:
        value = getattr(more, name)
        if value is not None:
            inner = found.get(name) if name in ("headers", "body") else None
            found[name] = {**inner, **value} if inner is not None else value
    return TestRequest.model_construct(**found)


def outgoing(request: TestRequest, secret: str | None) -> Outgoing:
    """The request, with a key's secret where there is one."""
    wire = request.protocol or FIRST
    protocol = PROTOCOLS[wire]
    model, stream = request.model or "", bool(request.stream)
    body: dict[str, Any] = protocol.encode_request(_neutral(request, wire), Dialect("", model)).body
    if request.messages is not None:
        body[_CONVERSATION.get(wire, "messages")] = request.messages
    if request.model is None:
        body.pop("model", None)
    body.update(request.body or {})
    headers = {"content-type": "application/json", **dict(protocol.headers)}
    if secret is not None:
        headers["authorization"] = f"Bearer {secret}"
    if request.session is not None:
        headers[SESSION_HEADERS[0]] = request.session
    if request.user is not None:
        headers[USER_HEADER] = request.user
    headers.update({name.lower(): value for name, value in (request.headers or {}).items()})
    return Outgoing(
        path=request.path or BASES[Wire(wire)] + protocol.endpoint(quote(model, safe="/:@"), stream),
        headers=tuple(headers.items()),
        body=msgspec.json.encode(body),
        peer=request.client_ip or "127.0.0.1",
    )


def prompt_of(request: TestRequest) -> str:
    """What the user says: as long as is asked for."""
    text = request.prompt if request.prompt is not None else PROMPT
    lacking = (request.tokens or 0) - text_tokens(text)
    if lacking > 0:
        text += " " + (_WORDS * (lacking * 4 // len(_WORDS) + 1))[: lacking * 4 - 1]
    return text


def _neutral(request: TestRequest, wire: str) -> Request:
    parts: tuple[Part, ...] = (Text(prompt_of(request)), *(_IMAGE,) * (request.images or 0))
    messages = [Message("user", parts)]
    if request.system is not None:
        messages.insert(0, Message("system", (Text(request.system),)))
    return Request(
        origin=wire,
        model=request.model or "",
        messages=tuple(messages),
        tools=tuple(Tool(name=name, schema={"type": "object", "properties": {}}) for name in request.tools or ()),
        max_tokens=UNSET if request.max_tokens is None else request.max_tokens,
        stream=bool(request.stream),
    )
