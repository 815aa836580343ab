"""Requests as a careful client writes them, drawn by chance: one conversation, told in the words of each client's wire.

Everything is in the form that the wire's documentation shows first (one text is a string, names are in camelCase, a
turn's role is written), so that a wire that says all it was told says it in the very same words.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
NAMES = st.sampled_from(("weather", "get_time", "a-b_C9"))
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8).filter(str.strip)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**53) | WORDS | st.just("") | st.just(0),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=2)
NUMBERS = st.sampled_from((0, 0.0, 0.25, 1))
COUNTS = st.sampled_from((0, 1, 7))
STOPS = st.lists(WORDS, min_size=0, max_size=2)
FLAGS = st.booleans()


class Call(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, Any]
    result: str


class Turn(msgspec.Struct, frozen=True):
    """What the user says (texts, or None for the image), then what the model answers."""

    asks: list[str | None]
    says: str | None = None
    calls: tuple[Call, ...] = ()


class Talk(msgspec.Struct, frozen=True):
    system: str | None
    turns: list[Turn]
    tools: list[tuple[str, str | None]]


CALLS = st.lists(st.builds(Call, NAMES, OBJECTS, WORDS), min_size=1, max_size=3).map(tuple)
ASKS = st.lists(WORDS | st.none(), min_size=1, max_size=3)
TURNS = st.lists(st.builds(Turn, ASKS, WORDS) | st.builds(Turn, ASKS, st.none() | WORDS, CALLS), min_size=0, max_size=3)
TALKS = st.builds(
    Talk,
    st.none() | WORDS,
    st.builds(lambda turns, last: [*turns, Turn(last)], TURNS, ASKS),
    st.lists(st.tuples(NAMES, st.none() | WORDS), max_size=2, unique_by=lambda tool: tool[0]),
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def numbered(talk: Talk) -> list[tuple[Turn, list[str]]]:
    """The turns, with an id for each call."""
    out, count = [], 0
    for turn in talk.turns:
        out.append((turn, [f"call_{count + at}" for at in range(len(turn.calls))]))
        count += len(turn.calls)
    return out


def openai_chat(talk: Talk) -> dict[str, Any]:
    def content(asks: list[str | None]) -> Any:
        if len(asks) == 1 and asks[0] is not None:
            return asks[0]
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}}
        return [{"type": "text", "text": ask} if ask is not None else image for ask in asks]

    messages: list[dict[str, Any]] = []
    if talk.system is not None:
        messages.append({"role": "system", "content": talk.system})
    for turn, ids in numbered(talk):
        messages.append({"role": "user", "content": content(turn.asks)})
        calls = [
            {"id": id_, "type": "function", "function": {"name": call.name, "arguments": compact(call.arguments)}}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
        if turn.says is not None or calls:
            messages.append({"role": "assistant", "content": turn.says, **({"tool_calls": calls} if calls else {})})
        for call, id_ in zip(turn.calls, ids, strict=True):
            messages.append({"role": "tool", "tool_call_id": id_, "content": call.result})
    body: dict[str, Any] = {"model": "m", "messages": messages}
    if talk.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": name, **({"description": words} if words else {}), "parameters": SCHEMA},
            }
            for name, words in talk.tools
        ]
    return body


def openai_responses(talk: Talk) -> dict[str, Any]:
    def content(asks: list[str | None]) -> Any:
        if len(asks) == 1 and asks[0] is not None:
            return asks[0]
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"}
        return [{"type": "input_text", "text": ask} if ask is not None else image for ask in asks]

    items: list[dict[str, Any]] = []
    for turn, ids in numbered(talk):
        items.append({"type": "message", "role": "user", "content": content(turn.asks)})
        if turn.says is not None:
            said = [{"type": "output_text", "text": turn.says}]
            items.append({"type": "message", "role": "assistant", "content": said})
        pairs = list(zip(turn.calls, ids, strict=True))
        for call, id_ in pairs:
            arguments = compact(call.arguments)
            items.append({"type": "function_call", "call_id": id_, "name": call.name, "arguments": arguments})
        for call, id_ in pairs:
            items.append({"type": "function_call_output", "call_id": id_, "output": call.result})
    body: dict[str, Any] = {"model": "m", "input": items}
    if talk.system is not None:
        body["instructions"] = talk.system
    if talk.tools:
        body["tools"] = [
            {"type": "function", "name": name, **({"description": words} if words else {}), "parameters": SCHEMA}
            for name, words in talk.tools
        ]
    return body


def anthropic(talk: Talk) -> dict[str, Any]:
    def blocks(asks: list[str | None]) -> list[dict[str, Any]]:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        return [{"type": "text", "text": ask} if ask is not None else image for ask in asks]

    def plain(content: list[dict[str, Any]]) -> Any:
        return content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content

    messages: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for turn, ids in numbered(talk):
        messages.append({"role": "user", "content": plain([*results, *blocks(turn.asks)])})
        said = [{"type": "text", "text": turn.says}] if turn.says is not None else []
        calls = [
            {"type": "tool_use", "id": id_, "name": call.name, "input": call.arguments}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
        if said or calls:
            messages.append({"role": "assistant", "content": plain([*said, *calls])})
        results = [
            {"type": "tool_result", "tool_use_id": id_, "content": call.result}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
    body: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": messages}
    if talk.system is not None:
        body["system"] = talk.system
    if talk.tools:
        body["tools"] = [
            {"name": name, **({"description": words} if words else {}), "input_schema": SCHEMA}
            for name, words in talk.tools
        ]
    return body


def gemini(talk: Talk) -> dict[str, Any]:
    def parts(asks: list[str | None]) -> list[dict[str, Any]]:
        image = {"inlineData": {"mimeType": "image/png", "data": PNG}}
        return [{"text": ask} if ask is not None else image for ask in asks]

    contents: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for turn, ids in numbered(talk):
        if results:
            contents.append({"role": "user", "parts": results})
        contents.append({"role": "user", "parts": parts(turn.asks)})
        said = [{"text": turn.says}] if turn.says is not None else []
        calls = [
            {"functionCall": {"id": id_, "name": call.name, "args": call.arguments}}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
        if said or calls:
            contents.append({"role": "model", "parts": [*said, *calls]})
        results = [
            {"functionResponse": {"id": id_, "name": call.name, "response": {"output": call.result}}}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
    body: dict[str, Any] = {"contents": contents}
    if talk.system is not None:
        body["systemInstruction"] = {"parts": [{"text": talk.system}]}
    if talk.tools:
        declared = [
            {"name": name, **({"description": words} if words else {}), "parametersJsonSchema": SCHEMA}
            for name, words in talk.tools
        ]
        body["tools"] = [{"functionDeclarations": declared}]
    return body


def ollama(talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if talk.system is not None:
        messages.append({"role": "system", "content": talk.system})
    for turn, ids in numbered(talk):
        texts = [ask for ask in turn.asks if ask is not None]
        images = [PNG for ask in turn.asks if ask is None]
        messages.append({"role": "user", "content": "\n\n".join(texts), **({"images": images} if images else {})})
        calls = [
            {"id": id_, "function": {"name": call.name, "arguments": call.arguments}}
            for call, id_ in zip(turn.calls, ids, strict=True)
        ]
        if turn.says is not None or calls:
            said = {"role": "assistant", "content": turn.says or ""}
            messages.append({**said, **({"tool_calls": calls} if calls else {})})
        for call, id_ in zip(turn.calls, ids, strict=True):
            messages.append({"role": "tool", "content": call.result, "tool_name": call.name, "tool_call_id": id_})
    body: dict[str, Any] = {"model": "m", "messages": messages, "stream": True}
    if talk.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": name, **({"description": words} if words else {}), "parameters": SCHEMA},
            }
            for name, words in talk.tools
        ]
    return body


def null_or(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


JSON_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

# Fields beside the conversation, in the wire's own words; those inside another stand behind a dot.
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "openai-chat": {
        "max_completion_tokens": null_or(COUNTS),
        "temperature": null_or(NUMBERS),
        "top_p": null_or(NUMBERS),
        "stop": null_or(STOPS),
        "seed": null_or(COUNTS),
        "presence_penalty": null_or(NUMBERS),
        "frequency_penalty": null_or(NUMBERS),
        "logprobs": null_or(FLAGS),
        "top_logprobs": null_or(COUNTS),
        "logit_bias": null_or(st.dictionaries(st.just("50256"), st.sampled_from((0, -100)), max_size=1)),
        "n": null_or(st.just(1)),
        "user": null_or(st.just("") | WORDS),
        "service_tier": null_or(st.just("flex")),
        "metadata": null_or(st.dictionaries(WORDS, WORDS, max_size=1)),
        "prompt_cache_key": null_or(st.just("") | WORDS),
        "parallel_tool_calls": FLAGS,
        "reasoning_effort": st.sampled_from(("none", "minimal", "low", "high", "xhigh")),
        "stream": st.just(True),
        "stream_options": st.sampled_from(
            ({"include_usage": True}, {"include_usage": False}, {"include_usage": True, "include_obfuscation": False})
        ),
        "response_format": st.sampled_from(
            (
                {"type": "text"},
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "x", "schema": JSON_SCHEMA, "strict": False}},
            )
        ),
        "tool_choice": st.sampled_from(
            ("auto", "none", "required", {"type": "function", "function": {"name": "weather"}})
        ),
        "store": FLAGS,
        "verbosity": st.just("low"),
        "prediction": st.just({"type": "content", "content": "x"}),
        "web_search_options": st.just({}),
        "modalities": st.just(["text"]),
    },
    "openai-responses": {
        "max_output_tokens": null_or(COUNTS),
        "temperature": null_or(NUMBERS),
        "top_p": null_or(NUMBERS),
        "top_logprobs": null_or(COUNTS),
        "user": null_or(st.just("") | WORDS),
        "service_tier": null_or(st.just("flex")),
        "metadata": null_or(st.dictionaries(WORDS, WORDS, max_size=1)),
        "prompt_cache_key": null_or(st.just("") | WORDS),
        "parallel_tool_calls": null_or(FLAGS),
        "reasoning": st.sampled_from(({"effort": "none"}, {"effort": "low", "summary": "auto"})),
        "stream": st.just(True),
        "stream_options": st.just({"include_obfuscation": False}),
        "text": st.sampled_from(
            (
                {"verbosity": "low"},
                {"format": {"type": "text"}},
                {"format": {"type": "json_schema", "name": "x", "schema": JSON_SCHEMA, "strict": False}},
            )
        ),
        "tool_choice": st.sampled_from(("auto", "none", "required", {"type": "function", "name": "weather"})),
        "store": null_or(FLAGS),
        "include": st.just(["reasoning.encrypted_content"]),
        "truncation": null_or(st.sampled_from(("auto", "disabled"))),
        "background": null_or(FLAGS),
        "previous_response_id": null_or(st.just("resp_1")),
        "max_tool_calls": null_or(COUNTS),
        "safety_identifier": st.just("s"),
        "conversation": st.just("conv_1"),
    },
    "anthropic": {
        "max_tokens": COUNTS,
        "temperature": NUMBERS,
        "top_p": NUMBERS,
        "top_k": COUNTS,
        "stop_sequences": STOPS,
        "metadata": st.just({"user_id": ""}) | st.just({"user_id": "u"}) | st.just({"user_id": None}),
        "service_tier": st.sampled_from(("auto", "standard_only")),
        "stream": st.just(True),
        "thinking": st.sampled_from(
            (
                {"type": "enabled", "budget_tokens": 1024},
                {"type": "disabled"},
                {"type": "adaptive"},
                {"type": "adaptive", "display": "omitted"},
            )
        ),
        "output_config": st.sampled_from(
            ({"effort": "low"}, {"format": {"type": "json_schema", "schema": {**JSON_SCHEMA}}}, {"effort": "max"})
        ),
        "tool_choice": st.sampled_from(
            (
                {"type": "auto"},
                {"type": "none"},
                {"type": "any", "disable_parallel_tool_use": False},
                {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            )
        ),
        "container": st.just("c"),
        "mcp_servers": st.just([]),
        "context_management": st.just({"edits": []}),
    },
    "gemini": {
        "generationConfig.maxOutputTokens": null_or(COUNTS),
        "generationConfig.temperature": null_or(NUMBERS),
        "generationConfig.topP": null_or(NUMBERS),
        "generationConfig.topK": null_or(COUNTS),
        "generationConfig.candidateCount": null_or(st.just(1)),
        "generationConfig.stopSequences": null_or(STOPS),
        "generationConfig.seed": null_or(COUNTS),
        "generationConfig.presencePenalty": null_or(NUMBERS),
        "generationConfig.frequencyPenalty": null_or(NUMBERS),
        "generationConfig.responseLogprobs": null_or(FLAGS),
        "generationConfig.logprobs": null_or(COUNTS),
        "generationConfig.thinkingConfig": st.sampled_from(
            ({"thinkingBudget": 0}, {"thinkingBudget": -1, "includeThoughts": True}, {"includeThoughts": False})
        ),
        "generationConfig.speechConfig": st.just({"languageCode": "de-DE"}),
        "generationConfig.mediaResolution": st.just("MEDIA_RESOLUTION_LOW"),
        "serviceTier": st.just("flex"),
        "toolConfig.functionCallingConfig": st.sampled_from(
            ({"mode": "AUTO"}, {"mode": "NONE"}, {"mode": "ANY", "allowedFunctionNames": ["weather"]})
        ),
        "toolConfig.retrievalConfig": st.just({"languageCode": "de"}),
        "cachedContent": st.just("cachedContents/x"),
        "labels": st.just({"a": ""}),
        "safetySettings": st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]),
    },
    "ollama": {
        "options.num_predict": null_or(COUNTS) | st.just(-1),
        "options.temperature": null_or(NUMBERS),
        "options.top_p": null_or(NUMBERS),
        "options.top_k": null_or(COUNTS),
        "options.stop": null_or(STOPS),
        "options.seed": null_or(COUNTS),
        "options.presence_penalty": null_or(NUMBERS),
        "options.frequency_penalty": null_or(NUMBERS),
        "options.num_ctx": null_or(COUNTS),
        "options.repeat_penalty": NUMBERS,
        "options.mirostat": COUNTS,
        "logprobs": null_or(FLAGS),
        "top_logprobs": null_or(COUNTS),
        "think": null_or(FLAGS) | st.sampled_from(("low", "high")),
        "format": st.sampled_from(("json", JSON_SCHEMA)),
        "keep_alive": st.sampled_from((0, "5m")),
        "stream": FLAGS,
        "truncate": FLAGS,
    },
}

# Of these, what no other wire has anything for: it is reported, whoever the target is.
OWN = {
    "openai-chat": ("prediction", "web_search_options", "modalities"),
    "openai-responses": ("previous_response_id", "max_tool_calls", "conversation"),
    "anthropic": ("container", "mcp_servers", "context_management"),
    "gemini": (
        "generationConfig.speechConfig", "generationConfig.mediaResolution", "toolConfig.retrievalConfig",
        "cachedContent", "labels", "safetySettings",
    ),
    "ollama": ("options.num_ctx", "options.repeat_penalty", "options.mirostat", "keep_alive", "truncate"),
}  # fmt: skip

TELLS: dict[str, Callable[[Talk], dict[str, Any]]] = {
    "openai-chat": openai_chat,
    "openai-responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "ollama": ollama,
}


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Writes a field, inside others where its path has dots."""
    *outer, last = path.split(".")
    for name in outer:
        body = body.setdefault(name, {})
    body[last] = value


@st.composite
def requests(draw: st.DrawFn, wire: str) -> dict[str, Any]:
    """A request of this wire."""
    body = TELLS[wire](draw(TALKS))
    for path, value in draw(st.fixed_dictionaries({}, optional=FIELDS[wire])).items():
        put(body, path, value)
    if "stream_options" in body and not body.get("stream"):
        del body["stream_options"]
    if body.get("thinking", {}).get("type") == "enabled" and "tool_use" in compact(body["messages"]):
        del body["thinking"]  # Claude takes back its calls with the thought before them only
    return body
