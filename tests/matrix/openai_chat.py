"""OpenAI's SDK on chat completions."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
import openai

from tests.matrix.asking import Ask, Call, Said, Tool, noted


class OpenAIChat:
    """See `asking.Speaker`."""

    sdk = "`openai`, chat completions"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "stop",
        "stop sequence": "stop",
        "length": "length",
        "calls": "tool_calls",
    }
    errors: ClassVar[dict[int, type[Exception]]] = {
        400: openai.BadRequestError,
        429: openai.RateLimitError,
        502: openai.InternalServerError,
        503: openai.InternalServerError,
    }
    broken: type[Exception] = openai.APIError
    forgets = False

    def __init__(self, url: str, key: str) -> None:
        self.lossy = ""
        http = httpx2.AsyncClient(event_hooks={"response": [noted(self)]}, timeout=20)
        self._client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=http)

    async def close(self) -> None:
        await self._client.close()

    def user(self, text: str, image: bytes | None = None) -> Any:
        if image is None:
            return {"role": "user", "content": text}
        url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        return {"role": "user", "content": parts}

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        return [
            {"role": "tool", "tool_call_id": call.raw.id, "content": text}
            for call, text in zip(said.calls, texts, strict=True)
        ]

    async def ask(self, ask: Ask, stream: bool) -> Said:
        fields = self._fields(ask)
        if stream:
            async with self._client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as events:
                answer: Any = await _completion(events)
        else:
            answer = await self._client.chat.completions.create(**fields)
        assert answer.object == "chat.completion"
        (choice,) = answer.choices
        message = choice.message
        calls = message.tool_calls or ()
        return Said(
            text=message.content or "",
            finish=choice.finish_reason,
            turns=[message],
            usage=(answer.usage.prompt_tokens, answer.usage.completion_tokens),
            calls=tuple(Call(each.function.name, json.loads(each.function.arguments), each) for each in calls),
            thought=getattr(message, "reasoning_content", None) or "",
            lossy=self.lossy,
        )

    async def pieces(self, ask: Ask) -> AsyncIterator[str]:
        stream = await self._client.chat.completions.create(**self._fields(ask), stream=True)
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        yield choice.delta.content

    def status(self, error: Any) -> int:
        status: int = error.status_code
        return status

    def _fields(self, ask: Ask) -> dict[str, Any]:
        system = [{"role": "system", "content": ask.system}] if ask.system is not None else []
        fields: dict[str, Any] = {"model": ask.model, "messages": [*system, *ask.turns]}
        if ask.tools:
            fields["tools"] = [_tool(tool) for tool in ask.tools]
        if ask.schema is not None:
            inner = {"name": "person", "schema": ask.schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": inner}
        if ask.stop is not None:
            fields["stop"] = [ask.stop]
        if ask.most is not None:
            fields["max_completion_tokens"] = ask.most
        if ask.thinks:
            fields["reasoning_effort"] = "medium"
        return fields


async def _completion(events: Any) -> Any:
    """What the helper has put together; it raises where the bound on the tokens ended the answer."""
    try:
        return await events.get_final_completion()
    except openai.LengthFinishReasonError as cut:
        return cut.completion


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": function}
