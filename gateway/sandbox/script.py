"""How the sandbox is told to behave: words in the model's name or in the header `x-sandbox`.

`sandbox:tokens=100:latency=200ms` and `sandbox+tokens=100` are models; `status=429; retry-after=2` is a header. The
header wins, word by word. The first word of a model is its name and means nothing here. `WORDS` is the one table: the
parser, the message about an unknown word and docs/sandbox.md all come from it.

Must not live here: what is said (content.py), how it is written (a file per wire), time (local.py, serve.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

TOKENS_MOST: Final = 999_999
NAMES: Final = ("sandbox", "echo")  # the models that a list of them shows; any other name is one too


class Script(msgspec.Struct, frozen=True):
    """What to do. Times are seconds; a piece is one streamed token; None and False are "not asked for"."""

    tokens: int | None = None
    seed: int = 0
    reasoning: int = 0
    tools: tuple[str, ...] = ()
    refusal: bool = False
    finish: str | None = None
    cached: int = 0
    latency: float = 0.0
    rate: float | None = None
    stall: bool = False
    stall_at: int | None = None
    status: int | None = None
    code: str | None = None
    param: str | None = None
    retry_after: str | None = None
    fail: int | None = None
    error_in_200: bool = False
    error_at: int | None = None
    reset: bool = False
    cut: bool = False
    cut_at: int | None = None
    garbage: bool = False
    garbage_at: int | None = None
    empty: bool = False
    no_done: bool = False
    no_usage: bool = False
    split: bool = False
    comments: bool = False
    crlf: bool = False


FAULTS: Final = (
    "stall", "stall_at", "status", "code", "param", "retry_after", "error_in_200", "error_at", "reset", "cut",
    "cut_at", "garbage", "garbage_at", "empty", "no_done",
)  # fmt: skip


class Word(msgspec.Struct, frozen=True):
    """One word. `read` makes its value (None: it takes none); `bare` are the fields it sets without one.

    A word without `bare` must have a value, which goes to `field`, beside whatever `with_value` says.
    """

    meaning: str
    example: str
    field: str = ""
    read: Callable[[str], Any] | None = None
    bare: tuple[tuple[str, Any], ...] | None = None
    with_value: tuple[tuple[str, Any], ...] = ()


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s)", text)
    if match is None:
        raise ValueError("a duration such as 200ms or 1.5s")
    return float(match[1]) * (0.001 if match[2] == "ms" else 1.0)


def _rate(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)/s", text)
    if match is None or float(match[1]) == 0:
        raise ValueError("tokens per second such as 50/s")
    return float(match[1])


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"a whole number up to {TOKENS_MOST}")
    return int(text)


def _status(text: str) -> int:
    if not re.fullmatch(r"[45][0-9]{2}", text):
        raise ValueError("an error status, 400 to 599")
    return int(text)


def _text(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_ .,:-]{1,64}", text):
        raise ValueError("letters, digits and . , : _ - up to 64 of them")
    return text


def _tools(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names):
        raise ValueError("names of tools with commas between them")
    return names


def _error(status: int, code: str, param: str | None = None) -> tuple[tuple[str, Any], ...]:
    return (("status", status), ("code", code), *((("param", param),) if param is not None else ()))


WORDS: Final[dict[str, Word]] = {
    # what it says
    "tokens": Word("Answers with exactly so many tokens: the echo, cut or filled up with made-up words.", "tokens=100", "tokens", _count),
    "seed": Word("Makes up other words for the same request.", "seed=7", "seed", _count),
    "reasoning": Word("Thinks so many tokens first (16 without a value), in the way of the wire.", "reasoning=20", "reasoning", _count, (("reasoning", 16),)),
    "tool": Word("Calls this tool, or these, whatever was said; after the results it answers with text.", "tool=get_weather,get_time", "tools", _tools),
    "refusal": Word("Declines, in the way of the wire.", "refusal", bare=(("refusal", True),)),
    "finish": Word("Ends with this finish reason: one of OpenAI's, in the wire's own name for it, or any other as it is.", "finish=content_filter", "finish", _text),
    "cached": Word("Reports so many prompt tokens as cached, at most all of them.", "cached=64", "cached", _count),
    # when it says it
    "latency": Word("Waits before it answers.", "latency=200ms", "latency", _seconds),
    "slow": Word("Waits two seconds before it answers.", "slow", bare=(("latency", 2.0),)),
    "rate": Word("Makes so many tokens per second: a stream has a pause before each, a whole answer waits for all.", "rate=50/s", "rate", _rate),
    "stall": Word("Never answers, and keeps the connection open.", "stall", bare=(("stall", True),)),
    "stall-at": Word("Stops for ever after so many pieces of a stream.", "stall-at=5", "stall_at", _count),
    # errors that are said
    "status": Word("Answers with this error status and the body that goes with it.", "status=429", "status", _status),
    "code": Word("Puts this `code` into the error body.", "code=slow_down", "code", _text),
    "retry-after": Word("Sends this Retry-After header with an error.", "retry-after=2", "retry_after", _text),
    "fail": Word("Only the first so many requests for this model fail, with the faults beside it or else with 500; then all is well.", "fail=2", "fail", _count),
    "auth": Word("401, or what the wire has instead, as for a wrong key.", "auth", bare=_error(401, "invalid_api_key")),
    "quota": Word("429, or what the wire has instead, as for an account without money.", "quota", bare=_error(429, "insufficient_quota")),
    "overloaded": Word("529, or what the wire has instead, as from an overloaded provider; with 503 the body that says so there.", "overloaded=503", "status", _status, _error(529, "overloaded_error"), (("code", "server_is_overloaded"),)),
    "not-found": Word("404, as for a model that there is not.", "not-found", bare=_error(404, "model_not_found", "model")),
    "context-length": Word("400, as for a prompt that is too long.", "context-length", bare=_error(400, "context_length_exceeded", "messages")),
    "content-filter": Word("400, as for a prompt that a filter stopped.", "content-filter", bare=_error(400, "content_filter", "prompt")),
    "unsupported": Word("400, as for a parameter that the model does not take.", "unsupported=top_p", "param", _text, with_value=_error(400, "unsupported_parameter")),
    "error-in-200": Word("Answers 200 with an error in the body.", "error-in-200", bare=(("error_in_200", True),)),
    "error-at": Word("Sends an error after so many pieces of a stream, and ends it.", "error-at=3", "error_at", _count),
    "error-in-stream-at": Word("The same as error-at.", "error-in-stream-at=3", "error_at", _count),
    # answers that are broken
    "refuse": Word("Closes the connection before it answers.", "refuse", bare=(("reset", True),)),
    "reset": Word("The same as refuse.", "reset", bare=(("reset", True),)),
    "cut": Word("Resets the connection in the middle of the body; in a stream, after one piece.", "cut", bare=(("cut", True),)),
    "cut-at": Word("Resets the connection after so many pieces of a stream.", "cut-at=5", "cut_at", _count),
    "garbage": Word("Answers 200 with what is no JSON.", "garbage", bare=(("garbage", True),)),
    "garbage-at": Word("Sends a frame that is no JSON after so many pieces of a stream, and goes on.", "garbage-at=3", "garbage_at", _count),
    "empty": Word("Answers 200 with nothing.", "empty", bare=(("empty", True),)),
    "no-done": Word("Ends a stream without [DONE], or what the wire has instead.", "no-done", bare=(("no_done", True),)),
    "no-usage": Word("Never reports usage.", "no-usage", bare=(("no_usage", True),)),
    # bytes that are right, but odd
    "split": Word("Sends its bytes in odd lengths that tear frames and characters.", "split", bare=(("split", True),)),
    "chunk-split": Word("The same as split.", "chunk-split", bare=(("split", True),)),
    "comments": Word("Puts a comment line before every frame of a stream.", "comments", bare=(("comments", True),)),
    "crlf": Word("Ends the lines of a stream with CR LF.", "crlf", bare=(("crlf", True),)),
}  # fmt: skip


class UnknownWord(ValueError):  # noqa: N818 - it reads as what was said
    """A word that is not in the table, or whose value cannot be read. The message says which there are."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


def parse(model: str, header: str | None = None) -> Script:
    """The script of a request. Raises `UnknownWord`; its `param` is `model` or `x-sandbox`."""
    said: dict[str, Any] = {}
    for text in re.split("[:+]", model)[1:]:
        said.update(_word(text, "model"))
    for text in (header or "").split(";"):
        if text.strip():
            said.update(_word(text.strip(), "x-sandbox"))
    return Script(**said)


def name_of(model: str) -> str:
    """A model's name without its words: `echo` of `echo:slow`."""
    return re.split("[:+]", model, maxsplit=1)[0]


def recovered(script: Script) -> Script:
    """The same without its faults: how a model behaves once `fail=N` is over."""
    whole = Script()
    return msgspec.structs.replace(script, **{name: getattr(whole, name) for name in FAULTS})


def _word(text: str, param: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    word = WORDS.get(name)
    if word is None:
        raise UnknownWord(f"The sandbox does not know the word {name!r}. It knows: {', '.join(WORDS)}.", param)
    if not equals:
        if word.bare is None:
            raise UnknownWord(f"The word {name!r} needs a value, such as {word.example}.", param)
        return dict(word.bare)
    if word.read is None:
        raise UnknownWord(f"The word {name!r} takes no value; write {word.example}.", param)
    try:
        return {**dict(word.with_value), word.field: word.read(value)}
    except ValueError as error:
        raise UnknownWord(f"The word {name!r} takes {error}; write for example {word.example}.", param) from None
