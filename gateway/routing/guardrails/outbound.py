"""Answers on their way through the guardrails: whole ones, and streams event by event.

In a stream each block of text has its own sieves; arguments of a call wait until they are complete (at most
`ARGUMENTS_MOST` characters), since only then can their values be told from their form. Log probabilities would spell
out what was taken from the text: where a guardrail redacts or rejects they are left out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import Choice, Cited, Closed, Ended, Event, Opened, Piece, Response, Sealed
from gateway.routing.guardrails.sieve import Sieve
from gateway.routing.guardrails.texts import answered, arguments
from gateway.routing.guardrails.verdicts import Guard, Verdicts

ARGUMENTS_MOST: Final = 1 << 20


class Outbound:
    """What the answers to one request have to pass: `guards`, in the order of the file."""

    __slots__ = ("_edits", "_verdicts", "guards")

    def __init__(self, guards: tuple[Guard, ...], verdicts: Verdicts) -> None:
        self.guards = guards
        self._verdicts = verdicts
        self._edits = any(guard.do != "flag" for guard in guards)

    def whole(self, response: Response) -> Response:
        """A whole answer as it may be told. Raises `Failed` (content_filter)."""
        choices = tuple(self._choice(choice) for choice in response.choices)
        return msgspec.structs.replace(response, choices=choices)

    def _choice(self, choice: Choice) -> Choice:
        parts = tuple(answered(part, self.cleaned) for part in choice.parts)
        logprobs = None if self._edits else choice.logprobs
        return msgspec.structs.replace(choice, parts=parts, logprobs=logprobs)

    def cleaned(self, text: str) -> str:
        """A complete text. Raises `Failed` (content_filter)."""
        for guard in self.guards:
            if guard.do == "redact":
                text = guard.compiled.replaced(text, guard.instead)
            elif guard.compiled.find(text) is not None:
                if guard.do == "reject":
                    raise self._verdicts.blocked(guard)
                self._verdicts.flag(guard)
        return text

    def stream(self) -> Streamed:
        """A new stream's way."""
        return Streamed(self)

    def sieves(self) -> list[Sieve]:
        """Of one block."""
        return [Sieve(guard, self._verdicts) for guard in self.guards]

    @property
    def edits(self) -> bool:
        """Whether it does more than look."""
        return self._edits


class _Block:
    """One block that is open. `held` are the arguments of a call so far, None for text."""

    __slots__ = ("choice", "custom", "held", "sieves", "size")

    def __init__(self, opened: Opened, sieves: list[Sieve]) -> None:
        self.choice = opened.choice
        self.custom = opened.custom
        self.sieves = sieves
        self.held: list[str] | None = [] if opened.kind == "tool_call" else None
        self.size = 0


class Streamed:
    """The guardrails of one stream: an event goes in, those that may go on come out. Raises `Failed`."""

    __slots__ = ("_blocks", "_outbound")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._blocks: dict[int, _Block] = {}

    def __call__(self, event: Event) -> list[Event]:
        """What goes on now."""
        if isinstance(event, Piece):
            return self._piece(event)
        if isinstance(event, Opened):
            self._blocks[event.block] = _Block(event, self._outbound.sieves())
        elif isinstance(event, Closed):
            return [*self._flushed(event.block), event]
        elif isinstance(event, Sealed):
            return self._sealed(event)
        elif isinstance(event, Cited):
            return [] if self._changed(event.block) else [event]
        elif isinstance(event, Ended):
            blocks = [number for number, block in self._blocks.items() if block.choice == event.choice]
            return [*(each for number in blocks for each in self._flushed(number)), event]
        return [event]

    def _piece(self, event: Piece) -> list[Event]:
        block = self._blocks.get(event.block)
        if block is None:
            return [event]
        if block.held is not None:
            block.held.append(event.text)
            block.size += len(event.text)
            if block.size > ARGUMENTS_MOST:
                message = "the arguments of a call are longer than a guardrail looks at (1 MiB)"
                raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=message))
            return []
        text = event.text
        for sieve in block.sieves:
            text = sieve.feed(text)
        if not self._outbound.edits:
            return [event]
        return [Piece(event.block, text)] if text else []

    def _sealed(self, event: Sealed) -> list[Event]:
        """A signature proves the whole text, so the text ends here; one that was changed has none."""
        if event.redacted is not None:
            return [event]
        pieces = self._rest(event.block)
        return pieces if self._changed(event.block) else [*pieces, event]

    def _changed(self, number: int) -> bool:
        block = self._blocks.get(number)
        return block is not None and any(sieve.changed for sieve in block.sieves)

    def _flushed(self, number: int) -> list[Event]:
        pieces = self._rest(number)
        self._blocks.pop(number, None)
        return pieces

    def _rest(self, number: int) -> list[Event]:
        """All that is left of a block."""
        block = self._blocks.get(number)
        if block is None:
            return []
        if block.held is not None:
            written = "".join(block.held)
            block.held = []
            clean = self._outbound.cleaned
            text = clean(written) if block.custom else arguments(written, clean)
        else:
            text = ""
            for sieve in block.sieves:
                text = sieve.feed(text, last=True)
            if not self._outbound.edits:
                return []
        return [Piece(number, text)] if text else []
