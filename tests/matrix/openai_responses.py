"""OpenAI's SDK on responses, nothing stored: the application keeps the conversation, encrypted thought included."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
import openai

from tests.matrix.asking import Ask, Call, Said, noted


class OpenAIResponses:
    """See `asking.Speaker`."""

    sdk = "`openai`, responses"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "completed",
        "stop sequence": "completed",
        "length": "max_output_tokens",
        "calls": "completed",
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
        parts = [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]
        return {"role": "user", "content": parts}

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        return [
            {"type": "function_call_output", "call_id": call.raw.call_id, "output": text}
            for call, text in zip(said.calls, texts, strict=True)
        ]

    async def ask(self, ask: Ask, stream: bool) -> Said:
        fields = self._fields(ask)
        if stream and ask.most is None:
            async with self._client.responses.stream(**fields) as events:
                answer: Any = await events.get_final_response()
        elif stream:  # the helper takes nothing but `response.completed` for an end
            *_, last = [event async for event in await self._client.responses.create(**fields, stream=True)]
            assert last.type == "response.incomplete"
            answer = last.response
        else:
            answer = await self._client.responses.create(**fields)
        assert answer.object == "response"
        calls = [item for item in answer.output if item.type == "function_call"]
        thoughts = [item for item in answer.output if item.type == "reasoning"]
        reason = answer.incomplete_details.reason if answer.incomplete_details is not None else None
        return Said(
            text=answer.output_text,
            finish=reason or answer.status,
            turns=list(answer.output),
            usage=(answer.usage.input_tokens, answer.usage.output_tokens),
            calls=tuple(Call(each.name, json.loads(each.arguments), each) for each in calls),
            thought="\n\n".join(part.text for item in thoughts for part in item.summary),
            lossy=self.lossy,
        )

    async def pieces(self, ask: Ask) -> AsyncIterator[str]:
        stream = await self._client.responses.create(**self._fields(ask), stream=True)
        async with stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    yield event.delta

    def status(self, error: Any) -> int:
        status: int = error.status_code
        return status

    def _fields(self, ask: Ask) -> dict[str, Any]:
        fields: dict[str, Any] = {"model": ask.model, "input": ask.turns, "store": False}
        if ask.system is not None:
            fields["instructions"] = ask.system
        if ask.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                    "strict": False,
                }
                for tool in ask.tools
            ]
        if ask.schema is not None:
            form = {"type": "json_schema", "name": "person", "schema": ask.schema, "strict": True}
            fields["text"] = {"format": form}
        if ask.most is not None:
            fields["max_output_tokens"] = ask.most
        if ask.thinks:
            fields["reasoning"] = {"effort": "medium", "summary": "auto"}
            fields["include"] = ["reasoning.encrypted_content"]
        return fields
