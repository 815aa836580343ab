"""Chat requests, wire → IR: https://platform.openai.com/docs/api-reference/chat/create and what the field adds to it.

Read beside OpenAI's own fields: `reasoning_content` and `reasoning` of assistant messages (DeepSeek, vLLM),
OpenRouter's `reasoning_details` and `reasoning`, `cache_control` on parts and tools (OpenRouter, LiteLLM), Mistral's
`thinking` parts, Gemini's `extra_content.google.thought_signature` on calls, and the functions that preceded tools.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import (
    Cache,
    Declined,
    Extras,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols import media
from gateway.protocols.contract import Head
from gateway.protocols.openai_chat.reasoning import thoughts_of
from gateway.protocols.pairing import Pairing
from gateway.protocols.reading import Fields, Malformed, compact, json_of, kind_of, strings, wrong
from gateway.protocols.seals import GEMINI, unwrap

ORIGIN: Final = "openai-chat"
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
# Fields that the IR says in words of its own; the same wire gets them back as they were.
_AS_WRITTEN: Final = ("stream_options", "reasoning_effort", "reasoning")


# Fields that are one value: the request's name for it, and how it is read.
_SCALARS: Final[dict[str, tuple[str, Callable[[Fields, str], Any]]]] = {
    "temperature": ("temperature", Fields.maybe_number),
    "top_p": ("top_p", Fields.maybe_number),
    "top_k": ("top_k", Fields.maybe_whole),
    "seed": ("seed", Fields.maybe_whole),
    "presence_penalty": ("presence_penalty", Fields.maybe_number),
    "frequency_penalty": ("frequency_penalty", Fields.maybe_number),
    "logprobs": ("logprobs", Fields.maybe_flag),
    "top_logprobs": ("top_logprobs", Fields.maybe_whole),
    "logit_bias": ("logit_bias", Fields.maybe_object),
    "n": ("n", Fields.maybe_whole),
    "user": ("user", Fields.maybe_text),
    "service_tier": ("service_tier", Fields.maybe_text),
    "metadata": ("metadata", Fields.maybe_object),
    "prompt_cache_key": ("cache_key", Fields.maybe_text),
}


def decode_request(head: Head) -> Request:
    """The request. Raises `Malformed` naming the field that is wrong."""
    fields = Fields(json_of(head.body), "")
    fields.some("model")
    fields.some("stream")
    item = {name: fields.left[name] for name in _AS_WRITTEN if name in fields.left}
    options = fields.maybe_object("stream_options") or None
    tools = _tools(fields.items("tools")) + _functions(fields.items("functions"))
    most = fields.maybe_whole("max_completion_tokens")
    older = fields.maybe_whole("max_tokens")
    pairing = Pairing()
    return Request(
        origin=ORIGIN,
        model=head.model,
        messages=tuple(_message(each, f"messages[{at}]", pairing) for at, each in enumerate(fields.items("messages"))),
        tools=tools,
        tool_choice=_choice(fields),
        parallel_tools=fields.maybe_flag("parallel_tool_calls"),
        format=_format(fields.inner("response_format")),
        thinking=_thinking(fields),
        max_tokens=most if isinstance(most, int) or older is UNSET else older,
        stop=_stop(fields),
        **{_SCALARS[name][0]: _SCALARS[name][1](fields, name) for name in fields.left.keys() & _SCALARS.keys()},
        stream=head.stream,
        stream_usage=options is not None and options.get("include_usage") is True,
        extras={**fields.left, "item": item} if item else fields.left,
    )


def _stop(fields: Fields) -> Any:
    value = fields.take("stop")
    if value is UNSET or value is None:
        return value
    return (value,) if isinstance(value, str) else strings(value, "stop")


def _thinking(fields: Fields) -> Thinking | None:
    effort = fields.text("reasoning_effort")
    reasoning = fields.left.get("reasoning")  # OpenRouter's
    if isinstance(reasoning, dict):
        inner = fields.inner("reasoning")
        if inner is not None:
            return Thinking(
                effort=effort or inner.text("effort"),
                budget=inner.whole("max_tokens"),
                enabled=inner.flag("enabled"),
                extras=inner.extras(),
            )
    return Thinking(effort=effort) if effort is not None else None


def _format(fields: Fields | None) -> Format | None:
    if fields is None:
        return None
    kind = fields.needed("type")
    if kind in ("text", "json_object"):
        return Format(kind=kind, extras=fields.extras())  # type: ignore[arg-type]  # narrowed by the line above
    if kind != "json_schema":
        raise Malformed(fields.path("type"), "must be 'text', 'json_object' or 'json_schema'")
    inner = fields.inner("json_schema")
    if inner is None:
        raise Malformed(fields.path("json_schema"), "is missing")
    return Format(
        kind="json_schema",
        schema=inner.some("schema"),
        name=inner.text("name"),
        description=inner.text("description"),
        strict=inner.flag("strict"),
        extras=inner.extras(),
    )


def _tools(values: list[Any]) -> tuple[Tool | HostedTool, ...]:
    return tuple(_tool(value, f"tools[{at}]") for at, value in enumerate(values))


def _tool(value: Any, at: str) -> Tool | HostedTool:
    fields = Fields(value, at)
    kind = fields.text("type") or "function"
    if kind == "custom":
        inner = fields.inner("custom")
        if inner is None:
            raise Malformed(f"{at}.custom", "is missing")
        return Tool(
            name=inner.needed("name"),
            description=inner.text("description"),
            custom=True,
            grammar=inner.some("format"),
            extras=fields.extras(),
        )
    inner = fields.inner("function")
    if kind != "function" or inner is None:
        if kind == "function":
            raise Malformed(f"{at}.function", "is missing")
        return HostedTool(kind, value)
    cache = cache_of(fields) or cache_of(inner)
    return function_tool(inner, cache, fields.extras())


def function_tool(fields: Fields, cache: Cache | None, extras: Extras | None) -> Tool:
    """A function's own object: name, description, parameters, strict."""
    return Tool(
        name=fields.needed("name"),
        description=fields.text("description"),
        schema=fields.some("parameters"),
        strict=fields.flag("strict"),
        cache=cache,
        extras={**fields.left, **(extras or {})} or None,
    )


def _functions(values: list[Any]) -> tuple[Tool, ...]:
    return tuple(function_tool(Fields(value, f"functions[{at}]"), None, None) for at, value in enumerate(values))


def _choice(fields: Fields) -> ToolChoice | None:
    value = fields.some("tool_choice")
    older = fields.some("function_call")
    if value is None and older is not None:
        value = older if isinstance(older, str) else {"type": "function", "function": older}
    if value is None:
        return None
    if isinstance(value, str):
        word = {"any": "required"}.get(value, value)
        if word not in ("auto", "none", "required"):
            raise Malformed("tool_choice", "must be 'none', 'auto', 'required' or an object that names a tool")
        return ToolChoice(mode=word)  # type: ignore[arg-type]  # narrowed by the line above
    inner = Fields(value, "tool_choice")
    kind = inner.text("type") or "function"
    if kind in ("function", "custom"):
        named = inner.inner(kind)
        name = named.needed("name") if named is not None else inner.needed("name")
        return ToolChoice(mode="tool", name=name)
    if kind == "allowed_tools":
        return allowed_choice(inner.inner("allowed_tools") or inner)
    return ToolChoice(mode="auto", raw=value)


def allowed_choice(fields: Fields) -> ToolChoice:
    """`allowed_tools`: a mode and the tools it is narrowed to."""
    names = []
    for at, each in enumerate(fields.items("tools")):
        tool = Fields(each, f"{fields.at}.tools[{at}]")
        inner = tool.inner("function") or tool.inner("custom") or tool
        name = inner.text("name")
        if name is not None:
            names.append(name)
    mode = fields.text("mode")
    return ToolChoice(mode="required" if mode == "required" else "auto", allowed=tuple(names))


def _message(value: Any, at: str, pairing: Pairing) -> Message:
    fields = Fields(value, at)
    word = fields.needed("role")
    role = _ROLES.get(word)
    if role is None:
        raise Malformed(f"{at}.role", f"must be one of {', '.join(_ROLES)}, not {word!r}")
    content = fields.some("content")
    name = fields.text("name")
    if role == "tool":
        call = fields.text("tool_call_id")
        if call is None:
            if word == "tool":
                raise Malformed(f"{at}.tool_call_id", "is missing")
            call = name or ""
        if not call or pairing.waits(call):
            call = pairing.result(call or None, name)
        error = fields.flag("is_error")
        cache = cache_of(fields)
        result = ToolResult(
            call=call,
            name=name,
            content=parts_of(content, f"{at}.content"),
            error=error,
            cache=cache,
            extras=fields.extras(),
        )
        return Message("tool", (result,))
    if role != "assistant":
        cache = cache_of(fields)
        return Message(role, marked(parts_of(content, f"{at}.content"), cache), name, fields.extras())
    parts: list[Part] = [*thoughts_of(fields), *parts_of(content, f"{at}.content")]
    refusal = fields.text("refusal")
    if refusal:
        parts.append(Declined(refusal))
    for index, each in enumerate(fields.items("tool_calls")):
        parts.append(_call(each, f"{at}.tool_calls[{index}]", pairing))
    older = fields.inner("function_call")
    if older is not None:
        tool = older.needed("name")
        parts.append(ToolCall(id=tool, name=tool, arguments=older.text("arguments") or "{}"))
    fields.some("annotations")
    audio = fields.some("audio")
    if audio is not None:
        parts.append(Opaque("audio", {"audio": audio}))
    return Message("assistant", marked(tuple(parts), cache_of(fields)), name, fields.extras())


def _call(value: Any, at: str, pairing: Pairing) -> ToolCall:
    fields = Fields(value, at)
    kind = fields.text("type") or "function"
    inner = fields.inner("custom" if kind == "custom" else "function")
    if inner is None:
        raise Malformed(f"{at}.{'custom' if kind == 'custom' else 'function'}", "is missing")
    given = inner.some("input" if kind == "custom" else "arguments")
    fields.some("index")
    signature = None
    extra = fields.left.get("extra_content")
    if isinstance(extra, dict) and isinstance(extra.get("google"), dict):
        word = extra["google"].get("thought_signature")
        if isinstance(word, str):
            fields.some("extra_content")
            signature = unwrap(word, GEMINI)
    name = inner.needed("name")
    return ToolCall(
        id=pairing.call(fields.text("id"), name),
        name=name,
        arguments=arguments_of(given, f"{at}.arguments", custom=kind == "custom"),
        custom=kind == "custom",
        signature=signature,
        cache=cache_of(fields),
        extras=fields.extras(),
    )


def arguments_of(value: Any, at: str, *, custom: bool = False) -> str:
    """Arguments as text; some clients write the object itself."""
    if isinstance(value, str):
        return value if value or custom else "{}"
    if value is None:
        return "" if custom else "{}"
    if isinstance(value, dict):
        return compact(value)
    raise wrong(at, "a string", value)


def cache_of(fields: Fields) -> Cache | None:
    """A `cache_control` mark."""
    value = fields.some("cache_control")
    if not isinstance(value, dict):
        return None
    ttl = value.get("ttl")
    return Cache(ttl if isinstance(ttl, str) else None)


def marked(parts: tuple[Part, ...], cache: Cache | None) -> tuple[Part, ...]:
    """Puts a mark of a whole message on its last part that can bear one."""
    if cache is None or not parts or not isinstance(parts[-1], Text):
        return parts
    last = parts[-1]
    return (*parts[:-1], Text(last.text, last.citations, cache, last.signature, last.extras))


def parts_of(content: Any, at: str) -> tuple[Part, ...]:
    """The content of a message: a string, or parts."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise Malformed(at, f"must be a string or an array of parts, not {kind_of(content)}")
    return tuple(_part(each, f"{at}[{index}]") for index, each in enumerate(content))


def _part(value: Any, at: str) -> Part:
    if isinstance(value, str):
        return Text(value)
    fields = Fields(value, at)
    kind = fields.needed("type")
    cache = cache_of(fields)
    match kind:
        case "text" | "input_text" | "output_text":
            return Text(fields.needed("text"), cache=cache, extras=fields.extras())
        case "refusal":
            return Declined(fields.needed("refusal"))
        case "image_url" | "video_url" | "audio_url":
            return _linked(fields, kind, cache)
        case "input_audio":
            inner = fields.inner("input_audio")
            if inner is None:
                raise Malformed(f"{at}.input_audio", "is missing")
            word = inner.text("format") or "wav"
            return Media(
                kind="audio",
                mime={"mp3": "audio/mpeg"}.get(word, f"audio/{word}"),
                data=inner.needed("data"),
                cache=cache,
                extras=fields.extras(),
            )
        case "file":
            inner = fields.inner("file")
            if inner is None:
                raise Malformed(f"{at}.file", "is missing")
            return file_of(inner, cache, fields.extras())
        case "document_url" | "document":  # Mistral's, Cohere's
            url = fields.left.get("document_url")
            if isinstance(url, dict):
                url = url.get("url")
            if isinstance(url, str):
                return linked("document", url, cache=cache)
            return Opaque(kind, value)
        case "thinking":  # Mistral's
            return Reasoning(text=thinking_text(fields.some("thinking")))
        case _:
            return Opaque(kind, value)


def thinking_text(value: Any) -> str:
    """The text of Mistral's `thinking`: a string, or chunks of text."""
    if isinstance(value, str):
        return value
    chunks = value if isinstance(value, list) else []
    return "".join(each["text"] for each in chunks if isinstance(each, dict) and isinstance(each.get("text"), str))


def _linked(fields: Fields, kind: str, cache: Cache | None) -> Part:
    value = fields.some(kind)
    if isinstance(value, str):
        value = {"url": value}
    inner = Fields(value, fields.path(kind))
    word: Any = kind.removesuffix("_url")
    return linked(word, inner.needed("url"), detail=inner.text("detail"), mime=inner.text("format"), cache=cache)


def linked(
    kind: media.Kind,
    url: str,
    *,
    detail: str | None = None,
    mime: str | None = None,
    name: str | None = None,
    cache: Cache | None = None,
) -> Media:
    """Content that a URL stands for, a data URL opened."""
    found = media.data_url(url)
    if found is None:
        return Media(kind=kind, mime=mime, url=url, detail=detail, name=name, cache=cache)
    said, data = found
    return Media(kind=kind, mime=media.sniffed(said or mime, data), data=data, detail=detail, name=name, cache=cache)


def file_of(fields: Fields, cache: Cache | None, extras: Extras | None) -> Media:
    """A `file`: an id, or data as a data URL (or bare base64) with a name."""
    name = fields.text("filename")
    id_ = fields.text("file_id")
    data = fields.text("file_data")
    url = fields.text("file_url")
    extras = {**fields.left, **(extras or {})} or None
    if data is not None:
        found = media.data_url(data)
        mime, content = found if found is not None else (None, data)
        mime = media.sniffed(mime or media.by_name(name), content)
        return Media(kind=media.kind_of(mime), mime=mime, data=content, name=name, cache=cache, extras=extras)
    if url is not None:
        return linked("document", url, name=name, mime=media.by_name(url), cache=cache)
    if id_ is None:
        raise Malformed(fields.path("file_data"), "is missing")
    return Media(kind="document", file=id_, name=name, cache=cache, extras=extras)
