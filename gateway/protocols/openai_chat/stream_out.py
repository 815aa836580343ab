"""Streams, events → wire: chunks with a role first, one finish per choice, usage in a chunk without choices, [DONE].

A free text that arrives as JSON (custom_tools.py) is unwrapped as it comes; what is left is written when the call is
closed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import (
    Began,
    Cited,
    Closed,
    Counted,
    Dropped,
    Ended,
    Event,
    Finish,
    Media,
    Opened,
    Piece,
    Reasoning,
    Request,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols import custom_tools, media
from gateway.protocols.losses import Losses
from gateway.protocols.openai_chat.finishes import usage_out, word_of
from gateway.protocols.openai_chat.reasoning import details_of
from gateway.protocols.openai_chat.response import annotation_of
from gateway.protocols.seals import GEMINI
from gateway.protocols.unwrapping import Unwrapper

_JSON: Final = msgspec.json.Encoder()
_DONE: Final = b"data: [DONE]\n\n"
_FIELDS: Final = {"text": b"content", "reasoning": b"reasoning_content", "refusal": b"refusal"}


class _Block:
    __slots__ = ("before", "call", "choice", "head", "kind", "size", "tail", "text", "unwrapper")

    def __init__(self, kind: str, choice: int, head: bytes, tail: bytes, call: int) -> None:
        self.kind = kind
        self.choice = choice
        self.head = head  # of a chunk with a piece of this block, up to the piece
        self.tail = tail
        self.call = call
        self.text: list[str] = []  # of a thought, or of a custom call that is a function's upstream
        self.unwrapper: Unwrapper | None = None  # of such a call
        self.size = 0  # characters of a text so far
        self.before = 0  # characters of the choice's texts before this one


class Encoder:
    """See `contract.StreamEncoder`."""

    __slots__ = (
        "_base",
        "_blocks",
        "_calls",
        "_custom",
        "_losses",
        "_now",
        "_said",
        "_shows_usage",
        "_started",
        "_tail",
        "_texts",
        "_usage",
    )

    def __init__(self, request: Request, now: int) -> None:
        self._now = now
        self._shows_usage = request.stream_usage
        self._usage: Usage | None = None
        self._blocks: dict[int, _Block] = {}
        self._calls: dict[int, int] = {}
        self._said: dict[int, int] = {}  # by choice: details of thoughts
        self._custom = custom_tools.names(request)
        self._started: set[int] = set()
        self._texts: dict[int, int] = {}  # by choice: characters of its texts
        self._losses = Losses("OpenAI's chat wire")
        self._base = b""
        self._tail = b',"usage":null}\n\n' if request.stream_usage else b"}\n\n"

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What could not be said so far."""
        return self._losses.all()

    def push(self, event: Event) -> bytes:
        """The chunks of an event."""
        if event.__class__ is Piece:
            block = self._blocks[event.block]
            if block.kind == "text":
                block.size += len(event.text)
            elif block.kind == "reasoning":
                block.text.append(event.text)
            elif block.unwrapper is not None:
                block.text.append(event.text)
                return self._unwrapped(block, block.unwrapper.feed(event.text))
            if event.logprobs is None:
                return b"%b%b%b" % (block.head, _JSON.encode(event.text), block.tail)
        match event:
            case Piece(_, text, logprobs):
                field = "refusal" if block.kind == "refusal" else "content"
                return self._chunk(
                    block.choice, {field: text}, logprobs={"content": None, "refusal": None, field: logprobs}
                )
            case Opened():
                return self._open(event)
            case Sealed(number, signature, redacted):
                block = self._blocks[number]
                if block.kind != "reasoning":
                    self._losses.drop("text.signature", "text is not signed here")
                    return b""
                text = "".join(block.text)
                return self._details(block.choice, Reasoning(text=text, signature=signature, redacted=redacted))
            case Cited(number, citation):
                block = self._blocks[number]
                row = annotation_of(citation, block.size, block.before)
                if row is None:
                    self._losses.drop("citations", "citations have URLs on this wire")
                    return b""
                return self._chunk(block.choice, {"annotations": [row]})
            case Whole(_, Media(kind="image") as image, choice):
                url = image.url or media.to_data_url(image.mime, image.data or "")
                return self._start(choice) + self._chunk(
                    choice, {"images": [{"type": "image_url", "image_url": {"url": url}}]}
                )
            case Whole(_, part, _):
                self._losses.drop(getattr(part, "what", "media"), "only the provider's own wire knows it")
            case Closed(number):
                return self._close(self._blocks.get(number))
            case Ended(finish, choice):
                self._losses.finish(finish, word_of(finish), word_of(Finish.STOP))
                return self._start(choice) + self._chunk(choice, {}, finish=word_of(finish))
            case Counted(usage):
                self._usage = usage
            case Began():
                self._begin(event)
        return b""

    def close(self) -> bytes:
        """Usage, where it was asked for, and the end."""
        usage = b""
        if self._shows_usage:
            counts = _JSON.encode(usage_out(self._usage or Usage()))
            usage = b'data: %b,"choices":[],"usage":%b}\n\n' % (self._base, counts)
        return usage + _DONE

    def _details(self, choice: int, thought: Reasoning) -> bytes:
        details = details_of([thought], self._said.get(choice, 0))
        self._said[choice] = self._said.get(choice, 0) + len(details)
        return self._chunk(choice, {"reasoning_details": details})

    def _begin(self, event: Began) -> None:
        base: dict[str, Any] = {
            "id": event.id or f"chatcmpl-{self._now}",
            "object": "chat.completion.chunk",
            "created": event.created or self._now,
            "model": event.model,
        }
        if event.service_tier is not None:
            base["service_tier"] = event.service_tier
        self._base = _JSON.encode(base)[:-1]
        if event.usage is not None:
            self._usage = event.usage

    def _start(self, choice: int) -> bytes:
        """The chunk that says the role, once per choice."""
        if choice in self._started:
            return b""
        self._started.add(choice)
        return self._chunk(choice, {"role": "assistant", "content": ""})

    def _open(self, event: Opened) -> bytes:
        head = b'data: %b,"choices":[{"index":%d,"delta":{' % (self._base, event.choice)
        end = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        started = self._start(event.choice)
        if event.kind != "tool_call":
            field = _FIELDS[event.kind]
            block = self._blocks[event.block] = _Block(event.kind, event.choice, head + b'"%b":' % field, end, 0)
            block.before = self._texts.get(event.choice, 0)
            return started
        index = self._calls.get(event.choice, 0)
        self._calls[event.choice] = index + 1
        custom = event.custom or event.name in self._custom
        kind, field_name = ("custom", "input") if custom else ("function", "arguments")
        opening = head + b'"tool_calls":[{"index":%d,"%b":{"%b":' % (index, kind.encode(), field_name.encode())
        self._blocks[event.block] = _Block("tool_call", event.choice, opening, b"}}]" + end, index)
        if custom and not event.custom:
            self._blocks[event.block].unwrapper = Unwrapper()
        call: dict[str, Any] = {
            "index": index,
            "id": event.id,
            "type": kind,
            kind: {"name": event.name, field_name: ""},
        }
        if event.signature is not None and event.signature.family == GEMINI:
            call["extra_content"] = {"google": {"thought_signature": event.signature.value}}
        return started + self._chunk(event.choice, {"tool_calls": [call]})

    def _unwrapped(self, block: _Block, text: str) -> bytes:
        """A piece of a free text that was unwrapped."""
        return b"%b%b%b" % (block.head, _JSON.encode(text), block.tail) if text else b""

    def _close(self, block: _Block | None) -> bytes:
        """The rest of a free text, now that all of it is there."""
        if block is not None and block.kind == "text":
            self._texts[block.choice] = block.before + block.size
        if block is None or block.unwrapper is None:
            return b""
        whole, said = custom_tools.from_json("".join(block.text)), block.unwrapper.said
        return self._unwrapped(block, whole[len(said) :] if whole.startswith(said) else "")

    def _chunk(self, choice: int, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:
        row = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return b'data: %b,"choices":[%b]%b' % (self._base, _JSON.encode(row), self._tail)
