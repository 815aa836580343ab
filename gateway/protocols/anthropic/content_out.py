"""Content of messages requests, IR → wire: system texts, turns and their blocks.

The wire's own rules: text is never blank; results of parallel tools stand together, first in the user's turn; ids of
calls are `[a-zA-Z0-9_-]`; the first turn is the user's; thinking goes back only where Claude signed it.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import (
    Cache,
    Declined,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.protocols import custom_tools, media
from gateway.protocols.anthropic.citations import citation_out
from gateway.protocols.losses import Losses
from gateway.protocols.seals import CLAUDE
from gateway.protocols.tool_ids import fit

_NOTHING: Final = "(no content)"
_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")


class Content:
    """Writes content. `same`: the client speaks this wire, and gets back what it wrote. `signs`: the model is one that
    takes back only thinking that it signed, as every Claude does; others on this wire may sign nothing."""

    def __init__(self, losses: Losses, same: bool, signs: bool) -> None:
        self.losses = losses
        self.same = same
        self.signs = signs

    def system(self, messages: tuple[Message, ...]) -> Any:
        """The system prompt: a string where it is one plain text, else blocks."""
        blocks = [
            block
            for message in messages
            for part in message.parts
            if (block := self.block(part, "system")) is not None and (self.same or block.get("text", "x").strip())
        ]
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            return blocks[0]["text"]
        return blocks

    def turns(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """The messages. Results of tools and what the user says after them are one turn."""
        turns: list[dict[str, Any]] = []
        after_results = False
        for message in messages:
            role = message.role if message.role in ("assistant", "system") else "user"
            blocks = self.blocks(message)
            self.losses.unless(message.name, "messages.name", "participants have no names here")
            if message.extras:
                self.own(message.extras, {})
            self.losses.unless(message.name, "messages.name", "participants have no names here")
            if role == "user" and after_results:
                turns[-1]["content"] += blocks
            elif blocks or (self.same and not message.parts):
                turns.append({"role": role, "content": blocks})
                if self.same and message.extras:
                    turns[-1].update(message.extras)
            elif role == "user":
                turns.append({"role": "user", "content": [{"type": "text", "text": _NOTHING}]})
            after_results = message.role == "tool" or (after_results and role == "user" and bool(blocks))
            after_results = after_results and bool(turns)
        if self.same:
            return [_plain(turn) for turn in turns]
        if turns and turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _NOTHING}]})
        for turn in turns:
            _results_first(turn)
        _no_trailing_space(turns)
        return [_plain(turn) for turn in turns]

    def blocks(self, message: Message) -> list[dict[str, Any]]:
        """The blocks of a message, blank texts left out."""
        blocks = []
        for part in message.parts:
            block = self.block(part, message.role)
            if block is None:
                continue
            if block["type"] == "text" and not block["text"].strip() and not self.same:
                continue
            blocks.append(block)
        return blocks

    def block(self, part: Part, role: str) -> dict[str, Any] | None:
        """One block; None for what this wire has no place for."""
        match part:
            case Text():
                return self.text(part)
            case Media():
                if role == "assistant" and not self.same:
                    self.losses.drop(f"assistant.{part.kind}", "the model's own turns are text here")
                    return None
                out = self.media(part)
            case ToolResult():
                out = self.result(part)
            case ToolCall():
                out = self.call(part)
            case Reasoning():
                return self.reasoning(part)
            case Declined():
                return {"type": "text", "text": part.text}
            case Opaque():
                if self.same:
                    return dict(part.raw)
                self.losses.drop(part.what, "only the client's own wire knows it")
                return None
        if out is not None and getattr(part, "cache", None) is not None:
            out["cache_control"] = mark(part.cache)  # type: ignore[arg-type]  # not None, by the line above
        return out

    def text(self, part: Text) -> dict[str, Any]:
        """A text block."""
        out: dict[str, Any] = {"type": "text", "text": part.text}
        self.losses.unless(part.signature, "text.signature", "text is not signed here")
        if self.same and part.citations:
            out["citations"] = [citation_out(each, True) for each in part.citations]
        elif part.citations:
            self.losses.drop("citations", "citations of earlier turns are not sent back")
        self.losses.unless(part.signature, "text.signature", "text is not signed here")
        if part.cache is not None:
            out["cache_control"] = mark(part.cache)
        self.own(part.extras, out)
        return out

    def media(self, part: Media) -> dict[str, Any] | None:
        """An image or a document."""
        if part.kind in ("audio", "video"):
            self.losses.drop(part.kind, f"Anthropic's wire takes no {part.kind}")
            return None
        source = self.source(part)
        if source is None:
            return None
        mime = source.get("media_type")
        is_image = mime in _IMAGES if mime is not None and not self.same else part.kind == "image"
        out: dict[str, Any] = {"type": "image" if is_image else "document", "source": source}
        if part.name is not None and not is_image:
            out["title"] = part.name
        if part.citations is not None:
            out["citations"] = {"enabled": part.citations}
        if part.detail not in (None, "auto"):
            self.losses.drop("image.detail", "there is no resolution to choose")
        self.own(part.extras, out)
        return out

    def source(self, part: Media) -> dict[str, Any] | None:
        """Where the content is."""
        if part.text is not None:
            return {"type": "text", "media_type": "text/plain", "data": part.text}
        if part.url is not None:
            return {"type": "url", "url": part.url}
        if part.file is not None:
            if self.same:
                return {"type": "file", "file_id": part.file}
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
            return None
        data = part.data or ""
        mime = media.sniffed(part.mime, data)
        if self.same or mime in _IMAGES or mime == "application/pdf":
            return {"type": "base64", "media_type": mime or "application/octet-stream", "data": data}
        text = media.text_of(mime, data)
        if text is not None:
            return {"type": "text", "media_type": "text/plain", "data": text}
        if part.kind == "image" and mime is None:
            return {"type": "base64", "media_type": "image/jpeg", "data": data}
        self.losses.drop(part.kind, f"{mime or 'content of an unknown type'} is not taken here")
        return None

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call. Its arguments are an object here."""
        given: Any = custom_tools.to_object(call.arguments) if call.custom else self.losses.object_of(call.arguments)
        out: dict[str, Any] = {
            "type": "tool_use",
            "id": call.id if self.same else fit(call.id),
            "name": call.name,
            "input": given,
        }
        if call.signature is not None and call.signature.family != CLAUDE:
            self.losses.drop("tool_call.signature", "it was made by another family of models")
        self.own(call.extras, out)
        return out

    def result(self, result: ToolResult) -> dict[str, Any]:
        """A result."""
        out: dict[str, Any] = {"type": "tool_result", "tool_use_id": result.call if self.same else fit(result.call)}
        blocks = [
            block
            for part in result.content
            if (block := self.block(part, "tool")) is not None
            and (self.same or block["type"] != "text" or block["text"].strip())
        ]
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            out["content"] = blocks[0]["text"]
        elif blocks:
            out["content"] = blocks
        if result.error is not None:
            out["is_error"] = result.error
        self.own(result.extras, out)
        return out

    def reasoning(self, part: Reasoning) -> dict[str, Any] | None:
        """Thinking that Claude signed; other thinking would be refused."""
        if part.redacted is not None and part.redacted.family == CLAUDE:
            return {"type": "redacted_thinking", "data": part.redacted.value}
        seal = part.signature
        if seal is not None and seal.family == CLAUDE:
            out: dict[str, Any] = {"type": "thinking", "thinking": part.text, "signature": seal.value}
            self.own(part.extras, out)
            return out
        if self.same and not self.signs and seal is None and part.redacted is None:
            return {"type": "thinking", "thinking": part.text}
        why = "it was not signed" if seal is None and part.redacted is None else "another family of models signed it"
        self.losses.drop("reasoning", f"{why}; Claude takes back only thinking of its own")
        return None

    def own(self, extras: dict[str, Any] | None, out: dict[str, Any]) -> None:
        """Fields of the client's own wire, back on it or reported."""
        if extras:
            if self.same:
                out.update(extras)
            else:
                self.losses.extras(extras)


def mark(cache: Cache) -> dict[str, Any]:
    """A cache mark."""
    return {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn whose one plain text is a string."""
    blocks = turn["content"]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return {**turn, "content": blocks[0]["text"]}
    return turn


def _results_first(turn: dict[str, Any]) -> None:
    blocks = turn["content"]
    if turn["role"] == "user" and any(block["type"] == "tool_result" for block in blocks):
        blocks.sort(key=lambda block: block["type"] != "tool_result")


def _no_trailing_space(turns: list[dict[str, Any]]) -> None:
    """A beginning of the answer that the client wrote must not end in white space."""
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if last["type"] == "text":
            turns[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}
