"""What a request belongs to while a revision is tried out: the same for all of a session's, whatever wire it is on."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from sanic.compat import Header

from gateway.protocols import PROTOCOLS
from gateway.protocols.surfaces import Asked
from gateway.server.split import belongs

CHAT = Asked(PROTOCOLS["openai-chat"])
MESSAGES = Asked(PROTOCOLS["anthropic"])


def of(body: Any, asked: Asked = CHAT, key: str | None = "sk-1", **headers: str) -> str:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = Header({name.replace("_", "-"): value for name, value in headers.items()})
    request: Any = SimpleNamespace(body=content, headers=named, ip="192.0.2.7")
    return belongs(request, asked, key)


def said(*texts: str, **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    turns = [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]
    return {"model": "m", "messages": turns, **fields}


def test_a_header_names_it() -> None:
    named = of(said("hello"), x_session_id="one")
    assert of(said("something else"), x_session_id="one") == named
    assert of(b"not json", x_session_id="one") == named
    assert of(said("hello"), x_session_id="two") != named
    assert of(said("hello"), x_session_id="one", key="sk-2") != named, "two callers never share"


def test_else_the_body_does() -> None:
    assert of(said("a", session_id="one")) == of(said("b", session_id="one"))
    assert of(said("a", session_id="one")) != of(said("a", session_id="two"))
    user = {"user_id": "user_1_account_2_session_3"}
    asked = {"max_tokens": 9, "metadata": user}
    assert of(said("a", **asked), MESSAGES) == of(said("b", **asked), MESSAGES)


def test_else_the_first_words_do() -> None:
    begun = of(said("hello"))
    assert of(said("hello", "hi", "and then?")) == begun, "a conversation grows"
    assert of(said("good morning")) != begun


def test_counting_goes_where_the_conversation_goes() -> None:
    body = said("hello", max_tokens=9)
    counting = MESSAGES._replace(counts=True)
    assert of({name: body[name] for name in ("model", "messages")}, counting) == of(body, MESSAGES)


def test_what_cannot_be_read_goes_by_its_key_or_its_address() -> None:
    assert of(b"not json") == of(b"[1]") == "sk-1\0"
    assert of(b"not json", key=None) == "192.0.2.7\0"
