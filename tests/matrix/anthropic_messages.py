"""Anthropic's SDK on messages."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import anthropic
import httpx2

from tests.matrix.asking import Ask, Call, Said, noted

BUDGET = 2000


class AnthropicMessages:
    """See `asking.Speaker`."""

    sdk = "`anthropic`, messages"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "end_turn",
        "stop sequence": "stop_sequence",
        "length": "max_tokens",
        "calls": "tool_use",
    }
    errors: ClassVar[dict[int, type[Exception]]] = {
        400: anthropic.BadRequestError,
        429: anthropic.RateLimitError,
        502: anthropic.InternalServerError,
        503: anthropic.InternalServerError,
    }
    broken: type[Exception] = anthropic.APIStatusError
    forgets = False

    def __init__(self, url: str, key: str) -> None:
        self.lossy = ""
        http = httpx2.AsyncClient(event_hooks={"response": [noted(self)]}, timeout=20)
        self._client = anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0, http_client=http)

    async def close(self) -> None:
        await self._client.close()

    def user(self, text: str, image: bytes | None = None) -> Any:
        if image is None:
            return {"role": "user", "content": text}
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(image).decode()}
        return {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": text}]}

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        blocks = [
            {"type": "tool_result", "tool_use_id": call.raw.id, "content": text}
            for call, text in zip(said.calls, texts, strict=True)
        ]
        return [{"role": "user", "content": blocks}]

    async def ask(self, ask: Ask, stream: bool) -> Said:
        fields = self._fields(ask)
        if stream:
            async with self._client.messages.stream(**fields) as events:
                answer: Any = await events.get_final_message()
        else:
            answer = await self._client.messages.create(**fields)
        assert answer.type == "message"
        calls = [block for block in answer.content if block.type == "tool_use"]
        return Said(
            text="".join(block.text for block in answer.content if block.type == "text"),
            finish=answer.stop_reason,
            turns=[{"role": "assistant", "content": answer.content}],
            usage=(answer.usage.input_tokens, answer.usage.output_tokens),
            calls=tuple(Call(each.name, each.input, each) for each in calls),
            thought="".join(block.thinking for block in answer.content if block.type == "thinking"),
            lossy=self.lossy,
        )

    async def pieces(self, ask: Ask) -> AsyncIterator[str]:
        async with self._client.messages.stream(**self._fields(ask)) as stream:
            async for text in stream.text_stream:
                yield text

    def status(self, error: Any) -> int:
        status: int = error.status_code
        return status

    def _fields(self, ask: Ask) -> dict[str, Any]:
        fields: dict[str, Any] = {"model": ask.model, "messages": ask.turns, "max_tokens": ask.most or 4000}
        if ask.system is not None:
            fields["system"] = ask.system
        if ask.tools:
            fields["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in ask.tools
            ]
        if ask.schema is not None:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": ask.schema}}
        if ask.stop is not None:
            fields["stop_sequences"] = [ask.stop]
        if ask.thinks:
            fields["thinking"] = {"type": "enabled", "budget_tokens": BUDGET}
        return fields
