"""Streams, events → wire: an event per piece, functions whole, and a last event with the finish reason and usage."""

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
    Request,
    Seal,
    Sealed,
    ToolCall,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.gemini.citations import Grounding
from gateway.protocols.gemini.finishes import logprobs_out, usage_out, word_of
from gateway.protocols.gemini.parts import call_out, rides, text_out
from gateway.protocols.gemini.response import hosted_part, media_part
from gateway.protocols.gemini.shapes import tier_out
from gateway.protocols.losses import Losses

_JSON: Final = msgspec.json.Encoder()
_HEAD: Final = b'data: {"candidates":[{"content":{"parts":[{"text":'


class _Block:
    __slots__ = ("after", "before", "call", "choice", "kind", "tail", "texts")

    def __init__(self, kind: str, choice: int, tail: bytes, call: Opened | None, before: int) -> None:
        self.kind = kind
        self.choice = choice
        self.tail = tail  # of an event with a piece of this block, after the piece
        self.call = call
        self.texts: list[str] = []
        self.before = before  # how many characters of its choice's texts came before
        self.after: int | None = None  # and how many there were at its end


class Encoder:
    """See `contract.StreamEncoder`."""

    __slots__ = (
        "_base",
        "_blocks",
        "_cited",
        "_ended",
        "_held",
        "_losses",
        "_now",
        "_said",
        "_tier",
        "_usage",
    )

    def __init__(self, request: Request, now: int) -> None:
        del request
        self._now = now
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._blocks: dict[int, _Block] = {}
        self._cited: dict[int, list[Cited]] = {}
        self._said: dict[int, list[str]] = {}  # texts of a choice
        self._held: dict[int, Seal] = {}  # a seal of a choice that may ride on the next call
        self._ended: list[Ended] = []
        self._losses = Losses("Gemini's wire")
        self._base = b'"modelVersion":"","responseId":"gateway"'

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What could not be said so far."""
        return self._losses.all()

    def push(self, event: Event) -> bytes:
        """The events of an event."""
        if event.__class__ is Piece:
            block = self._blocks[event.block]
            block.texts.append(event.text)
            if block.call is not None:
                return b""
            if event.logprobs is None:
                return b"%b%b%b" % (_HEAD, _JSON.encode(event.text), block.tail)
        match event:
            case Piece(_, text, logprobs):
                rows = logprobs_out(logprobs)
                part = text_out(text, thought=block.kind == "reasoning")
                return self._event(block.choice, [part], {"logprobsResult": rows} if rows is not None else None)
            case Opened():
                return self._open(event)
            case Sealed():
                return self._seal(event)
            case Closed(number):
                block = self._blocks[number]
                if block.kind == "text":
                    block.after = len("".join(block.texts))
                return self._call(block)
            case Cited(number):
                self._cited.setdefault(self._blocks[number].choice, []).append(event)
            case Whole(_, part, choice):
                shown = media_part(part, self._losses) if isinstance(part, Media) else hosted_part(part, self._losses)
                return b"" if shown is None else self._release(choice) + self._event(choice, [shown])
            case Ended():
                self._losses.finish(event.finish, word_of(event.finish), word_of(Finish.STOP))
                self._ended.append(event)
                return self._release(event.choice)
            case Counted(usage):
                self._usage = usage
            case Began():
                self._begin(event)
        return b""

    def close(self) -> bytes:
        """The last event of every choice; the very last one counts."""
        out = []
        for event in self._ended:
            row: dict[str, Any] = {
                "content": {"parts": [{"text": ""}], "role": "model"},
                "finishReason": word_of(event.finish),
                "index": event.choice,
            }
            if (grounding := self._grounding(event.choice)) is not None:
                row["groundingMetadata"] = grounding
            last = event is self._ended[-1]
            usage = usage_out(self._usage or Usage())
            if self._tier is not None:
                usage["serviceTier"] = tier_out(self._tier)
            counts = b',"usageMetadata":' + _JSON.encode(usage) if last else b""
            out.append(b'data: {"candidates":[%b]%b,%b}\n\n' % (_JSON.encode(row), counts, self._base))
        return b"".join(out)

    def _begin(self, event: Began) -> None:
        base = {"modelVersion": event.model, "responseId": event.id or f"gateway-{self._now}"}
        self._base = _JSON.encode(base)[1:-1]
        self._tier = event.service_tier
        if event.usage is not None:
            self._usage = event.usage

    def _open(self, event: Opened) -> bytes:
        if event.kind == "tool_call":
            held = self._held.get(event.choice)
            if held is not None and event.signature is None:
                del self._held[event.choice]
                event = msgspec.structs.replace(event, signature=held)
            self._blocks[event.block] = _Block(event.kind, event.choice, b"", event, 0)
            return self._release(event.choice)
        if event.kind == "refusal":
            self._losses.drop("refusal", "the words of a refusal are text here")
        thought = b',"thought":true' if event.kind == "reasoning" else b""
        tail = b'%b}],"role":"model"},"index":%d}],%b}\n\n' % (thought, event.choice, self._base)
        said = self._said.setdefault(event.choice, [])
        block = _Block(event.kind, event.choice, tail, None, len("".join(said)) if said else 0)
        if event.kind == "text":
            if said:
                said[:] = ["".join(said)]
            block.texts = said  # positions of citations count from this block's beginning, the wire's from the choice's
        self._blocks[event.block] = block
        return self._release(event.choice)

    def _seal(self, event: Sealed) -> bytes:
        block = self._blocks[event.block]
        seal = event.signature
        if event.redacted is not None:
            seal = Seal(event.redacted.family, event.redacted.value, "redacted")
        if seal is None:
            return b""
        if block.kind == "reasoning" and rides(seal):
            out = self._release(block.choice)
            self._held[block.choice] = seal
            return out
        return self._event(block.choice, [text_out("", seal, thought=block.kind == "reasoning")])

    def _release(self, choice: int) -> bytes:
        """The event of a seal that no call came for."""
        if not self._held:
            return b""
        seal = self._held.pop(choice, None)
        return b"" if seal is None else self._event(choice, [text_out("", seal, thought=True)])

    def _call(self, block: _Block) -> bytes:
        call = block.call
        if call is None:
            return b""
        block.call = None
        made = ToolCall(id=call.id, name=call.name, arguments="".join(block.texts), custom=call.custom)
        written, whole = call_out(made, call.id, call.signature)
        if not whole:
            self._losses.drop("tool_calls.arguments", "they are no JSON object; they stand in `input`")
        return self._event(block.choice, [written])

    def _grounding(self, choice: int) -> dict[str, Any] | None:
        cited = self._cited.get(choice)
        if not cited:
            return None
        grounding = Grounding(self._losses)
        whole = "".join(self._said.get(choice, ()))
        for each in cited:
            block = self._blocks[each.block]
            grounding.add(each.citation, whole[block.before : block.after], whole[: block.before])
        return grounding.out()

    def _event(self, choice: int, parts: list[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        row = {"content": {"parts": parts, "role": "model"}, "index": choice, **(more or {})}
        return b'data: {"candidates":[%b],%b}\n\n' % (_JSON.encode(row), self._base)
