"""OpenAI's own SDK against the sandbox on a socket: what it accepts, a client of the real API would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pydantic
import pytest

from gateway.sandbox.serve import Upstream


@pytest.fixture
async def sdk(upstream: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="any", max_retries=0, timeout=10) as client:
        yield client


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


async def test_an_answer(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(model="sandbox:reasoning=2", messages=ask("hello"))
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens == 1 + 5
    assert (answer._request_id or "").startswith("req_")
    again = await sdk.chat.completions.create(model="sandbox:reasoning=2", messages=ask("hello"))
    assert again == answer


async def test_a_stream(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="sandbox:tokens=30:split:comments:crlf",
        messages=ask("zoë 👋"),
        stream=True,
        stream_options={"include_usage": True},
        n=2,
    )
    chunks = [chunk async for chunk in stream]
    for index, begin in enumerate(("You said: zoë 👋", "You said (2): zoë 👋")):
        parts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(parts).startswith(begin)
        assert len(parts) == 32, "a role, thirty tokens, a finish"
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage is not None] == [60]


async def test_a_loop_with_tools(sdk: openai.AsyncOpenAI) -> None:
    messages = ask('call weather({"city":"Oslo"}) and call weather({"city":"Rome"})')
    async with sdk.chat.completions.stream(model="sandbox", messages=messages, tools=[WEATHER]) as stream:
        answer = await stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.parsed_arguments for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert answer.choices[0].finish_reason == "tool_calls"
    whole = await sdk.chat.completions.create(model="sandbox", messages=messages, tools=[WEATHER])
    assert [call.id for call in whole.choices[0].message.tool_calls or ()] == [call.id for call in calls]
    messages += [
        whole.choices[0].message.model_dump(exclude_none=True),
        *({"role": "tool", "tool_call_id": call.id, "content": f"sun {at}"} for at, call in enumerate(calls)),
    ]
    last = await sdk.chat.completions.create(model="sandbox", messages=messages, tools=[WEATHER])
    assert last.choices[0].message.content == "The tool said: sun 0; sun 1"


async def test_a_structured_answer(sdk: openai.AsyncOpenAI) -> None:
    class Person(pydantic.BaseModel):
        name: str
        age: int
        tags: list[str]
        parent: Person | None

    answer = await sdk.chat.completions.parse(model="sandbox", messages=ask("who"), response_format=Person)
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Person)
    refused = await sdk.chat.completions.parse(model="sandbox:refusal", messages=ask("who"), response_format=Person)
    assert (refused.choices[0].message.refusal or "").startswith("I'm sorry")


@pytest.mark.parametrize(
    ("word", "error", "code"),
    [
        ("auth", openai.AuthenticationError, "invalid_api_key"),
        ("status=403", openai.PermissionDeniedError, "unsupported_country_region_territory"),
        ("not-found", openai.NotFoundError, "model_not_found"),
        ("context-length", openai.BadRequestError, "context_length_exceeded"),
        ("status=422", openai.UnprocessableEntityError, None),
        ("status=429", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("status=500", openai.InternalServerError, None),
        ("overloaded=503", openai.InternalServerError, "server_is_overloaded"),
        ("nonsense", openai.BadRequestError, "invalid_value"),
        ("refuse", openai.APIConnectionError, None),
    ],
)
async def test_errors(sdk: openai.AsyncOpenAI, word: str, error: type[openai.APIError], code: str | None) -> None:
    for stream in (False, True):
        with pytest.raises(error) as caught:
            await sdk.chat.completions.create(model=f"sandbox:{word}", messages=ask("x"), stream=stream)
        assert caught.value.code == code


async def test_an_error_in_the_middle_of_a_stream(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(model="sandbox:error-at=2", messages=ask("one two"), stream=True)
    seen = []
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            seen.append(chunk.choices[0].delta.content)
    assert seen == ["", "You", " said:"]
    assert caught.value.code == "server_error"


async def test_its_retries_come_through(upstream: Upstream) -> None:
    async with openai.AsyncOpenAI(base_url=upstream.url, api_key="any", max_retries=2) as sdk:
        answer = await sdk.chat.completions.create(
            model="sandbox", messages=ask("x"), extra_headers={"x-sandbox": "fail=1; status=429; retry-after=0"}
        )
    assert answer.choices[0].message.content == "You said: x"
    assert len(upstream.journal) == 2


async def test_models_and_embeddings(sdk: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == ["sandbox", "echo"]
    assert (await sdk.models.retrieve("sandbox:tokens=5")).id == "sandbox:tokens=5"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("sandbox:nonsense")
    packed = await sdk.embeddings.create(model="sandbox", input=["a b", "c"])
    plain = await sdk.embeddings.create(model="sandbox", input=["a b", "c"], encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6), "the SDK asks for base64, and unpacks it"


async def test_the_sync_client(upstream: Upstream) -> None:
    def use() -> list[str]:
        with openai.OpenAI(base_url=upstream.url, api_key="any", max_retries=0) as sdk:
            whole = sdk.chat.completions.create(model="echo", messages=ask("hello there"))
            stream = sdk.chat.completions.create(model="echo", messages=ask("hello there"), stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
            return [whole.choices[0].message.content or "", text]

    assert await asyncio.to_thread(use) == ["hello there", "hello there"]
