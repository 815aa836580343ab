"""A conversation by each provider's own SDK, in the same words for all five: say, ask, give results.

A `Talk` keeps its history as its SDK wants it sent back, whole answers and streamed ones alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import anthropic
import ollama
import openai
from google import genai
from google.genai import types

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL, ABOUT = "get_weather", "The weather in a city"
_LAST = ("response.completed", "response.incomplete")
FUNCTION = {"name": TOOL, "description": ABOUT, "parameters": SCHEMA}


@dataclass(frozen=True)
class Answer:
    """What was answered. `finish` is in the SDK's words, `used` (input, output) tokens."""

    text: str
    thought: str
    calls: list[tuple[str, dict[str, Any]]]
    finish: str
    used: tuple[int, int]


class Talk:
    """`ended` are the SDK's words for an answer that is complete, cut off, or calls tools."""

    ended: ClassVar[tuple[str, str, str]]
    failed: ClassVar[type[Exception]]  # what the SDK raises for an error status

    def __init__(self, url: str, model: str) -> None:
        self.url = url
        self.model = model
        self.history: list[Any] = []
        self.called: list[Any] = []
        self.system: str | None = None

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def give(self, results: list[str]) -> None:
        """Results of the last answer's calls, in their order."""
        raise NotImplementedError

    def ask(self, stream: bool) -> Answer:
        raise NotImplementedError


class Chat(Talk):
    """openai, chat completions."""

    ended = ("stop", "length", "tool_calls")
    failed = openai.APIStatusError

    def give(self, results: list[str]) -> None:
        for call, text in zip(self.called, results, strict=True):
            self.history.append({"role": "tool", "tool_call_id": call.id, "content": text})

    def ask(self, stream: bool) -> Answer:
        sdk = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=20)
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked: Any = {
            "model": self.model,
            "messages": [*system, *self.history],
            "tools": [{"type": "function", "function": FUNCTION}],
        }
        if stream:
            asked["stream_options"] = {"include_usage": True}
            try:
                with sdk.chat.completions.stream(**asked) as events:
                    answer: Any = events.get_final_completion()
            except openai.LengthFinishReasonError as cut:  # the SDK's stream raises where tools are given
                answer = cut.completion
        else:
            answer = sdk.chat.completions.create(**asked)
        choice = answer.choices[0]
        message = choice.message
        self.called = message.tool_calls or []
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in self.called]
        self.history.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        for call in self.history[-1].get("tool_calls", ()):
            call["function"].pop("parsed_arguments", None)
        used = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        thought = getattr(message, "reasoning_content", None) or ""
        return Answer(message.content or "", thought, calls, choice.finish_reason, used)


class Responses(Talk):
    """openai, responses."""

    ended = ("completed", "max_output_tokens", "completed")
    failed = openai.APIStatusError

    def give(self, results: list[str]) -> None:
        for call, text in zip(self.called, results, strict=True):
            self.history.append({"type": "function_call_output", "call_id": call.call_id, "output": text})

    def ask(self, stream: bool) -> Answer:
        sdk = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=20)
        asked: Any = {
            "model": self.model,
            "input": self.history,
            "tools": [{"type": "function", "strict": False, **FUNCTION}],
            "store": False,
            "include": ["reasoning.encrypted_content"],
        }
        if self.system:
            asked["instructions"] = self.system
        if stream:
            with sdk.responses.stream(**asked) as events:  # its final response is a completed one or none
                answer: Any = [event for event in events if event.type in _LAST].pop().response
        else:
            answer = sdk.responses.create(**asked)
        self.called = [item for item in answer.output if item.type == "function_call"]
        calls = [(call.name, json.loads(call.arguments)) for call in self.called]
        for item in answer.output:
            self.history.append(item.model_dump(exclude_none=True, exclude={"parsed_arguments"}))
            for part in self.history[-1].get("content", ()):
                part.pop("parsed", None)
        thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        finish = answer.status if answer.incomplete_details is None else answer.incomplete_details.reason
        used = (answer.usage.input_tokens, answer.usage.output_tokens)
        return Answer(answer.output_text, "".join(thoughts), calls, finish, used)


class Messages(Talk):
    """anthropic."""

    ended = ("end_turn", "max_tokens", "tool_use")
    failed = anthropic.APIStatusError

    def give(self, results: list[str]) -> None:
        blocks = [
            {"type": "tool_result", "tool_use_id": call.id, "content": text}
            for call, text in zip(self.called, results, strict=True)
        ]
        self.history.append({"role": "user", "content": blocks})

    def ask(self, stream: bool) -> Answer:
        sdk = anthropic.Anthropic(base_url=self.url, api_key="none", max_retries=0, timeout=20)
        asked: Any = {
            "model": self.model,
            "messages": self.history,
            "max_tokens": 500,
            "tools": [{"name": TOOL, "description": ABOUT, "input_schema": SCHEMA}],
        }
        if self.system:
            asked["system"] = self.system
        if stream:
            with sdk.messages.stream(**asked) as events:
                answer: Any = events.get_final_message()
        else:
            answer = sdk.messages.create(**asked)
        self.called = [block for block in answer.content if block.type == "tool_use"]
        self.history.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
        return Answer(
            "".join(block.text for block in answer.content if block.type == "text"),
            "".join(block.thinking for block in answer.content if block.type == "thinking"),
            [(call.name, call.input) for call in self.called],
            answer.stop_reason,
            (answer.usage.input_tokens, answer.usage.output_tokens),
        )


class Gemini(Talk):
    """google-genai. Gemini has no reason of its own for an answer that calls."""

    ended = ("STOP", "MAX_TOKENS", "STOP")
    failed = genai.errors.APIError

    def say(self, text: str) -> None:
        self.history.append(types.Content(role="user", parts=[types.Part(text=text)]))

    def give(self, results: list[str]) -> None:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": text}))
            for call, text in zip(self.called, results, strict=True)
        ]
        self.history.append(types.Content(role="user", parts=parts))

    def ask(self, stream: bool) -> Answer:
        sdk = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=self.url, timeout=20_000))
        declared = types.FunctionDeclaration(name=TOOL, description=ABOUT, parameters_json_schema=SCHEMA)
        config = types.GenerateContentConfig(
            system_instruction=self.system,
            tools=[types.Tool(function_declarations=[declared])],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        asked: Any = {"model": self.model, "contents": self.history, "config": config}
        if stream:
            answers = list(sdk.models.generate_content_stream(**asked))
        else:
            answers = [sdk.models.generate_content(**asked)]
        contents = [answer.candidates[0].content for answer in answers if answer.candidates]
        parts = [part for content in contents if content for part in content.parts or ()]
        self.called = [part.function_call for part in parts if part.function_call]
        self.history.append(types.Content(role="model", parts=parts))
        usage = answers[-1].usage_metadata
        assert usage is not None
        assert answers[-1].candidates is not None
        return Answer(
            "".join(part.text for part in parts if part.text and not part.thought),
            "".join(part.text for part in parts if part.text and part.thought),
            [(call.name, dict(call.args)) for call in self.called],
            answers[-1].candidates[0].finish_reason.value,
            (usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)),
        )


class Ollama(Talk):
    """ollama. It knows no reason for an answer that calls."""

    ended = ("stop", "length", "stop")
    failed = ollama.ResponseError

    def give(self, results: list[str]) -> None:
        for call, text in zip(self.called, results, strict=True):
            self.history.append({"role": "tool", "tool_name": call.function.name, "content": text})

    def ask(self, stream: bool) -> Answer:
        sdk = ollama.Client(host=self.url, timeout=20)
        system = [{"role": "system", "content": self.system}] if self.system else []
        asked: Any = {
            "model": self.model,
            "messages": [*system, *self.history],
            "tools": [{"type": "function", "function": FUNCTION}],
        }
        lines = list(sdk.chat(**asked, stream=True)) if stream else [sdk.chat(**asked)]
        text = "".join(line.message.content or "" for line in lines)
        thought = "".join(line.message.thinking or "" for line in lines)
        self.called = [call for line in lines for call in line.message.tool_calls or ()]
        self.history.append(ollama.Message(role="assistant", content=text, tool_calls=self.called or None))
        calls = [(call.function.name, dict(call.function.arguments)) for call in self.called]
        last = lines[-1]
        return Answer(text, thought, calls, last.done_reason or "", (last.prompt_eval_count, last.eval_count))


CLIENTS: dict[str, type[Talk]] = {
    "chat": Chat,
    "responses": Responses,
    "messages": Messages,
    "gemini": Gemini,
    "ollama": Ollama,
}
