"""Conditions, compiled from the words of the file, against requests on several wires."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.model_policies import When
from gateway.engine.conditions import compiled, words_of
from gateway.failure import Refused
from gateway.protocols import PROTOCOLS
from gateway.routing.conditions import Number, holds, ranged
from gateway.routing.facts import Facts
from gateway.routing.sending import Job

ASK = [{"role": "user", "content": "hi"}]


def job(wire: str = "openai-chat", body: dict[str, Any] | None = None, **facts: Any) -> Job:
    protocol = PROTOCOLS[wire]
    written = {"model": "fast", "messages": ASK} if body is None else body
    named = {"model": "fast", "stream": False} if wire == "gemini" else {"model": None, "stream": None}
    head = protocol.decode_head(json.dumps(written).encode(), named["model"], named["stream"])  # type: ignore[arg-type]
    given = {"asked": head.model, "protocol": wire, "stream": head.stream, **facts}
    return Job(protocol, head, (), Facts(**given))


def asks(when: dict[str, Any], at: Job) -> bool:
    return holds(compiled(When.model_validate(when)), at)


@pytest.mark.parametrize(
    ("when", "facts", "expected"),
    [
        ({}, {}, True),
        ({"model": "fast"}, {}, True),
        ({"model": ["slow", "f*t"]}, {}, True),
        ({"model": "f*s"}, {}, False),
        ({"key": "ci"}, {"key": "ci"}, True),
        ({"key": "ci"}, {}, False),
        ({"key": "*"}, {}, False),  # nobody is no key
        ({"team": "fin*"}, {"team": "finance"}, True),
        ({"team": "finance", "key": "ci"}, {"team": "finance", "key": "anna"}, False),
        ({"user": "u1"}, {"user": "u1"}, True),
        ({"tags": ["eu", "us"]}, {"tags": ("us",)}, True),
        ({"tags": "eu"}, {"tags": ()}, False),
        ({"headers": {"X-App": "mobile-*"}}, {"headers": {"x-app": "mobile-ios"}}, True),
        ({"headers": {"X-App": "*"}}, {}, False),
        ({"protocol": "openai-*"}, {}, True),
        ({"operation": "chat"}, {}, True),
        ({"stream": True}, {}, False),
        ({"not": {"stream": True}}, {}, True),
        ({"any": [{"key": "a"}, {"model": "fast"}]}, {}, True),
        ({"any": []}, {}, False),
        ({"all": [{"key": "a"}, {"model": "fast"}]}, {}, False),
        ({"client_ip": ["10.0.0.0/8"]}, {"client_ip": "10.9.8.7"}, True),
        ({"client_ip": ["10.0.0.0/8"]}, {"client_ip": "11.9.8.7"}, False),
        ({"client_ip": ["10.0.0.0/8"]}, {"client_ip": "::ffff:10.9.8.7"}, True),
        ({"client_ip": ["2001:db8::/32", "192.0.2.7"]}, {"client_ip": "2001:db8:1::1"}, True),
        ({"client_ip": ["2001:db8::/32", "192.0.2.7"]}, {"client_ip": "192.0.2.7"}, True),
        ({"client_ip": ["0.0.0.0/0", "::/0"]}, {"client_ip": "unix"}, False),
        ({"not": {"client_ip": "10.0.0.0/8"}}, {"client_ip": ""}, True),
    ],
)
def test_what_is_known_beside_the_body(when: dict[str, Any], facts: dict[str, Any], expected: bool) -> None:
    at = job(**facts)
    assert asks(when, at) is expected
    assert at._request is None, "such a condition does not decode the body"


WIRES: dict[str, dict[str, Any]] = {
    "openai-chat": {"model": "m", "messages": ASK, "max_completion_tokens": 50, "temperature": 0},
    "openai-responses": {"model": "m", "input": "hi", "max_output_tokens": 50, "temperature": 0},
    "anthropic": {"model": "m", "messages": ASK, "max_tokens": 50, "temperature": 0},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 50, "temperature": 0},
    },
    "ollama": {"model": "m", "messages": ASK, "options": {"num_predict": 50, "temperature": 0}},
}


@pytest.mark.parametrize("wire", WIRES)
def test_numbers_on_every_wire(wire: str) -> None:
    for when, expected in [
        ({"max_tokens": {"at_least": 50, "at_most": 50}}, True),
        ({"max_tokens": {"at_least": 51}}, False),
        ({"max_tokens": {"at_most": 49}}, False),
        ({"temperature": 0}, True),
        ({"temperature": 1}, False),
        ({"input_tokens": {"at_most": 100}}, True),
        ({"input_tokens": {"at_least": 100}}, False),
    ]:
        assert asks(when, job(wire, WIRES[wire])) is expected, when
    bare = {name: value for name, value in WIRES[wire].items() if name in ("model", "messages", "input", "contents")}
    assert not asks({"temperature": 0}, job(wire, bare)), "what nobody wrote is not 0"
    assert not asks({"max_tokens": {"at_most": 100}}, job(wire, bare))


def test_a_number_at_the_top_is_read_off_the_head() -> None:
    at = job("anthropic", WIRES["anthropic"])
    assert asks({"temperature": 0, "max_tokens": {"at_most": 50}}, at)
    assert at._request is None


def test_the_older_name_counts_where_the_newer_is_null() -> None:
    body = {"model": "m", "messages": ASK, "max_completion_tokens": None, "max_tokens": 7}
    assert asks({"max_tokens": {"at_most": 7}}, job(body=body))


@pytest.mark.parametrize(
    ("wire", "said", "found", "read"),
    [
        ("openai-chat", {}, False, False),
        ("openai-chat", {"temperature": None}, False, False),
        ("openai-chat", {"temperature": 0}, True, False),
        ("openai-chat", {"temperature": 0.3}, False, False),
        ("anthropic", {"temperature": 0.1, "max_tokens": 9}, True, False),
        ("openai-responses", {"temperature": 1}, False, False),
        ("gemini", {"temperature": 0}, False, True),
        ("gemini", {"generationConfig": {"temperature": 0}}, True, True),
    ],
)
def test_what_the_head_tells_of_a_number(wire: str, said: dict[str, Any], found: bool, read: bool) -> None:
    """`read`: its wire says it further inside, so that the request is decoded."""
    asked = {"openai-responses": {"input": "hi"}, "gemini": {"contents": [{"parts": [{"text": "hi"}]}]}}
    at = job(wire, {"model": "m"} | asked.get(wire, {"messages": ASK}) | said)
    assert ranged(Number("temperature", 0, 0.2), at) is found
    assert (at._request is not None) is read


@pytest.mark.parametrize("value", ["cold", True, [0]])
def test_what_is_no_number_is_left_to_decoding(value: object) -> None:
    with pytest.raises(Refused):
        ranged(Number("temperature"), job(body={"model": "m", "messages": ASK, "temperature": value}))


def test_a_number_of_the_wrong_type_is_the_client_s_mistake() -> None:
    with pytest.raises(Refused) as refused:
        asks({"temperature": 0}, job(body={"model": "m", "messages": ASK, "temperature": "cold"}))
    assert refused.value.refusal.status == 400


IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize(
    ("word", "wire", "body"),
    [
        (
            "images",
            "openai-chat",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}]},
        ),
        (
            "images",
            "anthropic",
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "tool_result",
                                "tool_use_id": "a",
                                "content": [
                                    {
                                        "type": "image",
                                        "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
                                    }
                                ],
                            }
                        ],
                    }
                ]
            },
        ),
        ("images", "gemini", {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": IMAGE}}]}]}),
        ("images", "ollama", {"messages": [{"role": "user", "content": "x", "images": [IMAGE]}]}),
        ("tools", "openai-chat", {"messages": ASK, "functions": [{"name": "f"}]}),
        ("tools", "anthropic", {"messages": ASK, "tools": [{"name": "f", "input_schema": {}}]}),
        ("reasoning", "openai-chat", {"messages": ASK, "reasoning_effort": "low"}),
        ("system", "anthropic", {"messages": ASK, "system": "Be brief."}),
        ("system", "openai-chat", {"messages": [{"role": "developer", "content": "Be brief."}]}),
        (
            "json_schema",
            "openai-chat",
            {
                "messages": ASK,
                "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
            },
        ),
    ],
)
def test_what_a_request_carries(word: str, wire: str, body: dict[str, Any]) -> None:
    assert asks({"has": [word]}, job(wire, {"model": "m", **body}))
    other = {"contents": [{"parts": [{"text": "hi"}]}]} if wire == "gemini" else {"model": "m", "messages": ASK}
    assert not asks({"has": [word]}, job(wire, other))


def test_an_escape_hides_no_image() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":[{"type":"im\\u0061ge_url","im\\u0061ge_url":{"url":"https://x"}}]}]}'
    protocol = PROTOCOLS["openai-chat"]
    assert asks({"has": ["images"]}, Job(protocol, protocol.decode_head(body, None, None)))


def test_the_body_is_looked_at_last() -> None:
    at = job(body={"model": "m", "messages": [{"role": "user", "content": 5}]}, key="anna")
    assert not asks({"has": ["system"], "key": "ci"}, at)
    assert not asks({"not": {"has": ["system"]}, "headers": {"x-app": "y"}}, at)
    with pytest.raises(Refused):
        asks({"has": ["system"], "key": "anna"}, at)


def test_an_edited_request_is_judged_as_it_is_now() -> None:
    import msgspec

    at = job("anthropic", WIRES["anthropic"])
    edited = at.with_request(msgspec.structs.replace(at.request(), temperature=1.0))
    assert not asks({"temperature": 0}, edited)
    assert asks({"temperature": 1}, edited)


def wall(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("at", "hours", "expected"),
    [
        ("2026-07-06T08:00", {"from": "08:00", "until": "18:00"}, True),  # a Monday
        ("2026-07-06T18:00", {"from": "08:00", "until": "18:00"}, False),
        ("2026-07-06T23:59", {}, True),
        ("2026-07-06T12:00", {"days": ["tue"]}, False),
        ("2026-07-06T23:00", {"days": ["mon"], "from": "22:00", "until": "06:00"}, True),
        ("2026-07-07T05:59", {"days": ["mon"], "from": "22:00", "until": "06:00"}, True),  # it began on Monday
        ("2026-07-06T05:59", {"days": ["mon"], "from": "22:00", "until": "06:00"}, False),
        ("2026-07-13T05:00", {"days": ["sun"], "from": "22:00", "until": "06:00"}, True),
        ("2026-07-07T12:00", {"days": ["mon"], "from": "22:00", "until": "06:00"}, False),
    ],
)
def test_hours(at: str, hours: dict[str, Any], expected: bool) -> None:
    for zone in ("Europe/Berlin", "America/Los_Angeles"):
        assert asks({"hours": {**hours, "timezone": zone}}, job(wall=wall(at, zone))) is expected


@given(st.lists(st.sampled_from(["", "a", "b", "ab"]), min_size=2, max_size=4), st.text("ab", max_size=8))
def test_patterns_mean_what_fnmatch_means(pieces: list[str], word: str) -> None:
    from fnmatch import fnmatchcase

    pattern = "*".join(pieces)
    assert words_of([pattern]).has(word) is fnmatchcase(word, pattern)
