"""Anthropic's wire: Anthropic's own SDK against it on a socket, streams that say what whole answers say, any input."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.serve import start
from gateway.sandbox.wires import Wire

from .speaking import bytes_of, frames_of

try:
    import anthropic
except ImportError:  # the other tests do without it
    anthropic = None  # type: ignore[assignment]

GOLDEN = Path(__file__).parent / "golden" / "anthropic"
NAMES = sorted(path.name.removesuffix("-stream.request.json") for path in GOLDEN.glob("*-stream.request.json"))
ASK: Any = [{"role": "user", "content": "one two three"}]
WEATHER: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
async def sdk() -> AsyncIterator[Any]:
    if anthropic is None:
        pytest.skip("Anthropic's SDK is not installed")
    upstream = await start(wire=Wire.ANTHROPIC)
    base = upstream.url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=base, api_key="any", max_retries=0, timeout=10) as client:
        yield client
    await upstream.close()


def answer(body: Any, **headers: str) -> Any:
    data = json.dumps(body).encode()
    return Sandbox(Wire.ANTHROPIC).answer("POST", "/v1/messages", {"anthropic-version": "2023-06-01", **headers}, data)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("fault-")])
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    text = (GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2]
    events = frames_of(text.encode())
    assert [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event: ")] == [
        event["type"] for event in events
    ], "the event line is the type"
    start, (delta, stop) = events[0], events[-2:]
    assert (start["type"], delta["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    assert (start["message"]["content"], start["message"]["stop_reason"]) == ([], None)
    assert [event["type"] for event in events].index("ping") == (2 if whole["content"] else 1)
    blocks: list[Any] = []
    is_open = False
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert (is_open, event["index"]) == (False, len(blocks))
                is_open, parts = True, ""
                blocks.append(event["content_block"])
            case "content_block_delta":
                assert (is_open, event["index"]) == (True, len(blocks) - 1)
                match event["delta"]["type"]:
                    case "text_delta":
                        blocks[-1]["text"] += event["delta"]["text"]
                    case "thinking_delta":
                        blocks[-1]["thinking"] += event["delta"]["thinking"]
                    case "signature_delta":
                        blocks[-1]["signature"] += event["delta"]["signature"]
                    case "input_json_delta":
                        parts += event["delta"]["partial_json"]
            case "content_block_stop":
                assert (is_open, event["index"]) == (True, len(blocks) - 1)
                is_open = False
                if blocks[-1]["type"] == "tool_use" and name != "tool-cut":
                    blocks[-1]["input"] = json.loads(parts)
    assert blocks == whole["content"]
    assert delta["delta"] == {key: whole[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    if "usage" in whole:
        assert delta["usage"] == {key: value for key, value in whole["usage"].items() if key in delta["usage"]}
        assert start["message"]["usage"]["output_tokens"] == 1
        for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            assert start["message"]["usage"][key] == whole["usage"][key]


@pytest.mark.parametrize(
    ("word", "finish"),
    [("finish=length", "max_tokens"), ("finish=tool_calls", "tool_use"), ("finish=content_filter", "refusal")],
)
def test_finishes_of_other_wires_have_a_name_here(word: str, finish: str) -> None:
    body = {"model": f"sandbox:{word}", "max_tokens": 99, "messages": ASK}
    assert json.loads(bytes_of(answer(body)))["stop_reason"] == finish


def test_the_version_is_wanted() -> None:
    body = json.dumps({"model": "sandbox", "max_tokens": 9, "messages": ASK}).encode()
    answered = Sandbox(Wire.ANTHROPIC).answer("POST", "/v1/messages", {}, body)
    assert json.loads(bytes_of(answered))["error"]["message"] == "anthropic-version: header is required"


def test_what_is_cached_is_not_input() -> None:
    marked: Any = [{"type": "text", "text": "a b c d", "cache_control": {"type": "ephemeral"}}]
    for cached, expected in ((0, (2, 4, 0)), (3, (2, 1, 3)), (4, (2, 0, 4)), (5, (1, 0, 5)), (99, (0, 0, 6))):
        content = [*marked, {"type": "text", "text": "e f"}]
        body = {
            "model": f"sandbox:cached={cached}",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": content}],
        }
        usage = json.loads(bytes_of(answer(body)))["usage"]
        seen = tuple(usage[f"{kind}input_tokens"] for kind in ("", "cache_creation_", "cache_read_"))
        assert seen == expected
        assert usage["cache_creation"]["ephemeral_5m_input_tokens"] == seen[1]


async def test_an_answer_and_its_count(sdk: Any) -> None:
    answered = await sdk.messages.create(model="sandbox:reasoning=2", max_tokens=99, messages=ASK)
    assert [block.type for block in answered.content] == ["thinking", "text"]
    assert answered.content[1].text == "You said: one two three"
    assert (answered.stop_reason, answered.usage.input_tokens, answered.usage.output_tokens) == ("end_turn", 3, 7)
    assert (answered._request_id or "").startswith("req_")
    counted = await sdk.messages.count_tokens(model="sandbox", messages=ASK)
    assert counted.input_tokens == 3
    assert [model.id async for model in sdk.models.list()] == ["sandbox", "echo"]
    assert (await sdk.models.retrieve("sandbox:tokens=5")).id == "sandbox:tokens=5"
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("sandbox:nonsense")


@pytest.mark.parametrize("words", ["", ":split", ":comments", ":crlf", ":split:comments:crlf"])
async def test_a_loop_with_tools_and_thinking(sdk: Any, words: str) -> None:
    messages: Any = [{"role": "user", "content": 'call weather({"city":"Zürich"}) and call weather({"city":"Rome"})'}]
    more: Any = {"max_tokens": 4096, "tools": [WEATHER], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    async with sdk.messages.stream(model=f"sandbox{words}", messages=messages, **more) as stream:
        first = await stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert [block.input for block in first.content[1:]] == [{"city": "Zürich"}, {"city": "Rome"}]
    assert first.stop_reason == "tool_use"
    whole = await sdk.messages.create(model=f"sandbox{words}", messages=messages, **more)
    assert [block.input for block in whole.content[1:]] == [{"city": "Zürich"}, {"city": "Rome"}]
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"sun {at}"}
        for at, block in enumerate(first.content[1:])
    ]
    given_back = [block.model_dump(exclude_none=True) for block in first.content]
    messages += [{"role": "assistant", "content": given_back}, {"role": "user", "content": results}]
    last = await sdk.messages.create(model="sandbox", messages=messages, **more)
    assert last.content[-1].text == "The tool said: sun 0; sun 1"


async def test_a_structured_answer(sdk: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    config: Any = {"format": {"type": "json_schema", "schema": schema}}
    answered = await sdk.messages.create(model="sandbox", max_tokens=99, messages=ASK, output_config=config)
    assert json.loads(answered.content[0].text) == {"name": "text"}


@pytest.mark.parametrize(
    ("word", "error", "kind"),
    [
        ("auth", "AuthenticationError", "authentication_error"),
        ("status=403", "PermissionDeniedError", "permission_error"),
        ("not-found", "NotFoundError", "not_found_error"),
        ("context-length", "BadRequestError", "invalid_request_error"),
        ("quota", "BadRequestError", "invalid_request_error"),
        ("status=429", "RateLimitError", "rate_limit_error"),
        ("status=500", "InternalServerError", "api_error"),
        ("overloaded", "APIStatusError", "overloaded_error"),
        ("nonsense", "BadRequestError", "invalid_request_error"),
        ("refuse", "APIConnectionError", None),
    ],
)
async def test_errors(sdk: Any, word: str, error: str, kind: str | None) -> None:
    for streamed in (False, True):
        with pytest.raises(getattr(anthropic, error)) as caught:
            await sdk.messages.create(model=f"sandbox:{word}", max_tokens=9, messages=ASK, stream=streamed)
        if kind is not None:
            assert caught.value.body["error"]["type"] == kind
            assert caught.value.body["request_id"] == caught.value.request_id


async def test_an_error_in_the_middle_of_a_stream(sdk: Any) -> None:
    seen = []
    stream = await sdk.messages.create(model="sandbox:error-at=2", max_tokens=99, messages=ASK, stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:
        async for event in stream:
            seen.append(event.type)
    assert seen == ["message_start", "content_block_start", "content_block_delta", "content_block_delta"]
    assert caught.value.body["error"]["type"] == "overloaded_error"


WORDS = (
    "type role content text thinking signature tool_use_id id name input source data media_type url input_schema "
    "cache_control budget_tokens schema format"
).split()
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "x", "user", "assistant", "text", "tool_use", "tool_result", "image", "thinking", "enabled"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=10,
)
FIELDS = "messages system tools tool_choice thinking stop_sequences output_config temperature max_tokens stream".split()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), st.booleans())
def test_no_request_raises(fields: dict[str, Any], good: bool) -> None:
    request: Any = {"model": "sandbox:tokens=3", "max_tokens": 9, "messages": ASK, **fields}
    if good:
        request |= {"messages": ASK, "max_tokens": 4096}
    answered = answer(request)
    assert answered.status in (200, 400)
    body = bytes_of(answered)
    assert body.endswith(b'data: {"type":"message_stop"}\n\n') or json.loads(body)


def test_a_signature_is_bytes_in_base64() -> None:
    body = {"model": "sandbox:reasoning=3", "max_tokens": 99, "messages": ASK}
    block = json.loads(bytes_of(answer(body)))["content"][0]
    assert len(base64.b64decode(block["signature"], validate=True)) == 32
