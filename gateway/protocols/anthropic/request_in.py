"""Messages requests, wire → IR: https://platform.claude.com/docs/en/api/messages/create.

Read beside the stable fields: `output_format` (the beta name of `output_config.format`), system messages in the
middle of a conversation, tools that Anthropic defines and the client runs. Results of tools become messages of their
own; what stands beside them stays in the user's.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import UNSET

from gateway.ir.chat import (
    Cache,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Seal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols import media
from gateway.protocols.anthropic.citations import citation_of
from gateway.protocols.contract import Head
from gateway.protocols.reading import Fields, Malformed, compact, json_of, kind_of
from gateway.protocols.seals import CALL, CLAUDE, is_of_call, unwrap
from gateway.protocols.tool_ids import fit

ORIGIN: Final = "anthropic"


def decode_request(head: Head) -> Request:
    """The request. Raises `Malformed` naming the field that is wrong."""
    fields = Fields(json_of(head.body), "")
    fields.some("model")
    fields.some("stream")
    system = blocks_of(fields.some("system"), "system")
    messages: list[Message] = [Message("system", system)] if system else []
    for at, value in enumerate(fields.items("messages")):
        messages += _message(value, f"messages[{at}]")
    choice, parallel = _choice(fields.inner("tool_choice"))
    metadata = fields.inner("metadata")
    config = fields.inner("output_config")
    tier = fields.maybe_text("service_tier")
    stop = fields.take("stop_sequences")
    if stop is not UNSET:
        fields.left["stop_sequences"] = stop
        stop = fields.strings("stop_sequences")
    return Request(
        origin=ORIGIN,
        model=head.model,
        messages=tuple(messages),
        tools=tuple(_tool(value, f"tools[{at}]") for at, value in enumerate(fields.items("tools"))),
        tool_choice=choice,
        parallel_tools=parallel,
        format=_format(fields, config),
        thinking=_thinking(fields.inner("thinking"), config),
        max_tokens=fields.maybe_whole("max_tokens"),
        temperature=fields.maybe_number("temperature"),
        top_p=fields.maybe_number("top_p"),
        top_k=fields.maybe_whole("top_k"),
        stop=stop,
        user=metadata.maybe_text("user_id") if metadata is not None else UNSET,
        service_tier="default" if tier == "standard_only" else tier,
        stream=head.stream,
        stream_usage=True,
        extras={**fields.left, **({"output_config": config.left} if config is not None and config.left else {})},
    )


def _thinking(fields: Fields | None, config: Fields | None) -> Thinking | None:
    effort = config.text("effort") if config is not None else None
    if fields is None:
        return Thinking(effort=effort) if effort is not None else None
    kind = fields.needed("type")
    budget = fields.whole("budget_tokens")
    display = fields.text("display")
    if kind not in ("enabled", "disabled", "adaptive"):
        raise Malformed(fields.path("type"), "must be 'enabled', 'disabled' or 'adaptive'")
    return Thinking(
        effort=effort,
        budget=budget,
        enabled=kind != "disabled",
        adaptive=kind == "adaptive",
        summary={"omitted": "", "summarized": "auto"}.get(display) if display is not None else None,
        extras=fields.extras(),
    )


def _format(fields: Fields, config: Fields | None) -> Format | None:
    inner = config.inner("format") if config is not None else None
    older = fields.inner("output_format")
    inner = inner or older
    if inner is None:
        return None
    kind = inner.needed("type")
    if kind != "json_schema":
        raise Malformed(inner.path("type"), "must be 'json_schema'")
    return Format(kind="json_schema", schema=inner.some("schema"), strict=True, extras=inner.extras())


def _choice(fields: Fields | None) -> tuple[ToolChoice | None, Any]:
    if fields is None:
        return None, UNSET
    alone = fields.flag("disable_parallel_tool_use")
    kind = fields.needed("type")
    parallel = UNSET if alone is None else not alone
    match kind:
        case "auto" | "none":
            return ToolChoice(mode=kind), parallel
        case "any":
            return ToolChoice(mode="required"), parallel
        case "tool":
            return ToolChoice(mode="tool", name=fields.needed("name")), parallel
    raise Malformed(fields.path("type"), "must be 'auto', 'any', 'tool' or 'none'")


def _tool(value: Any, at: str) -> Tool | HostedTool:
    fields = Fields(value, at)
    kind = fields.text("type")
    if kind is not None and kind != "custom":
        return HostedTool(kind, value)
    return Tool(
        name=fields.needed("name"),
        description=fields.text("description"),
        schema=fields.some("input_schema"),
        strict=fields.flag("strict"),
        cache=cache_of(fields),
        extras=fields.extras(),
    )


def cache_of(fields: Fields) -> Cache | None:
    """A `cache_control` mark."""
    inner = fields.inner("cache_control")
    return Cache(inner.text("ttl")) if inner is not None else None


def _message(value: Any, at: str) -> list[Message]:
    fields = Fields(value, at)
    role = fields.needed("role")
    if role not in ("user", "assistant", "system"):
        raise Malformed(f"{at}.role", f"must be 'user', 'assistant' or 'system', not {role!r}")
    parts = blocks_of(fields.some("content"), f"{at}.content")
    if role != "user" or not any(isinstance(part, ToolResult) for part in parts):
        return [Message(role, parts, extras=fields.extras())]  # type: ignore[arg-type]  # narrowed above
    messages: list[Message] = []
    extras = fields.extras()  # the first of them has the turn's own fields
    for results, run in groupby(parts, lambda part: isinstance(part, ToolResult)):  # in the order they were written
        messages.append(Message("tool" if results else "user", tuple(run), extras=None if messages else extras))
    return messages


def blocks_of(content: Any, at: str) -> tuple[Part, ...]:
    """Content: a string, or blocks."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise Malformed(at, f"must be a string or an array of blocks, not {kind_of(content)}")
    return _signed([block_of(each, f"{at}[{index}]") for index, each in enumerate(content)])


def _signed(parts: list[Part]) -> tuple[Part, ...]:
    """Blocks in which signatures that travelled beside their calls (see seals.CALL) are back on them."""
    seals: dict[str | None, Seal] = {}
    out: list[Part] = []
    for part in parts:
        if isinstance(part, Reasoning) and part.signature is not None and is_of_call(part.signature):
            seals[part.signature.id] = Seal(part.signature.family, part.signature.value)
        else:
            out.append(part)
    if not seals:
        return tuple(out)
    return tuple(
        msgspec.structs.replace(part, signature=seals.get(CALL + fit(part.id))) if isinstance(part, ToolCall) else part
        for part in out
    )


def block_of(value: Any, at: str) -> Part:
    """One content block, of a request or of an answer."""
    if isinstance(value, str):
        return Text(value)
    fields = Fields(value, at)
    kind = fields.needed("type")
    match kind:
        case "text":
            cited = fields.items("citations")
            text = fields.needed("text")
            return Text(
                text,
                tuple(citation_of(each, len(text)) for each in cited if isinstance(each, dict)),
                cache_of(fields),
                extras=fields.extras(),
            )
        case "image" | "document":
            return _source(value, fields, kind)
        case "thinking":
            signature = fields.text("signature")
            return Reasoning(
                text=fields.text("thinking") or "",
                signature=unwrap(signature, CLAUDE) if signature else None,
                extras=fields.extras(),
            )
        case "redacted_thinking":
            return _redacted(fields)
        case "tool_use":
            arguments = fields.some("input")
            return ToolCall(
                id=fields.needed("id"),
                name=fields.needed("name"),
                arguments="{}" if arguments is None else compact(arguments),
                cache=cache_of(fields),
                extras=fields.extras(),
            )
        case "tool_result":
            return ToolResult(
                call=fields.needed("tool_use_id"),
                content=blocks_of(fields.some("content"), f"{at}.content"),
                error=fields.flag("is_error"),
                cache=cache_of(fields),
                extras=fields.extras(),
            )
        case "search_result":
            found = blocks_of(fields.some("content"), f"{at}.content")
            texts = [each.text for each in found if isinstance(each, Text)]
            return Opaque(kind, value, "\n".join((f"{fields.some('title')} ({fields.some('source')})", *texts)))
        case "tool_reference":
            return Opaque(kind, value, f"The tool {fields.some('tool_name')} is available now.")
        case _:
            return Opaque(kind, value)


def _redacted(fields: Fields) -> Reasoning:
    """Redacted thinking of Claude's own, or a foreign seal that has no text."""
    seal = unwrap(fields.needed("data"), CLAUDE)
    if seal.family == CLAUDE:
        return Reasoning(redacted=seal, extras=fields.extras())
    return Reasoning(signature=seal)


def _source(value: Any, fields: Fields, kind: str) -> Part:
    inner = fields.inner("source")
    if inner is None:
        raise Malformed(f"{fields.at}.source", "is missing")
    source = inner.needed("type")
    citations = fields.inner("citations")
    common: dict[str, Any] = {
        "kind": kind,
        "cache": cache_of(fields),
        "name": fields.text("title"),
        "citations": citations.flag("enabled") if citations is not None else None,
    }
    mime = inner.text("media_type")
    match source:
        case "base64":
            data = inner.needed("data")
            return Media(mime=media.sniffed(mime, data), data=data, extras=fields.extras(), **common)
        case "url":
            return Media(url=inner.needed("url"), extras=fields.extras(), **common)
        case "text":
            return Media(mime=mime or "text/plain", text=inner.needed("data"), extras=fields.extras(), **common)
        case "file":
            return Media(file=inner.needed("file_id"), extras=fields.extras(), **common)
        case _:
            inside = blocks_of(inner.some("content"), f"{inner.at}.content")
            texts = [each.text for each in inside if isinstance(each, Text)]
            return Opaque(f"{kind}.{source}", value, "\n".join(texts) or None)
