"""The Responses wire: OpenAI's own SDK against it on a socket, streams that say what whole answers say, any input."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import Plan
from gateway.sandbox.serve import start
from gateway.sandbox.wires import Wire

from .speaking import bytes_of, frames_of

GOLDEN = Path(__file__).parent / "golden" / "openai-responses"
NAMES = sorted(path.name.removesuffix("-stream.request.json") for path in GOLDEN.glob("*-stream.request.json"))
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


@pytest.fixture
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    upstream = await start(wire=Wire.OPENAI_RESPONSES)
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="any", max_retries=0, timeout=10) as client:
        yield client
    await upstream.close()


def answer(body: Any) -> Plan:
    return Sandbox(Wire.OPENAI_RESPONSES).answer("POST", "/v1/responses", {}, json.dumps(body).encode())


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("fault-")])
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    text = (GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2]
    events = frames_of(text.encode())
    named = [line.removeprefix("event: ") for line in text.split("\n") if line.startswith("event: ")]
    assert named == [event["type"] for event in events], "the event line is the type"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert named[:2] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last["type"] == f"response.{whole['status']}"
    differ = {"id", "created_at", "completed_at", "output"}
    assert {key: value for key, value in last["response"].items() if key not in differ} == {
        key: value for key, value in whole.items() if key not in differ
    }
    assert [{**item, "id": ""} for item in last["response"]["output"]] == [
        {**item, "id": ""} for item in whole["output"]
    ]
    for index, item in enumerate(last["response"]["output"]):
        mine = [event for event in events if event.get("output_index") == index]
        assert mine[0]["type"] == "response.output_item.added"
        assert mine[0]["item"]["id"] == item["id"]
        assert mine[-1] == {
            "type": "response.output_item.done",
            "sequence_number": mine[-1]["sequence_number"],
            "output_index": index,
            "item": item,
        }
        assert {event.get("item_id", item["id"]) for event in mine} == {item["id"]}
        delta = "".join(event["delta"] for event in mine if event["type"].endswith(".delta"))
        done = next(event for event in mine if event["type"].endswith(".done") and "delta" not in event)
        match item["type"]:
            case "message":
                (part,) = item["content"]
                assert delta == part.get("text", part.get("refusal")) == done.get("text", done.get("refusal"))
                assert [event["part"] for event in mine if event["type"] == "response.content_part.done"] == [part]
            case "function_call":
                assert delta == item["arguments"] == done["arguments"]
            case "reasoning":
                assert delta == "".join(row["text"] for row in item["summary"]) == done["text"]


async def test_an_answer_and_its_count(sdk: openai.AsyncOpenAI) -> None:
    answered = await sdk.responses.create(model="sandbox:reasoning=2:cached=1", input="one two three")
    assert answered.output_text == "You said: one two three"
    assert [item.type for item in answered.output] == ["reasoning", "message"]
    assert answered.usage is not None
    assert (answered.usage.input_tokens, answered.usage.output_tokens, answered.usage.total_tokens) == (3, 7, 10)
    assert answered.usage.input_tokens_details.cached_tokens == 1
    assert answered.usage.output_tokens_details.reasoning_tokens == 2
    assert (answered._request_id or "").startswith("req_")
    counted = await sdk.responses.input_tokens.count(model="sandbox", input="one two three")
    assert counted.input_tokens == 3
    assert [model.id async for model in sdk.models.list()] == ["sandbox", "echo"]


@pytest.mark.parametrize("words", ["", ":split", ":comments", ":crlf", ":split:comments:crlf"])
async def test_a_loop_with_tools_and_reasoning(sdk: openai.AsyncOpenAI, words: str) -> None:
    given_: Any = [{"role": "user", "content": 'call weather({"city":"Zürich"}) and call weather({"city":"Rome"})'}]
    more: Any = {
        "tools": [WEATHER],
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    async with sdk.responses.stream(model=f"sandbox{words}", input=given_, **more) as stream:
        async for _ in stream:
            pass
        first = await stream.get_final_response()
    calls: Any = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Zürich"}, {"city": "Rome"}]
    whole = await sdk.responses.create(model=f"sandbox{words}", input=given_, **more)
    assert [item.type for item in whole.output] == ["reasoning", "function_call", "function_call"]
    for item in whole.output:
        given_.append(item.model_dump(exclude_none=True))
    for at, call in enumerate(calls):
        given_.append({"type": "function_call_output", "call_id": call.call_id, "output": f"sun {at}"})
    last = await sdk.responses.create(model="sandbox", input=given_, **more)
    assert last.output_text == "The tool said: sun 0; sun 1"


async def test_a_structured_answer(sdk: openai.AsyncOpenAI) -> None:
    class Person(pydantic.BaseModel):
        name: str
        tags: list[str]
        parent: Person | None

    parsed = await sdk.responses.parse(model="sandbox", input="who", text_format=Person)
    assert isinstance(parsed.output_parsed, Person)
    declined: Any = await sdk.responses.create(model="sandbox:refusal", input="who")
    assert declined.output[0].content[0].refusal.startswith("I'm sorry")


async def test_an_answer_that_is_not_complete(sdk: openai.AsyncOpenAI) -> None:
    cut = await sdk.responses.create(model="sandbox:tokens=99", input="x", max_output_tokens=16)
    assert (cut.status, cut.incomplete_details and cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    stopped = await sdk.responses.create(model="sandbox:finish=content_filter", input="x")
    assert (stopped.incomplete_details and stopped.incomplete_details.reason) == "content_filter"


@pytest.mark.parametrize(
    ("word", "error", "code"),
    [
        ("auth", openai.AuthenticationError, "invalid_api_key"),
        ("not-found", openai.NotFoundError, "model_not_found"),
        ("context-length", openai.BadRequestError, "context_length_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("status=500", openai.InternalServerError, None),
        ("nonsense", openai.BadRequestError, "invalid_value"),
        ("refuse", openai.APIConnectionError, None),
    ],
)
async def test_errors(sdk: openai.AsyncOpenAI, word: str, error: type[openai.APIError], code: str | None) -> None:
    for stream in (False, True):
        with pytest.raises(error) as caught:
            await sdk.responses.create(model=f"sandbox:{word}", input="x", stream=stream)
        assert caught.value.code == code


def test_an_error_in_the_middle_of_a_stream() -> None:
    body = {"model": "sandbox:error-at=2", "input": "one two", "stream": True}
    *before, last = frames_of(bytes_of(answer(body)))
    assert [event["type"] for event in before][-2:] == ["response.output_text.delta"] * 2
    assert set(last) == {"type", "sequence_number", "code", "message", "param"}
    assert (last["type"], last["sequence_number"], last["code"]) == ("error", len(before), "server_error")


def test_encrypted_reasoning_stands_without_its_summary() -> None:
    body = {"model": "sandbox:reasoning=2", "input": "x", "include": ["reasoning.encrypted_content"]}
    item, message = json.loads(bytes_of(answer(body)))["output"]
    for summary, content, status in (
        ([], item["encrypted_content"], 200),
        (item["summary"], "A" + item["encrypted_content"][1:], 400),
        (item["summary"], "é", 400),
    ):
        given_ = [{**item, "summary": summary, "encrypted_content": content}, message, {"role": "user", "content": "y"}]
        assert answer({"model": "sandbox", "input": given_}).status == status


WORDS = (
    "type role content text call_id id name arguments output summary image_url file_data parameters strict schema format "
    "encrypted_content tools mode"
).split()
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "x", "user", "assistant", "input_text", "function", "function_call", "function_call_output", "reasoning"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=10,
)
FIELDS = "input instructions tools tool_choice text reasoning include metadata max_output_tokens stream store".split()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), st.booleans())
def test_no_request_raises(fields: dict[str, Any], good: bool) -> None:
    request: Any = {"model": "sandbox:tokens=3", "input": "x", **fields}
    if good:
        request |= {"input": "x", "max_output_tokens": 99}
    answered = answer(request)
    assert answered.status in (200, 400, 404)
    body = bytes_of(answered)
    assert b"event: response.completed\n" in body or json.loads(body)
