"""Requests, wire → IR: https://ai.google.dev/api/generate-content, in camelCase or snake_case.

The model and whether to stream are in the path, so the head brings them. Fields that only Gemini knows become `extras`
under their dotted paths (`generationConfig.speechConfig`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Format, HostedTool, Message, Part, Request, Role, Text, Tool, ToolChoice, ToolResult
from gateway.protocols.contract import Head
from gateway.protocols.gemini.parts import content_of, parts_of
from gateway.protocols.gemini.schemas import from_gemini
from gateway.protocols.gemini.shapes import (
    ORIGIN,
    TOGETHER,
    Talking,
    count_of,
    fields_of,
    inner_of,
    list_of,
    too_deep,
    under,
)
from gateway.protocols.gemini.thinking import thinking_of
from gateway.protocols.reading import Fields, Malformed, json_of, strings

_MODEL: Final = "model"
_ROLES: Final = {"user": "user", "function": "user", "tool": "user", "model": _MODEL, "assistant": _MODEL}
_TIERS: Final = {"standard": "default"}


def decode_request(head: Head) -> Request:
    """The request. Raises `Malformed` naming the field that is wrong."""
    try:
        return _request(head)
    except RecursionError:
        raise too_deep() from None


def _request(head: Head) -> Request:
    fields = fields_of(json_of(head.body), "")
    fields.some("model")
    fields.some("stream")
    ids = Talking()
    system = fields.some("systemInstruction")
    messages = [Message("system", tuple(content_of(system, "systemInstruction", ids)))] if system is not None else []
    messages += _contents(fields, ids)
    tools: list[Tool | HostedTool] = []
    for at, each in enumerate(list_of(fields, "tools")):
        tools.extend(_tools(each, f"tools[{at}]"))
    config = inner_of(fields, "toolConfig")
    extras: dict[str, Any] = {}
    choice = _choice(config, extras) if config is not None else None
    given = inner_of(fields, "generationConfig")
    settings = _settings(given, head.model, extras) if given is not None else {}
    tier = fields.maybe_text("serviceTier")
    request = Request(
        origin=ORIGIN,
        model=head.model,
        messages=tuple(messages),
        tools=tuple(tools),
        tool_choice=choice,
        service_tier=_TIERS.get(tier.lower(), tier) if isinstance(tier, str) else tier,
        stream=head.stream,
        stream_usage=True,
        extras=extras,
        **settings,
    )
    extras.update(fields.left)
    return request


# Fields of `generationConfig` that are one value: the request's name for it, and how it is read.
_SETTINGS: Final[dict[str, tuple[str, Callable[[Fields, str], Any]]]] = {
    "maxOutputTokens": ("max_tokens", count_of),
    "temperature": ("temperature", Fields.maybe_number),
    "topP": ("top_p", Fields.maybe_number),
    "topK": ("top_k", count_of),
    "seed": ("seed", count_of),
    "presencePenalty": ("presence_penalty", Fields.maybe_number),
    "frequencyPenalty": ("frequency_penalty", Fields.maybe_number),
    "responseLogprobs": ("logprobs", Fields.maybe_flag),
    "logprobs": ("top_logprobs", count_of),
    "candidateCount": ("n", count_of),
}


def _settings(given: Fields, model: str, extras: dict[str, Any]) -> dict[str, Any]:
    """A `generationConfig` as fields of the request; what only Gemini knows goes to `extras`."""
    out: dict[str, Any] = {}
    for name in [name for name in given.left if name in _SETTINGS]:
        ours, read = _SETTINGS[name]
        out[ours] = read(given, name)
    out["format"] = _format(given)
    if given.left.get("responseModalities") == ["TEXT"] and "image" not in model:
        given.some("responseModalities")  # what every model that makes text does anyway
    out["thinking"] = thinking_of(inner_of(given, "thinkingConfig"))
    stop = given.take("stopSequences")
    if stop is not UNSET:
        out["stop"] = stop if stop is None else strings(stop, "generationConfig.stopSequences")
    extras.update(under("generationConfig", given.left))
    return out


def _contents(fields: Fields, ids: Talking) -> list[Message]:
    value = fields.some("contents")
    if value is None:
        raise Malformed("contents", "is missing")
    values = value if isinstance(value, list) else [value]
    messages: list[Message] = []
    for at, each in enumerate(values):
        before = messages.pop() if messages and _goes_on(messages[-1], each) else None
        messages.extend(_content(each, f"contents[{at}]", ids, before))
    return messages


def _goes_on(message: Message, value: Any) -> bool:
    """Whether a content is more of the model's turn: SDKs keep a stream as a content for each of its chunks."""
    if message.role != "assistant" or message.extras or not isinstance(value, dict):
        return False
    return _ROLES.get(value.get("role") or "") == _MODEL and not value.keys() - {"role", "parts"}


def _joined(parts: list[Part], at: int) -> list[Part]:
    """The parts with the texts on both sides of a place as one, where they are nothing but text."""
    if not 0 < at < len(parts):
        return parts
    one, other = parts[at - 1], parts[at]
    if not (isinstance(one, Text) and isinstance(other, Text)) or one != Text(one.text) or other != Text(other.text):
        return parts
    return [*parts[: at - 1], Text(one.text + other.text), *parts[at + 1 :]]


def _content(value: Any, at: str, ids: Talking, before: Message | None = None) -> list[Message]:
    """One turn, or the rest of the one `before`. Results of functions stand first, in a message of their own."""
    if isinstance(value, str):
        return [Message("user", tuple(content_of(value, at, ids)))]
    fields = fields_of(value, at)
    word = fields.text("role") or "user"
    if word not in _ROLES:
        raise Malformed(f"{at}.role", f"must be 'user' or 'model', not {word!r}")
    model = _ROLES[word] == _MODEL
    if model and before is None:
        ids.turn()
    earlier = list(before.parts) if before is not None else []
    parts = _joined(parts_of(list_of(fields, "parts"), f"{at}.parts", ids, earlier), len(earlier))
    if model and len(parts) > 1:  # the end of a stream, as SDKs keep it
        parts = [part for part in parts if part != Text("")]
    extras = fields.extras()
    role: Role = "assistant" if model else "user"
    results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
    if not results:
        return [Message(role, tuple(parts), extras=extras)]
    others = tuple(part for part in parts if not isinstance(part, ToolResult))
    if not others:
        return [Message("tool", tuple(results), extras=extras)]
    return [Message("tool", tuple(results)), Message(role, others, extras={**(extras or {}), "wrapper": TOGETHER})]


def _tools(value: Any, at: str) -> list[Tool | HostedTool]:
    fields = fields_of(value, at)
    out: list[Tool | HostedTool] = []
    for index, each in enumerate(list_of(fields, "functionDeclarations")):
        out.append(_function(each, f"{at}.functionDeclarations[{index}]"))
    out.extend(HostedTool(name, {name: each}) for name, each in fields.left.items() if each is not None)
    return out


def _function(value: Any, at: str) -> Tool:
    fields = fields_of(value, at)
    schema, written = _schema(fields, "parameters", "parametersJsonSchema")
    return Tool(
        name=fields.needed("name"),
        description=fields.text("description"),
        schema=schema,
        extras={**fields.left, **written} or None,
    )


def _schema(fields: Fields, older: str, newer: str) -> tuple[Any, dict[str, Any]]:
    """A schema as JSON Schema, and how it was written: in which field, in Gemini's words or in JSON Schema's."""
    written = {name: value for name in (older, newer) if (value := fields.some(name)) is not None}
    schema = written.get(newer, written.get(older))
    return from_gemini(schema), {"wrapper": written} if written else {}


def _choice(config: Fields, extras: dict[str, Any]) -> ToolChoice | None:
    calling = inner_of(config, "functionCallingConfig")
    extras.update(under("toolConfig", config.left))
    if calling is None:
        return None
    mode = (calling.text("mode") or "AUTO").upper()
    names = calling.strings("allowedFunctionNames")
    extras.update(under("toolConfig.functionCallingConfig", calling.left))
    match mode:
        case "ANY" if len(names) == 1:
            return ToolChoice(mode="tool", name=names[0])
        case "ANY":
            return ToolChoice(mode="required", allowed=names)
        case "NONE":
            return ToolChoice(mode="none")
        case "VALIDATED" if not names:
            return ToolChoice(mode="auto", raw={"mode": "VALIDATED"})
        case "AUTO" | "VALIDATED" | "MODE_UNSPECIFIED":
            return ToolChoice(mode="auto", allowed=names)
    raise Malformed(calling.path("mode"), "must be AUTO, ANY, NONE or VALIDATED")


def _format(settings: Fields) -> Format | None:
    """The form of the answer; `text/x.enum` and whatever else is no JSON stays Gemini's own."""
    mime = settings.left.get("responseMimeType")
    if mime is not None and mime not in ("application/json", "text/plain"):
        if not isinstance(mime, str):
            settings.text("responseMimeType")
        return None
    settings.some("responseMimeType")
    schema, written = _schema(settings, "responseSchema", "responseJsonSchema")
    if schema is not None:
        return Format(kind="json_schema", schema=schema, extras=written)
    if mime is None:
        return None
    return Format(kind="json_object" if mime == "application/json" else "text")
