"""Ollama's SDK on chat. It keeps neither the ids of calls nor anything that a provider signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import ollama

from tests.matrix.asking import Ask, Call, Said, noted


class OllamaChat:
    """See `asking.Speaker`."""

    sdk = "`ollama`"
    finishes: ClassVar[dict[str, str]] = {"stop": "stop", "stop sequence": "stop", "length": "length", "calls": "stop"}
    errors: ClassVar[dict[int, type[Exception]]] = dict.fromkeys((400, 429, 502, 503), ollama.ResponseError)
    broken: type[Exception] = ollama.ResponseError
    forgets = True

    def __init__(self, url: str, key: str) -> None:
        self.lossy = ""
        self._client = ollama.AsyncClient(
            host=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=20,
            event_hooks={"response": [noted(self)]},
        )

    async def close(self) -> None:
        await self._client.close()

    def user(self, text: str, image: bytes | None = None) -> Any:
        images = [ollama.Image(value=image)] if image is not None else None
        return ollama.Message(role="user", content=text, images=images)

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        return [
            ollama.Message(role="tool", tool_name=call.name, content=text)
            for call, text in zip(said.calls, texts, strict=True)
        ]

    async def ask(self, ask: Ask, stream: bool) -> Said:
        if stream:
            lines = [line async for line in await self._client.chat(**self._fields(ask), stream=True)]
        else:
            lines = [await self._client.chat(**self._fields(ask))]
        messages = [line.message for line in lines]
        raw = [call for message in messages for call in message.tool_calls or ()]
        text = "".join(message.content or "" for message in messages)
        thought = "".join(message.thinking or "" for message in messages)
        last = lines[-1]
        assert last.done
        turn = ollama.Message(role="assistant", content=text, thinking=thought or None, tool_calls=raw or None)
        return Said(
            text=text,
            finish=last.done_reason or "",
            turns=[turn],
            usage=(last.prompt_eval_count or 0, last.eval_count or 0),
            calls=tuple(Call(each.function.name, dict(each.function.arguments), each) for each in raw),
            thought=thought,
            lossy=self.lossy,
        )

    async def pieces(self, ask: Ask) -> AsyncIterator[str]:
        stream: Any = await self._client.chat(**self._fields(ask), stream=True)
        try:
            async for line in stream:
                if line.message.content:
                    yield line.message.content
        finally:
            await stream.aclose()

    def status(self, error: Any) -> int:
        status: int = error.status_code
        return status

    def _fields(self, ask: Ask) -> dict[str, Any]:
        system = [ollama.Message(role="system", content=ask.system)] if ask.system is not None else []
        fields: dict[str, Any] = {"model": ask.model, "messages": [*system, *ask.turns]}
        options: dict[str, Any] = {}
        if ask.stop is not None:
            options["stop"] = [ask.stop]
        if ask.most is not None:
            options["num_predict"] = ask.most
        if options:
            fields["options"] = options
        if ask.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in ask.tools
            ]
        if ask.schema is not None:
            fields["format"] = ask.schema
        if ask.thinks:
            fields["think"] = True
        return fields
