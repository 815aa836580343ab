"""Streams, events → wire: https://platform.openai.com/docs/api-reference/responses-streaming.

Every event has its name, its `sequence_number` and the ids and places of what it belongs to; each item is added,
filled and done, and the last event holds the whole response. Texts that follow one another are parts of one message.
Thoughts are shown as summaries, which every client reads. A free text that arrives as JSON is unwrapped as it comes;
calls of the other tools that have another form here than upstream (client_tools.py) are held until they are complete.
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
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Request,
    Seal,
    Sealed,
    Tool,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.losses import Losses
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.answer import (
    ended,
    hosted,
    image_item,
    item_id,
    response_id,
    response_of,
    seal_item,
    thought_item,
)
from gateway.protocols.openai_responses.content import annotation_of
from gateway.protocols.openai_responses.finishes import status_of
from gateway.protocols.openai_responses.request_out import WIRE
from gateway.protocols.unwrapping import Unwrapper

_ENCODE: Final = msgspec.json.Encoder().encode
_SEQUENCE: Final = b',"sequence_number":'
_TEXT_TAIL: Final = b',"logprobs":[],"sequence_number":'
_EMPTY: Final = {"text": "output_text", "refusal": "refusal"}


class _Message:
    """A message item that is open, its complete parts, and how many of its parts are not."""

    __slots__ = ("id", "index", "leaving", "open", "parts")

    def __init__(self, id_: str, index: int) -> None:
        self.id = id_
        self.index = index
        self.parts: list[dict[str, Any]] = []
        self.open = 0
        self.leaving = False


class _Block:
    """A block that is open. `head` and `tail` stand around a piece; without a head pieces are only kept."""

    __slots__ = (
        "annotations", "call", "custom", "head", "id", "index", "kind", "logprobs", "message", "name", "place",
        "redacted", "signature", "tail", "text", "tool", "unwrapper",
    )  # fmt: skip

    def __init__(self, kind: str, id_: str, index: int) -> None:
        self.kind = kind
        self.id = id_
        self.index = index  # of the item
        self.place = 0  # in the message
        self.head: bytes | None = None
        self.tail = _SEQUENCE
        self.text: list[str] = []
        self.logprobs: list[Any] = []
        self.annotations: list[Any] = []
        self.message: _Message | None = None
        self.signature: Seal | None = None
        self.redacted: Seal | None = None
        self.call = self.name = ""
        self.custom = False
        self.tool: Tool | None = None
        self.unwrapper: Unwrapper | None = None


class Encoder:
    """See `contract.StreamEncoder`."""

    __slots__ = (
        "_base", "_blocks", "_declined", "_finish", "_held", "_items", "_losses", "_message", "_now", "_output",
        "_request", "_response", "_tools", "_usage",
        "sequence",
    )  # fmt: skip

    def __init__(self, request: Request, now: int) -> None:
        self._request = request
        self._now = now
        self._tools = client_tools.shaped(request)
        self._losses = Losses(WIRE)
        self._base: dict[str, Any] = {}
        self._response = ""
        self.sequence = -1
        self._items = 0
        self._blocks: dict[int, _Block] = {}
        self._output: dict[int, dict[str, Any]] = {}
        self._message: _Message | None = None
        self._finish = Finish.STOP
        self._declined = False
        self._held: _Block | None = None  # a call whose end is not told yet
        self._usage: Usage | None = None

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What could not be said so far."""
        return self._losses.all()

    def push(self, event: Event) -> bytes:
        """The events of an event."""
        if event.__class__ is Piece:
            block = self._blocks.get(event.block)
            if block is None:
                return b""
            block.text.append(event.text)
            head = block.head
            if head is None or block.unwrapper is not None:
                return self._other(block, head, event.text)
            if event.logprobs is None or block.kind != "text":
                self.sequence += 1
                return b"%b%b%b%d}\n\n" % (head, _ENCODE(event.text), block.tail, self.sequence)
            block.logprobs += event.logprobs if isinstance(event.logprobs, list) else []
            self.sequence += 1
            tail = b',"logprobs":%b%b' % (_ENCODE(event.logprobs), _SEQUENCE)
            return b"%b%b%b%d}\n\n" % (head, _ENCODE(event.text), tail, self.sequence)
        match event:
            case Opened():
                return self._open(event)
            case Closed(number):
                block = self._blocks.pop(number, None)
                if block is not None and block.kind == "tool_call":
                    return self._hold(block)
                return self._close(block) if block is not None else b""
            case Sealed(number, signature, redacted):
                if number in self._blocks:
                    self._blocks[number].signature = signature
                    self._blocks[number].redacted = redacted
            case Cited(number, _):
                return self._cite(event) if number in self._blocks else b""
            case Whole():
                return self._whole(event)
            case Ended(finish, 0):
                self._finish = finish
                self._losses.finish(finish, status_of(finish, self._declined)[0], "completed")
            case Counted(usage):
                self._usage = usage
            case Began():
                return self._begin(event)
        return b""

    def close(self) -> bytes:
        """The end of a good stream: whatever is open is done, and the response is complete."""
        out = [] if self._base else [self._begin(Began("", ""))]
        for number in list(self._blocks):
            block = self._blocks.pop(number)
            out.append(self._hold(block) if block.kind == "tool_call" else self._close(block))
        last = status_of(self._finish, self._declined)[0]
        out += (self._leave(last), self._release(last))
        output = [self._output[index] for index in sorted(self._output)]
        body = ended(self._base, output, self._finish, self._usage, declined=self._declined)
        out.append(self._event(f"response.{body['status']}", response=body))
        return b"".join(out)

    def rename(self, index: int, id_: str) -> None:
        """Calls an item by the id that the client knows."""
        message = self._message
        if message is not None and message.index == index:
            message.id = id_
        for block in self._blocks.values():
            if block.index == index:
                block.id = id_
                if block.message is not None:
                    block.head = _head(block)

    def keep(self, index: int, item: dict[str, Any]) -> None:
        """An item that is complete, as the client knows it."""
        self._output[index] = item

    def _event(self, kind: str, **fields: Any) -> bytes:
        self.sequence += 1
        data = {"type": kind, **fields, "sequence_number": self.sequence}
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _ENCODE(data))

    def _begin(self, event: Began) -> bytes:
        created = event.created or self._now
        self._response = response_id(event.id, f"{event.model}{created}")
        self._base = response_of(
            self._request, id_=self._response, model=event.model, created=created, tier=event.service_tier
        )
        if event.usage is not None:
            self._usage = event.usage
        started = self._event("response.created", response=self._base)
        return started + self._event("response.in_progress", response=self._base)

    def _new(self, prefix: str) -> tuple[str, int]:
        """Id and place of the next item."""
        index = self._items
        self._items += 1
        return item_id(prefix, self._response, index), index

    def _added(self, index: int, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=index, item=item)

    def _done(self, index: int, item: dict[str, Any]) -> bytes:
        self._output[index] = item
        return self._event("response.output_item.done", output_index=index, item=item)

    def _open(self, event: Opened) -> bytes:
        if event.choice != 0:
            self._losses.drop("choices", "there is one answer here")
            return b""
        started = b"" if self._base else self._begin(Began("", ""))
        if event.kind in ("text", "refusal"):
            return started + self._open_part(event)
        out = started + self._leave() + self._release()
        if event.kind == "reasoning":
            id_, index = self._new("rs")
            block = self._blocks[event.block] = _Block("reasoning", event.id or id_, index)
            return out + self._added(index, {"id": block.id, "type": "reasoning", "summary": []})
        if event.signature is not None:
            out += self._seal(event.signature, event.id)
        return out + self._open_call(event)

    def _open_part(self, event: Opened) -> bytes:
        out = self._release()
        message = self._message
        if message is None:
            message = self._message = _Message(*self._new("msg"))
            out += self._added(message.index, _message(message, "in_progress"))
        block = self._blocks[event.block] = _Block(event.kind, message.id, message.index)
        block.message, block.place = message, len(message.parts)
        part = _part(block)
        message.parts.append(part)
        message.open += 1
        block.head = _head(block)
        if event.kind == "text":
            block.tail = _TEXT_TAIL
        else:
            self._declined = True
        return out + self._event("response.content_part.added", **_where(block), part=part)

    def _open_call(self, event: Opened) -> bytes:
        tool = self._tools.get(event.name)
        kind = client_tools.kind_of(tool, event.custom)
        id_, index = self._new("fc" if kind == "function_call" else "ctc")
        block = self._blocks[event.block] = _Block("tool_call", id_, index)
        block.call, block.name, block.tool, block.custom = event.id, event.name, tool, event.custom
        word = {"function_call": b"function_call_arguments", "custom_tool_call": b"custom_tool_call_input"}.get(kind)
        if kind == "custom_tool_call" and not event.custom:
            block.unwrapper = Unwrapper()
        if word is not None:
            name = b"response.%b.delta" % word
            block.head = b'event: %b\ndata: {"type":"%b","item_id":"%b","output_index":%d,"delta":' % (
                name, name, id_.encode(), index,
            )  # fmt: skip
        return self._added(index, self._call(block, "", "in_progress"))

    def _call(self, block: _Block, arguments: str, status: str) -> dict[str, Any]:
        return client_tools.call_item(
            block.tool,
            item=block.id,
            call=block.call,
            name=block.name,
            arguments=arguments,
            custom=block.custom,
            status=status,
        )

    def _other(self, block: _Block, head: bytes | None, text: str) -> bytes:
        """A piece that is not written as it is."""
        if block.unwrapper is None or head is None:
            return self._think(block, text) if block.kind == "reasoning" else b""
        text = block.unwrapper.feed(text)
        return self._piece(head, block, text) if text else b""

    def _piece(self, head: bytes, block: _Block, text: str) -> bytes:
        self.sequence += 1
        return b"%b%b%b%d}\n\n" % (head, _ENCODE(text), block.tail, self.sequence)

    def _think(self, block: _Block, text: str) -> bytes:
        """The first piece of a thought: its summary begins."""
        where = {"item_id": block.id, "output_index": block.index, "summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        name = b"response.reasoning_summary_text.delta"
        block.head = b'event: %b\ndata: {"type":"%b","item_id":%b,"output_index":%d,"summary_index":0,"delta":' % (
            name, name, _ENCODE(block.id), block.index,
        )  # fmt: skip
        added = self._event("response.reasoning_summary_part.added", **where, part=part)
        self.sequence += 1
        return added + b"%b%b%b%d}\n\n" % (block.head, _ENCODE(text), block.tail, self.sequence)

    def _cite(self, event: Cited) -> bytes:
        block = self._blocks[event.block]
        row = annotation_of(event.citation, "".join(block.text), same=_ours(event.citation.raw))
        if row is None or block.kind != "text":
            self._losses.drop("citations", "citations have URLs on this wire")
            return b""
        block.annotations.append(row)
        at = len(block.annotations) - 1
        return self._event(
            "response.output_text.annotation.added", **_where(block), annotation_index=at, annotation=row
        )

    def _whole(self, event: Whole) -> bytes:
        part = event.part
        item: dict[str, Any] | None = None
        if event.choice == 0:
            if isinstance(part, Media):
                item = image_item(part, item_id("ig", self._response, self._items))
            elif hosted(part):
                item = dict(part.raw)
        if item is None:
            what = part.what if isinstance(part, Opaque) else part.kind
            self._losses.drop(what, "only the provider's own wire knows it")
            return b""
        out = (b"" if self._base else self._begin(Began("", ""))) + self._leave() + self._release()
        index = self._items
        self._items += 1
        begun = {name: value for name, value in item.items() if name != "result"}
        return out + self._added(index, {**begun, "status": "in_progress"}) + self._done(index, item)

    def _seal(self, seal: Seal, call: str | None) -> bytes:
        """The signature of a call that follows, or of the text before."""
        id_, index = self._new("rs")
        added = self._added(index, {"id": id_, "type": "reasoning", "summary": []})
        return added + self._done(index, seal_item(seal, id_, call))

    def _close(self, block: _Block) -> bytes:
        text = "".join(block.text)
        if block.kind == "reasoning":
            return self._close_thought(block, text)
        return self._close_part(block, text)

    def _close_thought(self, block: _Block, text: str) -> bytes:
        out = b""
        if block.head is not None:
            where = {"item_id": block.id, "output_index": block.index, "summary_index": 0}
            part = {"type": "summary_text", "text": text}
            out = self._event("response.reasoning_summary_text.done", **where, text=text)
            out += self._event("response.reasoning_summary_part.done", **where, part=part)
        thought = Reasoning(text=text, signature=block.signature, redacted=block.redacted)
        return out + self._done(block.index, thought_item(thought, block.id, same=False))

    def _hold(self, block: _Block) -> bytes:
        """A call that is closed waits for what comes next: where nothing does, the answer may have been cut in it."""
        out = self._release()
        self._held = block
        return out

    def _release(self, status: str = "completed") -> bytes:
        block, self._held = self._held, None
        return b"" if block is None else self._close_call(block, "".join(block.text), status)

    def _close_call(self, block: _Block, text: str, status: str) -> bytes:
        item = self._call(block, text, status)
        where = {"item_id": block.id, "output_index": block.index}
        out = b""
        if item["type"] == "function_call":
            out = self._event("response.function_call_arguments.done", **where, arguments=text, name=item["name"])
        elif item["type"] == "custom_tool_call":
            said = block.unwrapper.said if block.unwrapper is not None else item["input"]
            if not item["input"].startswith(said):  # cut short: what was unwrapped is all there is
                item["input"] = said
            given = item["input"]
            if given != said and given.startswith(said) and block.head is not None:
                out = self._piece(block.head, block, given[len(said) :])
            out += self._event("response.custom_tool_call_input.done", **where, input=given)
        return out + self._done(block.index, item)

    def _close_part(self, block: _Block, text: str) -> bytes:
        message = block.message
        if message is None:
            return b""
        where = _where(block)
        if block.kind == "text":
            out = self._event("response.output_text.done", **where, text=text, logprobs=block.logprobs)
        else:
            out = self._event("response.refusal.done", **where, refusal=text)
        part = message.parts[block.place] = _part(block, text)
        out += self._event("response.content_part.done", **where, part=part)
        message.open -= 1
        if block.signature is not None and message is self._message:
            message.leaving = True
            self._message = None
        if message.leaving and message.open == 0:
            out += self._done(message.index, _message(message, "completed"))
        if block.signature is not None:
            out += self._seal(block.signature, None)
        return out

    def _leave(self, status: str = "completed") -> bytes:
        """The open message is done, or will be when its last part is."""
        message, self._message = self._message, None
        if message is None:
            return b""
        if message.open:
            message.leaving = True
            return b""
        return self._done(message.index, _message(message, status))


def _ours(raw: Any) -> bool:
    """Whether a citation is an annotation of this wire already."""
    kind = raw.get("type") if isinstance(raw, dict) else None
    if kind == "url_citation":
        return "url" in raw
    return kind in ("file_citation", "container_file_citation", "file_path")


def _head(block: _Block) -> bytes:
    """What precedes a piece of a message's part."""
    name = b"response.%b.delta" % _EMPTY[block.kind].encode()
    return b'event: %b\ndata: {"type":"%b","item_id":%b,"output_index":%d,"content_index":%d,"delta":' % (
        name, name, _ENCODE(block.id), block.index, block.place,
    )  # fmt: skip


def _where(block: _Block) -> dict[str, Any]:
    return {"item_id": block.id, "output_index": block.index, "content_index": block.place}


def _message(message: _Message, status: str) -> dict[str, Any]:
    parts = message.parts if status != "in_progress" else []
    return {"id": message.id, "type": "message", "status": status, "content": parts, "role": "assistant"}


def _part(block: _Block, text: str = "") -> dict[str, Any]:
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": block.annotations, "logprobs": block.logprobs, "text": text}
