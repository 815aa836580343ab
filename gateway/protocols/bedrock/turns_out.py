"""Messages, IR → wire.

Converse's own rules, each of which it answers with a 400 when it is broken: turns alternate and begin with the user's;
the results of a turn's calls stand together, first in the turn right after; text is never blank; a turn with a document
has a text; thoughts come back only to the family that sealed them. Sources:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html and the user guide's pages on
conversation-inference-call, tool-use and prompt-caching.
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
from gateway.protocols import custom_tools
from gateway.protocols.bedrock import models
from gateway.protocols.bedrock.content_out import Contents
from gateway.protocols.bedrock.finishes import redacted_out
from gateway.protocols.losses import Losses
from gateway.protocols.seals import BEDROCK, CLAUDE
from gateway.protocols.tool_ids import fit

NOTHING: Final = "(no content)"


class Turns:
    """Writes the content of one request to a model of `maker`."""

    __slots__ = ("_contents", "_losses", "_maker", "_model")

    def __init__(self, model: str, maker: str, losses: Losses) -> None:
        self._model = model
        self._maker = maker
        self._losses = losses
        self._contents = Contents(losses, maker == models.CLAUDE)

    def system(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """The system prompt's blocks."""
        out: list[dict[str, Any]] = []
        for message in messages:
            self._about(message)
            for part in message.parts:
                if isinstance(part, Text):
                    out += self.text(part)
                    self.mark(part.cache, out)
                else:
                    self._losses.drop("system", "the system prompt is text here")
        return out

    def turns(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """The messages."""
        turns: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]] = []
        for message in messages:
            role = "assistant" if message.role == "assistant" else "user"
            self._about(message)
            if not turns or turns[-1][0] != role:
                turns.append((role, [], []))
            results, others = turns[-1][1:]
            for part in message.parts:
                into = results if isinstance(part, ToolResult) else others
                into += self.block(part, role)
                cache = getattr(part, "cache", None)
                if isinstance(part, ToolResult):
                    cache = cache or next(
                        (mark for each in part.content if (mark := getattr(each, "cache", None))), None
                    )
                self.mark(cache, into)
            if role == "assistant" and not others:
                turns.pop()
        out = [{"role": role, "content": [*results, *others]} for role, results, others in turns]
        return self._valid(out)

    def _valid(self, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not turns or turns[0]["role"] == "assistant":
            self._losses.drop(
                "messages", f"a conversation begins with a user's turn here: {NOTHING!r} was put before it"
            )
            turns.insert(0, {"role": "user", "content": []})
        for turn in turns:
            content = turn["content"]
            if not content:
                content.append({"text": NOTHING})
            elif any("document" in block for block in content) and not any("text" in block for block in content):
                content.append({"text": "(document)"})
        last = turns[-1]
        if last["role"] == "assistant" and "text" in last["content"][-1]:
            last["content"][-1] = {"text": last["content"][-1]["text"].rstrip()}
        return turns

    def _about(self, message: Message) -> None:
        self._losses.unless(message.name, "messages.name")
        self._losses.extras(message.extras)

    def block(self, part: Part, role: str) -> list[dict[str, Any]]:
        """The blocks of a part; none for what this wire has no place for."""
        match part:
            case Text():
                return self.text(part)
            case Media():
                if role == "assistant":
                    self._losses.drop(f"assistant.{part.kind}", "the model's own turns are text here")
                    return []
                block = self._contents.block(part)
                return [] if block is None else [block]
            case ToolResult():
                return [self.result(part)]
            case ToolCall():
                return [self.call(part)]
            case Reasoning():
                return self.reasoning(part)
            case Declined(text):
                return [{"text": text}] if text.strip() else []
            case Opaque(what):
                self._losses.drop(what, "only the client's own wire knows it")
                return []

    def text(self, part: Text) -> list[dict[str, Any]]:
        """Text that is not blank."""
        if part.citations:
            self._losses.drop("citations", "citations of earlier turns are not sent back")
        self._losses.unless(part.signature, "text.signature", "text is not signed here")
        self._losses.extras(part.extras)
        return [{"text": part.text}] if part.text.strip() else []

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call. Its arguments are an object here."""
        self._losses.unless(call.signature, "tool_call.signature", "calls are not signed here")
        self._losses.extras(call.extras)
        given: Any = custom_tools.to_object(call.arguments) if call.custom else self._losses.object_of(call.arguments)
        return {"toolUse": {"toolUseId": fit(call.id), "name": call.name, "input": given}}

    def result(self, result: ToolResult) -> dict[str, Any]:
        """A result."""
        content: list[dict[str, Any]] = []
        for part in result.content:
            if isinstance(part, Media) and part.kind == "audio":
                self._losses.drop("tool_result.audio", "results carry no sound here")
            elif isinstance(part, Text | Media | Opaque):
                content += self.block(part, "user")
        if not content and self._maker != models.CLAUDE:
            content.append({"text": NOTHING})
        out: dict[str, Any] = {"toolUseId": fit(result.call), "content": content}
        if result.error is not None and models.has_result_status(self._maker):
            out["status"] = "error" if result.error else "success"
        elif result.error:
            self._losses.drop("tool_result.is_error", "this model is not told of it")
        self._losses.extras(result.extras)
        return {"toolResult": out}

    def reasoning(self, part: Reasoning) -> list[dict[str, Any]]:
        """Thoughts that the model's own family sealed; others would be refused."""
        families = (CLAUDE, BEDROCK) if self._maker == models.CLAUDE else (BEDROCK,)
        for seal in (part.redacted, part.signature):
            if seal is None or seal.family not in families:
                continue
            if seal is part.redacted:
                return [{"reasoningContent": {"redactedContent": redacted_out(seal)}}]
            return [{"reasoningContent": {"reasoningText": {"text": part.text, "signature": seal.value}}}]
        sealed = part.redacted is not None or part.signature is not None
        why = "another family of models sealed them" if sealed else "they were not signed"
        self._losses.drop("reasoning", f"thoughts of earlier turns cannot be sent back: {why}")
        return []

    def mark(self, cache: Cache | None, content: list[dict[str, Any]]) -> None:
        """A cache mark after what was written last."""
        if cache is None or not content or "cachePoint" in content[-1]:
            return
        point = self.point(cache)
        if point is not None:
            content.append(point)

    def point(self, cache: Cache) -> dict[str, Any] | None:
        """A cache mark as a block; None, with a report, where the model takes none."""
        if not models.caches(self._model, self._maker):
            self._losses.drop("cache_control", "this model's prompts are not cached by marks")
            return None
        point = {"type": "default"}
        if cache.ttl not in (None, "5m"):
            if cache.ttl == "1h" and models.caches_an_hour(self._model, self._maker):
                point["ttl"] = "1h"
            else:
                self._losses.drop("cache_control.ttl", f"this model does not keep prompts for {cache.ttl}")
        return {"cachePoint": point}


def called(turns: list[dict[str, Any]]) -> list[str]:
    """The names of the tools that the turns call, and `tool` for a result without its call."""
    names: dict[str, None] = {}
    ids: set[str] = set()
    for turn in turns:
        for block in turn["content"]:
            if "toolUse" in block:
                names[block["toolUse"]["name"]] = None
                ids.add(block["toolUse"]["toolUseId"])
            elif "toolResult" in block and block["toolResult"]["toolUseId"] not in ids:
                names["tool"] = None
    return list(names)


def loop_without_thought(turns: list[dict[str, Any]]) -> bool:
    """Whether the last turn of the model calls tools, awaits only their results, and does not begin with thought."""
    if len(turns) < 2 or not any("toolResult" in block for block in turns[-1]["content"]):
        return False
    blocks = turns[-2]["content"]
    return any("toolUse" in block for block in blocks) and "reasoningContent" not in blocks[0]
