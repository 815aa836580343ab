"""What the sandbox says: text, reasoning, tool calls, structured values; a pure function of an `Ask` and a `Script`.

A token is up to eight characters of a word together with the white space before them; `tokens_of` cuts a text into
tokens, and joined they are the text again. An answer is an echo of what was said last, because an echo shows what
arrived: "You said: …" (only "…" for a model called `echo`), "The tool said: …" after tool results. What is longer
than the echo is filled up with words that depend on the request and nothing else.

Must not live here: the words of any wire.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.sandbox.instance import instance
from gateway.sandbox.script import Script

_FILLERS: Final = tuple(
    f" {word}"
    for word in (
        "alpha beta gamma delta river stone cloud amber north south quiet bright seven eleven copper maple harbor "
        "signal paper garden window bridge candle meadow orbit pocket ribbon silver thunder velvet café naïve"
    ).split()
)
_TOKEN: Final = re.compile(r"\s*\S{1,8}|\s+")
_CALL: Final = re.compile(r"\bcall ([A-Za-z0-9_-]{1,64})(\()?")
_NO: Final = "I'm sorry, but I can't help with that."
_CALLS_MOST: Final = 32
_INT64: Final = (1 << 64) - 1


class Tool(msgspec.Struct, frozen=True):
    """A tool that is offered; `parameters` is its JSON Schema, None where it has none."""

    name: str
    parameters: Any = None


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request, in no wire's words.

    `said` is the text of the last message, `results` are the tool results at the end of the conversation. `forced` is
    the tool that must be called. `most` bounds the tokens of the answer, its reasoning among them.
    """

    said: str
    prompt_tokens: int
    results: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    forced: str | None = None
    may_call: bool = True
    parallel: bool = True
    schema: Any = None
    wants_json: bool = False
    most: int | None = None
    stops: tuple[str, ...] = ()
    seed: int = 0
    verbatim: bool = False


class Call(msgspec.Struct, frozen=True):
    """A tool call; `pieces` joined are its arguments, JSON text."""

    id: str
    name: str
    pieces: tuple[str, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, in no wire's words. `pieces` joined are the text, or the refusal."""

    reasoning: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    refused: bool = False
    calls: tuple[Call, ...] = ()
    finish: str = "stop"  # stop | length | tool_calls, or what the script asked for
    stop: str | None = None  # the stop sequence that ended it

    @property
    def tokens(self) -> int:
        """The tokens of it all; a call's name is one."""
        return len(self.reasoning) + len(self.pieces) + sum(1 + len(call.pieces) for call in self.calls)


def tokens_of(text: str) -> tuple[str, ...]:
    """A text cut into its tokens."""
    return tuple(_TOKEN.findall(text))


def say(ask: Ask, script: Script, choice: int = 0) -> Said:
    """The answer; `choice` counts from 0 where several were asked for, and each is another."""
    fillers = _fillers(f"{script.seed}/{ask.seed}/{choice}/{ask.said}")
    room = ask.most
    thought = tuple(next(fillers) for _ in range(script.reasoning))[:room]
    if room is not None:
        room -= len(thought)
        if thought and not room:
            return Said(reasoning=thought, finish=script.finish or "length")
    calls = _calls(ask, script, choice)
    if calls:
        kept = _within(calls, room)
        finish = "tool_calls" if kept == calls else "length"
        return Said(reasoning=thought, calls=kept, finish=script.finish or finish)
    text = _NO if script.refusal else _text(ask, choice)
    pieces = tokens_of(text)
    if script.tokens is not None and not script.refusal and ask.schema is None and not ask.wants_json:
        pieces = pieces[: script.tokens]
        pieces += tuple(next(fillers) for _ in range(script.tokens - len(pieces)))
    finish = "stop"
    if room is not None and len(pieces) > room:
        pieces, finish = pieces[:room], "length"
    ends = [(at, stop) for at, stop in (("".join(pieces).find(stop), stop) for stop in ask.stops if stop) if at >= 0]
    at, stop = min(ends, default=(None, None))
    if at is not None:
        pieces, finish = tokens_of("".join(pieces)[:at]), "stop"
    return Said(reasoning=thought, pieces=pieces, refused=script.refusal, finish=script.finish or finish, stop=stop)


def _text(ask: Ask, choice: int) -> str:
    if ask.schema is not None:
        return msgspec.json.encode(instance(ask.schema)).decode()
    if ask.wants_json:
        return msgspec.json.encode({"answer": ask.said[:200]}).decode()
    if ask.results:
        return f"The tool said: {'; '.join(dict.fromkeys(ask.results))}"
    if ask.verbatim:
        return ask.said
    return f"You said: {ask.said}" if choice == 0 else f"You said ({choice + 1}): {ask.said}"


def _calls(ask: Ask, script: Script, choice: int) -> tuple[Call, ...]:
    """Forced by the request, else by the script, else by what was said; none after tool results."""
    if ask.results or not ask.may_call:
        return ()
    offered = {tool.name: tool for tool in ask.tools}
    wanted: list[tuple[str, str | None]]
    if ask.forced is not None:
        asked_for = [(name, arguments) for name, arguments in _asked(ask.said) if name == ask.forced]
        wanted = asked_for or [(ask.forced, None)]
    elif script.tools:
        wanted = [(name, None) for name in script.tools]
    else:
        wanted = [(name, arguments) for name, arguments in _asked(ask.said) if name in offered]
    calls = []
    for number, (name, arguments) in enumerate(wanted[: _CALLS_MOST if ask.parallel else 1]):
        if arguments is None:
            tool = offered.get(name)
            arguments = msgspec.json.encode(instance(tool.parameters if tool is not None else None)).decode()
        digest = sha256(f"{ask.prompt_tokens}/{choice}/{number}/{name}/{ask.said}".encode("utf-8", "replace"))
        calls.append(Call(f"call_{digest.hexdigest()[:24]}", name, tokens_of(arguments)))
    return tuple(calls)


def _asked(text: str) -> list[tuple[str, str | None]]:
    """Every `call NAME` and `call NAME({...})` of a text: the name, and the arguments where they were given."""
    found: list[tuple[str, str | None]] = []
    for match in _CALL.finditer(text):
        arguments = None
        if match[2] is not None:
            try:
                value, _ = json.JSONDecoder().raw_decode(text, match.end())
                arguments = msgspec.json.encode(value).decode() if isinstance(value, dict) else None
            except (ValueError, RecursionError):
                arguments = None
        found.append((match[1], arguments))
    return found


def _within(calls: tuple[Call, ...], room: int | None) -> tuple[Call, ...]:
    """The calls that fit into so many tokens; the last one may be cut in the middle of its arguments."""
    if room is None:
        return calls
    kept: list[Call] = []
    for call in calls:
        if room < 1:
            break
        kept.append(msgspec.structs.replace(call, pieces=call.pieces[: room - 1]))
        room -= 1 + len(call.pieces)
    return tuple(kept)


def _fillers(seed: str) -> Iterator[str]:
    """Words without end. The generator is Knuth's MMIX one, so that no version of Python changes an answer."""
    state = int.from_bytes(sha256(seed.encode("utf-8", "replace")).digest()[:8], "big")
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & _INT64
        yield _FILLERS[(state >> 33) % len(_FILLERS)]
