"""Gemini's wire: Google's own SDK against it on a socket, streams that say what whole answers say, any input."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import End, Pause, Plan
from gateway.sandbox.serve import start
from gateway.sandbox.wires import Wire

from .speaking import bytes_of, frames_of

try:
    from google import genai
    from google.genai import errors
except ImportError:  # the other tests do without it
    genai = None  # type: ignore[assignment]

GOLDEN = Path(__file__).parent / "golden" / "gemini"
NAMES = sorted(path.name.removesuffix("-stream.request.json") for path in GOLDEN.glob("*-stream.request.json"))
ASK: Any = [{"role": "user", "parts": [{"text": "one two three"}]}]
WEATHER: Any = {
    "name": "weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
}


@pytest.fixture
async def sdk() -> AsyncIterator[Any]:
    if genai is None:
        pytest.skip("Google's SDK is not installed")
    upstream = await start(wire=Wire.GEMINI)
    base = upstream.url.removesuffix("/v1beta")
    client = genai.Client(api_key="any", http_options={"base_url": base, "timeout": 10_000})
    yield client.aio
    await client.aio.aclose()
    await upstream.close()


def answer(body: Any, model: str = "sandbox", verb: str = "generateContent") -> Plan:
    data = json.dumps(body).encode()
    return Sandbox(Wire.GEMINI).answer("POST", f"/v1beta/models/{model}:{verb}", {}, data)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("fault-")])
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    frames = frames_of((GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2].encode())
    assert len({frame["responseId"] for frame in frames}) == 1
    assert {frame["modelVersion"] for frame in frames} == {whole["modelVersion"]}
    assert frames[-1].get("usageMetadata") == whole.get("usageMetadata"), "the usage adds up"
    assert frames[-1].get("promptFeedback") == whole.get("promptFeedback")
    for candidate in whole.get("candidates", ()):
        mine = [row for frame in frames for row in frame["candidates"] if row["index"] == candidate["index"]]
        *before, last = mine
        assert not any("finishReason" in row for row in before)
        for key in ("finishReason", "finishMessage", "safetyRatings"):
            assert last.get(key) == candidate.get(key)
        seen = [part for row in mine for part in row["content"].get("parts", ())]
        expected = candidate["content"].get("parts", [])
        for thought in (True, False):
            texts = [
                "".join(p["text"] for p in parts if "text" in p and p.get("thought", False) is thought)
                for parts in (seen, expected)
            ]
            assert texts[0] == texts[1]
        for key in ("functionCall", "thoughtSignature"):
            assert [part[key] for part in seen if key in part] == [part[key] for part in expected if key in part]


def test_a_stream_without_events_is_one_array() -> None:
    plain = bytes_of(answer({"contents": ASK}, verb="streamGenerateContent"))
    events = bytes_of(answer({"contents": ASK}, verb="streamGenerateContent?alt=sse"))
    assert json.loads(plain) == frames_of(events)
    assert plain.startswith(b"[{")
    assert plain.endswith(b"}\n]\n")
    broken = answer({"contents": ASK}, "sandbox:error-at=2", "streamGenerateContent")
    *rows, last = json.loads(bytes_of(broken))
    assert (len(rows), last["error"]["status"]) == (2, "UNAVAILABLE")
    refused = answer({"contents": []}, verb="streamGenerateContent")
    assert json.loads(bytes_of(refused))[0]["error"]["status"] == "INVALID_ARGUMENT"
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(bytes_of(answer({"contents": ASK}, "sandbox:no-done", "streamGenerateContent")))
    cut = list(answer({"contents": ASK}, "sandbox:rate=2/s:cut-at=1", "streamGenerateContent").steps)
    assert [type(step) for step in cut] == [Pause, bytes, Pause, End]


def test_the_model_is_a_part_of_the_request() -> None:
    ids = {json.loads(bytes_of(answer({"contents": ASK}, model)))["responseId"] for model in ("a", "b", "b")}
    assert len(ids) == 2
    quoted = answer({"contents": ASK}, "sandbox%3Atokens=2")
    assert json.loads(bytes_of(quoted))["usageMetadata"]["candidatesTokenCount"] == 2


def test_what_is_cached_is_input_and_what_was_thought_is_not_output() -> None:
    usage = json.loads(bytes_of(answer({"contents": ASK}, "sandbox:cached=2:reasoning=4")))["usageMetadata"]
    assert usage["promptTokenCount"] == 3
    assert usage["cachedContentTokenCount"] == 2
    assert usage["candidatesTokenCount"] == 5
    assert usage["thoughtsTokenCount"] == 4
    assert usage["totalTokenCount"] == 12


async def test_an_answer_and_its_count(sdk: Any) -> None:
    answered = await sdk.models.generate_content(model="sandbox:reasoning=2", contents="one two three")
    assert answered.text == "You said: one two three"
    assert [part.thought for part in answered.candidates[0].content.parts] == [True, None]
    assert answered.usage_metadata.total_token_count == 3 + 2 + 5
    assert answered.candidates[0].finish_reason == "STOP"
    counted = await sdk.models.count_tokens(model="sandbox", contents="one two three")
    assert counted.total_tokens == 3
    assert [model.name async for model in await sdk.models.list()] == ["models/sandbox", "models/echo"]
    assert (await sdk.models.get(model="sandbox:tokens=5")).name == "models/sandbox:tokens=5"
    with pytest.raises(errors.ClientError, match="404"):
        await sdk.models.get(model="sandbox:nonsense")


@pytest.mark.parametrize("words", ["", ":split", ":crlf"])
async def test_a_loop_with_tools(sdk: Any, words: str) -> None:
    config: Any = {
        "tools": [{"function_declarations": [WEATHER]}],
        "automatic_function_calling": {"disable": True},
        "thinking_config": {"include_thoughts": True},
    }
    contents: Any = [
        {"role": "user", "parts": [{"text": 'call weather({"city":"Zürich"}) and call weather({"city":"Rome"})'}]}
    ]
    model = f"gemini-3-flash{words}"
    parts = []
    async for chunk in await sdk.models.generate_content_stream(model=model, contents=contents, config=config):
        parts += chunk.candidates[0].content.parts or []
    calls = [part for part in parts if part.function_call is not None]
    assert [part.function_call.args for part in calls] == [{"city": "Zürich"}, {"city": "Rome"}]
    assert [part.thought_signature is not None for part in calls] == [True, False]
    whole = await sdk.models.generate_content(model=model, contents=contents, config=config)
    assert [call.args for call in whole.function_calls] == [{"city": "Zürich"}, {"city": "Rome"}]
    answers = [
        {"function_response": {"name": "weather", "response": {"result": f"sun {at}"}}} for at in range(len(calls))
    ]
    contents += [whole.candidates[0].content, {"role": "user", "parts": answers}]
    last = await sdk.models.generate_content(model=model, contents=contents, config=config)
    assert last.text == "The tool said: sun 0; sun 1"


async def test_structured_answers(sdk: Any) -> None:
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    for config in (
        {"response_mime_type": "application/json", "response_schema": Person},
        {"response_mime_type": "application/json", "response_json_schema": Person.model_json_schema()},
    ):
        answered = await sdk.models.generate_content(model="sandbox", contents="x", config=config)
        assert Person.model_validate_json(answered.text).age == 1


@pytest.mark.parametrize(
    ("word", "code", "status"),
    [
        ("auth", 400, "INVALID_ARGUMENT"),
        ("status=403", 403, "PERMISSION_DENIED"),
        ("not-found", 404, "NOT_FOUND"),
        ("context-length", 400, "INVALID_ARGUMENT"),
        ("quota", 429, "RESOURCE_EXHAUSTED"),
        ("status=500", 500, "INTERNAL"),
        ("overloaded", 503, "UNAVAILABLE"),
        ("status=504", 504, "DEADLINE_EXCEEDED"),
        ("nonsense", 400, "INVALID_ARGUMENT"),
    ],
)
async def test_errors(sdk: Any, word: str, code: int, status: str) -> None:
    with pytest.raises(errors.APIError) as caught:
        await sdk.models.generate_content(model=f"sandbox:{word}", contents="x")
    assert (caught.value.code, caught.value.status) == (code, status)
    with pytest.raises(errors.APIError) as caught:
        async for _ in await sdk.models.generate_content_stream(model=f"sandbox:{word}", contents="x"):
            pass
    assert (caught.value.code, caught.value.status) == (code, status)


async def test_an_error_in_the_middle_of_a_stream(sdk: Any) -> None:
    seen = []
    with pytest.raises(errors.APIError) as caught:
        async for chunk in await sdk.models.generate_content_stream(model="sandbox:error-at=2", contents="x"):
            seen.append(chunk.text)
    assert (seen, caught.value.status) == (["You", " said:"], "UNAVAILABLE")


async def test_a_prompt_that_was_stopped(sdk: Any) -> None:
    answered = await sdk.models.generate_content(model="sandbox:content-filter", contents="x")
    assert answered.candidates is None
    assert answered.prompt_feedback.block_reason == "PROHIBITED_CONTENT"
    declined = await sdk.models.generate_content(model="sandbox:refusal", contents="x")
    assert declined.candidates[0].finish_reason == "SAFETY"


WORDS = (
    "role parts text functionCall functionResponse name args response inlineData mimeType data type properties items anyOf "
    "enum functionDeclarations parameters mode functionCallingConfig thought thoughtSignature thinkingConfig max_output_tokens"
).split()
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "user", "model", "ANY", "OBJECT", "array", "application/json", "eA=="]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=10,
)
FIELDS = "contents systemInstruction tools toolConfig generationConfig safetySettings".split()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), st.booleans(), st.booleans())
def test_no_request_raises(fields: dict[str, Any], good: bool, streamed: bool) -> None:
    request: Any = {**fields, "contents": ASK} if good else {"contents": ASK, **fields}
    answered = answer(request, "gemini-3:tokens=3", "streamGenerateContent" if streamed else "generateContent")
    assert answered.status in (200, 400)
    assert json.loads(bytes_of(answered))


CONFIG = (
    "temperature topP topK maxOutputTokens candidateCount stopSequences responseMimeType responseSchema "
    "responseJsonSchema seed thinkingConfig"
).split()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(CONFIG), VALUES, max_size=3), st.lists(VALUES, max_size=2))
def test_no_configuration_raises(config: dict[str, Any], declarations: list[Any]) -> None:
    tools = [{"functionDeclarations": [{"name": "a", "parameters": each} for each in declarations]}]
    answered = answer({"contents": ASK, "generationConfig": config, "tools": tools[:1] if declarations else []})
    assert answered.status in (200, 400)
    assert json.loads(bytes_of(answered))
