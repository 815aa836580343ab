"""Going on with an answer that broke off: what the client has been told, and a second answer told as its rest.

A `Recorder` stands before the encoder of the client's wire and remembers every event that it was given; for bytes that
passed as they were the protocol makes one that has (`Protocol.stream_resumed`). `story` says whether the answer can be
gone on with, and from which text. A `Joint` gives the recorder the events of another answer as if they were the rest of
the first: no second beginning, the open text goes on, other blocks get numbers of their own, thoughts are left out, the
citations' places are moved. What the second answer repeats of the first is cut off (`Trim`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.ir.chat import (
    Began,
    Cited,
    Closed,
    Counted,
    Dropped,
    Ended,
    Event,
    Opened,
    Piece,
    Request,
    Sealed,
    Whole,
)
from gateway.ir.usage import Usage
from gateway.protocols.contract import Protocol, StreamEncoder

REPEAT_LEAST: Final = 16  # characters: a shorter repetition may be meant
_WHOLE_LEAST: Final = 8  # the same where all of the text is repeated
_WINDOW: Final = 4096  # characters of the text's end in which a repetition is looked for


class Recorder:
    """See `contract.StreamEncoder`. `events` is everything that the client was told."""

    __slots__ = ("_encoder", "events")

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder
        self.events: list[Event] = []

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What the client's wire could not say so far."""
        return self._encoder.dropped

    def push(self, event: Event) -> bytes:
        """The bytes of an event, which is remembered."""
        self.events.append(event)
        return self._encoder.push(event)

    def close(self) -> bytes:
        """The end of a good stream."""
        return self._encoder.close()


def caught_up(protocol: Protocol, request: Request, told: bytes, now: int) -> Recorder:
    """A recorder over an encoder that could have written these bytes, which are whole frames of the wire."""
    decoder = protocol.stream_decoder()
    events = decoder.feed(told) + decoder.close()
    recorder = Recorder(protocol.stream_encoder(request, now))
    for event in events:
        recorder.push(event)
    protocol.stream_resumed(recorder._encoder, told)
    return recorder


class Story(msgspec.Struct, frozen=True):
    """What the client has: all text so far, the number of the text block that is open (None: none) and how much of the
    text is in it, the first number that no block has."""

    text: str
    open: int | None
    size: int
    blocks: int


def story(events: list[Event]) -> Story | None:
    """None where another model cannot go on: a tool is being called, the model still thinks or has declined, something
    that is no text was shown, there are several answers, the answer is complete, or nothing was said yet."""
    texts: dict[int, int] = {}
    still: dict[int, str] = {}
    said: list[str] = []
    blocks = 0
    for event in events:
        match event:
            case Opened(block, kind):
                if kind not in ("text", "reasoning") or event.choice != 0:
                    return None
                still[block] = kind
                blocks = max(blocks, block + 1)
                if kind == "text":
                    texts[block] = 0
            case Piece(block, text):
                if block in texts:
                    texts[block] += len(text)
                    said.append(text)
            case Closed(block):
                still.pop(block, None)
            case Whole() | Ended():
                return None
    if "reasoning" in still.values() or len(still) > 1 or not any(said):
        return None
    open_ = next(iter(still), None)
    return Story("".join(said), open_, texts[open_] if open_ is not None else 0, blocks)


class Trim:
    """Takes from the beginning of a second answer what the client has already.

    `told` is what it has, `sent` how much of it the model was given: white space at the end is not, and comes again.
    Beyond that a repetition is believed only where it is at least `REPEAT_LEAST` characters long, or the whole text,
    and its beginning stands only once in the last part of the text: a list that goes on as it was is no repetition.
    """

    __slots__ = ("_done", "_kept", "_space", "_tail")

    def __init__(self, told: str, sent: str) -> None:
        self._space = told[len(sent) :]
        self._tail = told[-_WINDOW:]
        self._kept = ""
        self._done = False

    def feed(self, text: str) -> str:
        """The next text, as far as it is new for certain."""
        if self._done:
            return text
        self._kept += text
        return self._decided(False)

    def close(self) -> str:
        """What was held back, now that the block is over."""
        return "" if self._done else self._decided(True)

    def _decided(self, last: bool) -> str:
        kept = self._kept
        if self._space:
            if not last and len(kept) < len(self._space) and self._space.startswith(kept):
                return ""
            same = next((at for at, (a, b) in enumerate(zip(self._space, kept, strict=False)) if a != b), None)
            kept = kept[min(len(self._space), len(kept)) if same is None else same :]
            if same is None or same:  # it does go on: nothing else is repeated
                return self._finish(kept)
        tail = self._tail
        for start in range(len(tail)):
            rest = tail[start:]
            if len(rest) < (REPEAT_LEAST if start else _WHOLE_LEAST):
                break
            if kept.startswith(rest):
                begins = rest[:REPEAT_LEAST]
                once = tail.find(begins, tail.find(begins) + 1) < 0
                return self._finish(kept[len(rest) :] if once else kept)
            if not last and rest.startswith(kept):
                return ""  # it may become one
        return self._finish(kept)

    def _finish(self, text: str) -> str:
        self._done = True
        self._kept = ""
        return text


class Joint:
    """See `contract.StreamEncoder`: what a second answer is written with. Before it has content nothing is told."""

    __slots__ = ("_blocks", "_next", "_open", "_recorder", "_story", "_trims", "_usage")

    def __init__(self, recorder: Recorder, told: Story, sent: str) -> None:
        self._recorder = recorder
        self._story = told
        self._open = told.open
        self._next = told.blocks
        self._blocks: dict[int, int] = {}
        self._trims = {-1: Trim(told.text, sent)}  # -1: no text has begun yet
        self._usage: Usage | None = None

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What the client's wire could not say so far."""
        return self._recorder.dropped

    def push(self, event: Event) -> bytes:
        """The bytes of an event, told as the rest."""
        return b"".join([self._recorder.push(each) for each in self._rest(event)])

    def close(self) -> bytes:
        """The end of both."""
        return self._recorder.close()

    def _rest(self, event: Event) -> list[Event]:
        match event:
            case Began():
                self._usage = event.usage
            case Opened():
                return self._opened(event)
            case Piece(block):
                number = self._blocks.get(block)
                if number is None:
                    return []
                trim = self._trims.get(block)
                text = event.text if trim is None else trim.feed(event.text)
                logprobs = event.logprobs if text == event.text else None
                return [Piece(number, text, logprobs)] if text else []
            case Closed(block):
                number = self._blocks.pop(block, None)
                if number is None:
                    return []
                if number == self._open:
                    self._open = None
                return [*self._flushed(block, number), Closed(number)]
            case Cited(block, citation):
                number = self._blocks.get(block)
                if number is None:
                    return []
                if number == self._story.open and citation.start is not None and citation.end is not None:
                    by = self._story.size
                    citation = msgspec.structs.replace(citation, start=citation.start + by, end=citation.end + by)
                return [Cited(number, citation)]
            case Sealed(block):
                number = self._blocks.get(block)
                return [] if number is None else [msgspec.structs.replace(event, block=number)]
            case Whole():
                return [*self._shut(), msgspec.structs.replace(event, block=self._number())]
            case Ended():
                usage = [Counted(self._usage)] if self._usage is not None else []
                return [*self._shut(), *usage, event]
            case Counted():
                self._usage = None
                return [event]
        return []

    def _opened(self, event: Opened) -> list[Event]:
        if event.kind == "reasoning":
            return []  # the client reads the answer already
        if event.kind == "text" and -1 in self._trims:
            self._trims[event.block] = self._trims.pop(-1)
            if self._open is not None:
                self._blocks[event.block] = self._open
                return []
        number = self._blocks[event.block] = self._number()
        return [*self._shut(), msgspec.structs.replace(event, block=number)]

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _flushed(self, block: int, number: int) -> list[Event]:
        trim = self._trims.pop(block, None)
        text = trim.close() if trim is not None else ""
        return [Piece(number, text)] if text else []

    def _shut(self) -> list[Event]:
        """The text that was open when the first answer broke off ends."""
        number, self._open = self._open, None
        if number is None:
            return []
        block = next((block for block, known in self._blocks.items() if known == number), None)
        if block is None:
            return [Closed(number)]
        del self._blocks[block]
        return [*self._flushed(block, number), Closed(number)]
