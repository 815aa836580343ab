"""Streams, wire → events: https://platform.openai.com/docs/api-reference/responses-streaming.

Items are told apart by `output_index`, by `item_id` where a server leaves that out. What servers do differently and
this reads: items that are only said when they are done, or only in the last event, texts and arguments that come
without deltas, open models' thoughts as `reasoning_text`.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from gateway.ir.chat import (
    Began,
    Cited,
    Closed,
    Counted,
    Declined,
    Ended,
    Event,
    Media,
    Opaque,
    Opened,
    Piece,
    Reasoning,
    Sealed,
    Text,
    ToolCall,
    Whole,
)
from gateway.protocols.decoding import FrameDecoder
from gateway.protocols.framing import SseReader
from gateway.protocols.openai_chat.response import citation_of
from gateway.protocols.openai_responses.client_tools import flat
from gateway.protocols.openai_responses.errors import failure_of
from gateway.protocols.openai_responses.finishes import finish_of, usage_of
from gateway.protocols.openai_responses.response import parts_of_item
from gateway.protocols.reading import Malformed

_Key: TypeAlias = int | str
_NOTHING: Final = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    type: Any = None
    delta: Any = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None
    logprobs: Any = None
    item: msgspec.Raw = _NOTHING
    response: msgspec.Raw = _NOTHING
    annotation: Any = None
    text: Any = None
    refusal: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


class _Response(msgspec.Struct):
    id: Any = None
    model: Any = None
    created_at: Any = None
    service_tier: Any = None
    status: Any = None
    incomplete_details: Any = None
    usage: Any = None
    error: Any = None
    output: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_ANY: Final = msgspec.json.Decoder()
_LAST: Final = ("response.completed", "response.incomplete", "response.cancelled")
_TEXTS: Final = {"response.output_text.delta": "text", "response.refusal.delta": "refusal"}
_CALLS: Final = {"function_call": False, "custom_tool_call": True}
_ARGUMENTS: Final = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_THOUGHTS: Final = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


class _Open:
    """A block that is open: its number, whether it has said anything, and which part of the item it is."""

    __slots__ = ("block", "part", "said", "source")

    def __init__(self, block: int) -> None:
        self.block = block
        self.said = False
        self.part = 0
        self.source = ""


class Decoder(FrameDecoder[bytes]):
    """See `contract.StreamDecoder`."""

    __slots__ = (
        "_began",
        "_blocks",
        "_called",
        "_calls",
        "_done",
        "_texts",
        "_thoughts",
    )

    def __init__(self) -> None:
        super().__init__(SseReader())
        self._began = False
        self._called = False
        self._blocks = 0
        self._texts: dict[tuple[_Key, int], _Open] = {}
        self._calls: dict[_Key, _Open] = {}
        self._thoughts: dict[_Key, _Open] = {}
        self._done: set[_Key] = set()

    def _frame(self, data: bytes, out: list[Event]) -> None:
        if data == b"[DONE]":
            return
        event = self._decoded(_EVENT, data, "not one of a response", out)
        if event is None:
            return
        kind = event.type
        delta = event.delta
        if delta and isinstance(delta, str) and isinstance(kind, str):
            if not self._began:
                self._begin(_Response(), out)
            self._delta(event, kind, delta, out)
            return
        if kind == "error" or event.error is not None:
            plain = {"code": event.code, "message": event.message, "param": event.param}
            self._break(failure_of(event.error if event.error is not None else plain), out)
        elif event.response != _NOTHING:
            self._response(kind, event.response, out)
        elif event.item != _NOTHING:
            self._begin(_Response(), out)
            self._item(event, kind, event.item, out)
        elif kind == "response.output_text.annotation.added" and isinstance(event.annotation, dict):
            out.append(Cited(self._text(event, "text", out).block, citation_of(event.annotation)))
        elif kind in ("response.output_text.done", "response.refusal.done"):
            self._text_done(event, kind, out)

    def _key(self, event: _Event) -> _Key:
        if event.output_index is not None:
            return event.output_index
        return event.item_id if event.item_id is not None else 0

    def _delta(self, event: _Event, kind: str, delta: str, out: list[Event]) -> None:
        word = _TEXTS.get(kind)
        if word is not None:
            block = self._texts.get((self._key(event), event.content_index or 0)) or self._text(event, word, out)
            block.said = True
            out.append(Piece(block.block, delta, event.logprobs or None))
        elif kind in _ARGUMENTS:
            call = self._calls.get(self._key(event))
            if call is not None:
                call.said = True
                out.append(Piece(call.block, delta))
        elif kind in _THOUGHTS:
            self._think(event, kind, delta, out)

    def _open(self, kind: Any, out: list[Event], id_: str = "") -> _Open:
        opened = _Open(self._blocks)
        self._blocks += 1
        out.append(Opened(opened.block, kind, id_))
        return opened

    def _text(self, event: _Event, kind: str, out: list[Event]) -> _Open:
        """The open block of a part of a message."""
        key = (self._key(event), event.content_index or 0)
        block = self._texts.get(key)
        if block is None:
            block = self._texts[key] = self._open(kind, out)
        return block

    def _text_done(self, event: _Event, kind: str, out: list[Event]) -> None:
        """A text is complete; its block stays open for citations until its item is done."""
        word = "text" if kind == "response.output_text.done" else "refusal"
        said = event.text if word == "text" else event.refusal
        if isinstance(said, str) and said:
            block = self._text(event, word, out)
            if not block.said:
                block.said = True
                out.append(Piece(block.block, said, event.logprobs or None))

    def _think(self, event: _Event, kind: str, delta: str, out: list[Event]) -> None:
        """A thought: its summary's parts are set apart by a blank line. Where there are both, the first one counts."""
        key = self._key(event)
        thought = self._thoughts.get(key)
        part = (event.summary_index if kind == _THOUGHTS[0] else event.content_index) or 0
        if thought is None:
            thought = self._thoughts[key] = self._open("reasoning", out, event.item_id or "")
            thought.source, thought.part = kind, part
        if thought.source != kind:
            return
        if part != thought.part:
            thought.part = part
            out.append(Piece(thought.block, "\n\n"))
        thought.said = True
        out.append(Piece(thought.block, delta))

    def _response(self, kind: Any, raw: msgspec.Raw, out: list[Event]) -> None:
        try:
            response = _RESPONSE.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise Malformed("response", f"cannot be read: {error}") from None
        if kind == "response.failed":
            self._break(failure_of(response.error), out)
            return
        self._begin(response, out)
        if kind in _LAST:
            self._finish(kind, response, out)

    def _begin(self, response: _Response, out: list[Event]) -> None:
        if self._began:
            return
        self._began = True
        created = response.created_at if isinstance(response.created_at, int | float) else 0
        tier = response.service_tier if isinstance(response.service_tier, str) else None
        id_ = response.id if isinstance(response.id, str) else ""
        model = response.model if isinstance(response.model, str) else ""
        out.append(Began(id_, model, int(created), None, tier))

    def _finish(self, kind: str, response: _Response, out: list[Event]) -> None:
        """Items that nobody said before, what is still open, the usage and the end."""
        for index, item in enumerate(response.output if isinstance(response.output, list) else ()):
            id_ = item.get("id") if isinstance(item, dict) else None
            key: _Key = id_ if isinstance(id_, str) and index not in self._known() else index
            if index not in self._done and key not in self._done:
                self._item_done(key, item, out)
        out.extend(
            Piece(call.block, "{}") for call in self._calls.values() if not call.said and call.source == "function_call"
        )
        left = sorted((*self._texts.values(), *self._thoughts.values(), *self._calls.values()), key=_number)
        out.extend(Closed(block.block) for block in left)
        usage = usage_of(response.usage)
        if usage is not None:
            out.append(Counted(usage))
        status = response.status if isinstance(response.status, str) else kind.removeprefix("response.")
        out.append(Ended(finish_of(status, response.incomplete_details, self._called)))
        self.ended = True

    def _known(self) -> set[_Key]:
        return {*self._calls, *self._thoughts, *(key for key, _ in self._texts)}

    def _item(self, event: _Event, kind: Any, raw: msgspec.Raw, out: list[Event]) -> None:
        try:
            item = _ANY.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise Malformed("item", f"cannot be read: {error}") from None
        if not isinstance(item, dict):
            return
        key: _Key = self._key(event)
        if event.output_index is None and isinstance(item.get("id"), str):
            key = item["id"]
        if kind == "response.output_item.added":
            type_ = item.get("type")
            if isinstance(type_, str) and type_ in _CALLS and isinstance(item.get("name"), str):
                self._call(key, item, out)
        elif kind == "response.output_item.done":
            self._item_done(key, item, out)

    def _call(self, key: _Key, item: dict[str, Any], out: list[Event]) -> _Open:
        call = self._calls[key] = _Open(self._blocks)
        self._blocks += 1
        self._called = True
        id_ = item.get("call_id") or item.get("id")
        namespace = item.get("namespace")
        name = flat(namespace if isinstance(namespace, str) else "", item["name"])
        custom = _CALLS[item["type"]]
        call.source = item["type"]
        out.append(Opened(call.block, "tool_call", id_ if isinstance(id_, str) else "", name, 0, custom))
        return call

    def _item_done(self, key: _Key, item: Any, out: list[Event]) -> None:
        """What an item says that its deltas have not; its blocks are closed."""
        if key in self._done:
            return
        self._done.add(key)
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            self._done.add(item["id"])
        places = sorted(place for place in self._texts if place[0] == key)
        for at, part in enumerate(parts_of_item(item, "item")):
            match part:
                case Text() | Declined():  # places that servers number oddly count in their order
                    self._said(places[at] if at < len(places) else (key, -1 - at), part, out)
                case Reasoning():
                    self._thought(key, part, out)
                case ToolCall():
                    self._called_out(key, part, item, out)
                case Media() | Opaque():
                    out.append(Whole(self._blocks, part))
                    self._blocks += 1
        places = [place for place in self._texts if place[0] == key]
        left = [
            *(self._texts.pop(place) for place in places),
            self._thoughts.pop(key, None),
            self._calls.pop(key, None),
        ]
        out.extend(Closed(block.block) for block in left if block is not None)

    def _said(self, place: tuple[_Key, int], part: Text | Declined, out: list[Event]) -> None:
        block = self._texts.get(place)
        if block is None:
            if not part.text:
                return
            block = self._texts[place] = self._open("text" if isinstance(part, Text) else "refusal", out)
        if not block.said and part.text:
            out.append(Piece(block.block, part.text))
            if isinstance(part, Text):
                out.extend(Cited(block.block, citation) for citation in part.citations)

    def _thought(self, key: _Key, part: Reasoning, out: list[Event]) -> None:
        block = self._thoughts.get(key)
        if block is None:
            if not part.text and part.signature is None and part.redacted is None:
                return
            block = self._thoughts[key] = self._open("reasoning", out, part.id or "")
        if not block.said and part.text:
            out.append(Piece(block.block, part.text))
        if part.signature is not None or part.redacted is not None:
            out.append(Sealed(block.block, part.signature, part.redacted))

    def _called_out(self, key: _Key, part: ToolCall, item: dict[str, Any], out: list[Event]) -> None:
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Open(self._blocks)
            self._blocks += 1
            self._called = True
            out.append(Opened(call.block, "tool_call", part.id, part.name, 0, part.custom))
        if not call.said and part.arguments:
            out.append(Piece(call.block, part.arguments))


def _number(open_: _Open) -> int:
    return open_.block
