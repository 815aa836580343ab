"""Requests, wire → IR: https://docs.ollama.com/api/chat.

Samplers and bounds stand in `options`; those that no other wire knows (`num_ctx`, `repeat_penalty`, `mirostat`, …) stay
there, and are `extras` under their dotted names. `num_predict` below zero means no bound, which is what leaving it
out means elsewhere; so nobody is told of it there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET, UnsetType

from gateway.ir.chat import (
    Extras,
    Format,
    HostedTool,
    Media,
    Message,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.protocols import media
from gateway.protocols.contract import Head
from gateway.protocols.pairing import Pairing
from gateway.protocols.reading import Fields, Malformed, compact, json_of, strings, wrong

ORIGIN: Final = "ollama"
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
OPTIONS: Final = "options."  # before the names of options among a request's extras
EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")


# Options that are one value, by the name that the neutral form has for them too.
_OPTIONS: Final[dict[str, Callable[[Fields, str], Any]]] = {
    "temperature": Fields.maybe_number,
    "top_p": Fields.maybe_number,
    "top_k": Fields.maybe_whole,
    "seed": Fields.maybe_whole,
    "presence_penalty": Fields.maybe_number,
    "frequency_penalty": Fields.maybe_number,
}


def decode_request(head: Head) -> Request:
    """The request. Raises `Malformed` naming the field that is wrong."""
    fields = Fields(json_of(head.body), "")
    fields.some("model")
    fields.some("stream")
    options = fields.inner("options") or Fields({}, "options")
    given = dict(options.left)
    pairing = Pairing()
    most = _most(options)
    unbound = {"item": {"num_predict": given["num_predict"]}} if most is UNSET and "num_predict" in given else {}
    return Request(
        origin=ORIGIN,
        model=head.model,
        messages=tuple(
            _message(value, f"messages[{at}]", pairing) for at, value in enumerate(fields.items("messages"))
        ),
        tools=tuple(_tool(value, f"tools[{at}]") for at, value in enumerate(fields.items("tools"))),
        format=_format(fields),
        thinking=_thinking(fields),
        max_tokens=most,
        stop=_stop(options),
        **{name: _OPTIONS[name](options, name) for name in options.left.keys() & _OPTIONS.keys()},
        logprobs=fields.maybe_flag("logprobs"),
        top_logprobs=fields.maybe_whole("top_logprobs"),
        stream=head.stream,
        stream_usage=True,
        extras={**fields.left, **unbound, **{f"{OPTIONS}{name}": value for name, value in options.left.items()}},
    )


def _most(options: Fields) -> int | UnsetType | None:
    most = options.maybe_whole("num_predict")
    return UNSET if isinstance(most, int) and most < 0 else most


def _stop(options: Fields) -> Any:
    value = options.take("stop")
    if value is UNSET or value is None:
        return value
    return (value,) if isinstance(value, str) else strings(value, "options.stop")


def _thinking(fields: Fields) -> Thinking | None:
    value = fields.left.get("think")
    if value is None:  # the model's default; an explicit null stays in the extras
        return None
    del fields.left["think"]
    if isinstance(value, bool):
        return Thinking(enabled=value)
    if not isinstance(value, str):
        raise wrong("think", "a boolean or a string", value)
    if value in EFFORTS:
        return Thinking(effort=value)
    return Thinking(enabled=True, extras={"think": value})  # words are the model's own


def _format(fields: Fields) -> Format | None:
    value = fields.some("format")
    if value is None or value == "":
        return None
    if value == "json":
        return Format(kind="json_object")
    if isinstance(value, dict):
        return Format(kind="json_schema", schema=value)
    raise Malformed("format", 'must be "json" or a JSON schema')


def _tool(value: Any, at: str) -> Tool | HostedTool:
    fields = Fields(value, at)
    kind = fields.text("type") or "function"
    if kind != "function":
        return HostedTool(kind, value)
    inner = fields.inner("function")
    if inner is None:
        raise Malformed(f"{at}.function", "is missing")
    name = inner.needed("name")
    return Tool(
        name=name,
        description=inner.text("description"),
        schema=inner.some("parameters"),
        strict=inner.flag("strict"),
        extras={**fields.left, "function": inner.left} if inner.left else fields.extras(),
    )


def _message(value: Any, at: str, pairing: Pairing) -> Message:
    fields = Fields(value, at)
    word = fields.needed("role")
    role = _ROLES.get(word.lower())
    if role is None:
        raise Malformed(f"{at}.role", f"must be one of {', '.join(_ROLES)}, not {word!r}")
    content = fields.text("content")
    images = tuple(
        _image(each, f"{fields.path('images')}[{index}]") for index, each in enumerate(fields.items("images"))
    )
    name = fields.text("name")
    if role == "tool":
        return _result(fields, content, images, name, pairing)
    parts: list[Part] = []
    thinking = fields.text("thinking")
    if thinking:
        parts.append(Reasoning(text=thinking))
    if content:
        parts.append(Text(content))
    parts += images
    parts += [
        _call(each, f"{fields.path('tool_calls')}[{index}]", pairing)
        for index, each in enumerate(fields.items("tool_calls"))
    ]
    return Message(role, tuple(parts) or (Text(""),), name, fields.extras())


def _result(
    fields: Fields, content: str | None, images: tuple[Media, ...], name: str | None, pairing: Pairing
) -> Message:
    tool = fields.text("tool_name")
    given = fields.text("tool_call_id")
    tool = name if tool is None else tool
    result = ToolResult(
        call=pairing.result(given, tool),
        name=tool,
        content=(Text(content or ""), *images) if content or not images else images,
        extras=fields.extras(),
    )
    return Message("tool", (result,))


def _image(value: Any, at: str) -> Media:
    if not isinstance(value, str):
        raise wrong(at, "a string", value)
    found = media.data_url(value)  # not Ollama's, but what some clients write
    mime, data = found if found is not None else (None, value)
    return Media(kind="image", mime=media.sniffed(mime, data), data=data)


def _call(value: Any, at: str, pairing: Pairing) -> ToolCall:
    fields = Fields(value, at)
    inner = fields.inner("function")
    if inner is None:
        raise Malformed(f"{at}.function", "is missing")
    fields.some("type")
    name = inner.needed("name")
    index = inner.some("index")
    extras: Extras = {**fields.left, **inner.left}
    given = extras.pop("id", None)
    arguments = extras.pop("arguments", None)
    if index is not None:
        extras["index"] = index  # its place; it says nothing that the order does not
    return ToolCall(
        id=pairing.call(given if isinstance(given, str) else None, name),
        name=name,
        arguments=arguments_of(arguments, f"{at}.function.arguments"),
        extras=extras or None,
    )


def arguments_of(value: Any, at: str) -> str:
    """Arguments as JSON text; some clients write the text itself."""
    if value is None or value == "":
        return "{}"
    if isinstance(value, dict):
        return compact(value)
    if isinstance(value, str):
        return value
    raise wrong(at, "an object", value)
