"""How the sandbox is told to behave: words in the model's name or in the header `x-sandbox`.

`sandbox:tokens=100:latency=200ms` is a model; `status=429; retry-after=2` is a header. The header wins, word by word.
`WORDS` is the one table: the parser, the message about an unknown word and docs/sandbox.md all come from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec


class Script(msgspec.Struct, frozen=True):
    """What to do. Seconds, pieces (streamed deltas) and tokens (words) as the field names say."""

    latency: float = 0.0
    tokens: int | None = None
    rate: float | None = None
    status: int | None = None
    retry_after: str | None = None
    code: str | None = None
    fail: int | None = None
    stall: bool = False
    stall_at: int | None = None
    refuse: bool = False
    cut: bool = False
    cut_at: int | None = None
    garbage: bool = False
    empty: bool = False
    error_in_200: bool = False
    error_at: int | None = None
    no_done: bool = False
    no_usage: bool = False
    split: bool = False
    tool: str | None = None
    reasoning: int = 0
    seed: int = 0


class Word(msgspec.Struct, frozen=True):
    """One word: the field it sets, how its value is read (None: it takes none), and what it means."""

    field: str
    read: Callable[[str], Any] | None
    meaning: str
    example: str
    also: tuple[tuple[str, Any], ...] = ()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text)
    if match is None:
        raise ValueError("a duration such as 200ms or 1.5s")
    return float(match[1]) * (0.001 if match[2] == "ms" else 1.0)


def _rate(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)/s", text)
    if match is None or float(match[1]) == 0:
        raise ValueError("tokens per second such as 50/s")
    return float(match[1])


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError("a whole number up to 999999")
    return int(text)


def _status(text: str) -> int:
    if not re.fullmatch(r"[45]\d\d", text):
        raise ValueError("an error status, 400 to 599")
    return int(text)


def _text(text: str) -> str:
    if not re.fullmatch(r"[\w .,:-]{1,64}", text):
        raise ValueError("letters, digits and . , : _ - up to 64 of them")
    return text


WORDS: Final[dict[str, Word]] = {
    "latency": Word("latency", _seconds, "waits before it answers", "latency=200ms"),
    "slow": Word("latency", None, "waits two seconds before it answers", "slow", (("latency", 2.0),)),
    "tokens": Word("tokens", _count, "answers with so many tokens", "tokens=100"),
    "rate": Word("rate", _rate, "streams so many tokens per second", "rate=50/s"),
    "seed": Word("seed", _count, "other words for the same request", "seed=7"),
    "reasoning": Word("reasoning", _count, "thinks so many tokens first, as `reasoning_content`", "reasoning=20"),
    "tool": Word("tool", _text, "calls this tool, whatever was said", "tool=get_weather"),
    "status": Word("status", _status, "answers with this error status", "status=429"),
    "code": Word("code", _text, "the `code` of the error body", "code=slow_down"),
    "retry-after": Word("retry_after", _text, "sends this Retry-After header with an error", "retry-after=2"),
    "fail": Word("fail", _count, "only the first so many requests with this model fail", "fail=2"),
    "auth": Word("status", None, "401, as for a wrong key", "auth", (("status", 401), ("code", "invalid_api_key"))),
    "quota": Word("status", None, "429, as for an empty account", "quota", (("status", 429), ("code", "insufficient_quota"))),
    "overloaded": Word("status", None, "529, as an overloaded provider", "overloaded", (("status", 529), ("code", "overloaded_error"))),
    "context-length": Word("status", None, "400, as for a prompt that is too long", "context-length", (("status", 400), ("code", "context_length_exceeded"))),
    "content-filter": Word("status", None, "400, as for a refused prompt", "content-filter", (("status", 400), ("code", "content_filter"))),
    "refuse": Word("refuse", None, "closes the connection before it answers", "refuse", (("refuse", True),)),
    "stall": Word("stall", None, "never answers", "stall", (("stall", True),)),
    "stall-at": Word("stall_at", _count, "stops for ever after so many pieces of a stream", "stall-at=5"),
    "cut": Word("cut", None, "closes the connection in the middle of the body", "cut", (("cut", True),)),
    "cut-at": Word("cut_at", _count, "closes the connection after so many pieces of a stream", "cut-at=5"),
    "garbage": Word("garbage", None, "answers 200 with what is no JSON", "garbage", (("garbage", True),)),
    "empty": Word("empty", None, "answers 200 with nothing", "empty", (("empty", True),)),
    "error-in-200": Word("error_in_200", None, "answers 200 with an error in the body", "error-in-200", (("error_in_200", True),)),
    "error-at": Word("error_at", _count, "sends an error after so many pieces of a stream", "error-at=3"),
    "no-done": Word("no_done", None, "ends a stream without [DONE]", "no-done", (("no_done", True),)),
    "no-usage": Word("no_usage", None, "never reports usage", "no-usage", (("no_usage", True),)),
    "split": Word("split", None, "sends its bytes in odd pieces that tear frames and characters", "split", (("split", True),)),
}  # fmt: skip


def parse(model: str, header: str | None = None) -> Script:
    """The script of a request. Raises ValueError that names the word and those there are."""
    said: dict[str, Any] = {}
    for word in model.split(":")[1:]:
        said.update(_word(word))
    for word in (header or "").split(";"):
        if word.strip():
            said.update(_word(word.strip()))
    return Script(**said)


def _word(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    word = WORDS.get(name)
    if word is None:
        raise ValueError(f"The sandbox does not know {name!r}. It knows: {', '.join(WORDS)}.")
    if word.read is None:
        if equals:
            raise ValueError(f"{name!r} takes no value.")
        return dict(word.also)
    try:
        return {word.field: word.read(value)}
    except ValueError as error:
        raise ValueError(f"{name!r} takes {error}, such as {word.example}.") from None
