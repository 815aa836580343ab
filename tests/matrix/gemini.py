"""Google's GenAI SDK on the Gemini API. Of a stream, the parts of all chunks are one turn, as the API wants it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx2
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError, ServerError

from tests.matrix.asking import Ask, Call, Said, noted


class Gemini:
    """See `asking.Speaker`."""

    sdk = "`google-genai`"
    finishes: ClassVar[dict[str, str]] = {
        "stop": "STOP",
        "stop sequence": "STOP",
        "length": "MAX_TOKENS",
        "calls": "STOP",
    }
    errors: ClassVar[dict[int, type[Exception]]] = {
        400: ClientError,
        429: ClientError,
        502: ServerError,
        503: ServerError,
    }
    broken: type[Exception] = APIError
    forgets = False

    def __init__(self, url: str, key: str) -> None:
        self.lossy = ""
        self._http = httpx2.AsyncClient(event_hooks={"response": [noted(self)]}, timeout=20)
        options = types.HttpOptions(base_url=url, httpx_async_client=self._http)
        self._client = genai.Client(api_key=key, http_options=options).aio

    async def close(self) -> None:
        await self._http.aclose()

    def user(self, text: str, image: bytes | None = None) -> Any:
        parts = [types.Part.from_text(text=text)]
        if image is not None:
            parts.append(types.Part.from_bytes(data=image, mime_type="image/png"))
        return types.Content(role="user", parts=parts)

    def results(self, said: Said, texts: list[str]) -> list[Any]:
        parts = [
            types.Part(
                function_response=types.FunctionResponse(id=call.raw.id, name=call.name, response={"result": text})
            )
            for call, text in zip(said.calls, texts, strict=True)
        ]
        return [types.Content(role="user", parts=parts)]

    async def ask(self, ask: Ask, stream: bool) -> Said:
        fields = self._fields(ask)
        if stream:
            answers = [chunk async for chunk in await self._client.models.generate_content_stream(**fields)]
        else:
            answers = [await self._client.models.generate_content(**fields)]
        candidates = [each.candidates[0] for each in answers if each.candidates]
        contents = [each.content for each in candidates if each.content is not None and each.content.parts]
        parts = [part for content in contents for part in content.parts or ()]
        usage = next(each.usage_metadata for each in reversed(answers) if each.usage_metadata is not None)
        finish = next(each.finish_reason for each in reversed(candidates) if each.finish_reason is not None)
        return Said(
            text="".join(part.text for part in parts if part.text and not part.thought),
            finish=finish.value,
            turns=[types.Content(role="model", parts=parts)],
            usage=(
                usage.prompt_token_count or 0,
                (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            ),
            calls=tuple(
                Call(part.function_call.name or "", part.function_call.args, part.function_call)
                for part in parts
                if part.function_call is not None
            ),
            thought="".join(part.text for part in parts if part.text and part.thought),
            lossy=self.lossy,
        )

    async def pieces(self, ask: Ask) -> AsyncIterator[str]:
        stream: Any = await self._client.models.generate_content_stream(**self._fields(ask))
        try:
            async for chunk in stream:
                if chunk.text:
                    yield chunk.text
        finally:
            await stream.aclose()

    def status(self, error: Any) -> int:
        status: int = error.code
        return status

    def _fields(self, ask: Ask) -> dict[str, Any]:
        config: dict[str, Any] = {}
        if ask.system is not None:
            config["system_instruction"] = ask.system
        if ask.tools:
            declared = [
                types.FunctionDeclaration(
                    name=tool.name, description=tool.description, parameters_json_schema=tool.schema
                )
                for tool in ask.tools
            ]
            config["tools"] = [types.Tool(function_declarations=declared)]
        if ask.schema is not None:
            config |= {"response_mime_type": "application/json", "response_json_schema": ask.schema}
        if ask.stop is not None:
            config["stop_sequences"] = [ask.stop]
        if ask.most is not None:
            config["max_output_tokens"] = ask.most
        if ask.thinks:
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=2000)
        return {
            "model": ask.model,
            "contents": ask.turns,
            "config": types.GenerateContentConfig(**config) if config else None,
        }
