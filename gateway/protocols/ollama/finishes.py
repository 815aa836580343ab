"""Reasons for the end, counts and probabilities, both ways.

`done_reason` is `stop` or `length`; `load` and `unload` answer a request without messages. An answer that calls tools
ends in `stop` too. The field is free text, so an answer that was filtered or declined says `content_filter`: as `stop`
it would pass for a complete one. `prompt_eval_count` and `eval_count` are tokens (https://docs.ollama.com/api/usage);
cached ones, where a server says them, are part of the prompt's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.ir.chat import Finish
from gateway.ir.usage import Usage
from gateway.protocols.reading import count

_IN: Final[dict[str, Finish]] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "content_filter": Finish.CONTENT_FILTER,
}
_OUT: Final[dict[Finish, str]] = {
    Finish.LENGTH: "length",
    Finish.CONTEXT: "length",
    Finish.CONTENT_FILTER: "content_filter",
    Finish.REFUSAL: "content_filter",
}


def finish_of(word: Any, called: bool) -> Finish:
    """The finish that a word stands for; no word is `stop`."""
    finish = _IN.get(word, Finish.OTHER) if isinstance(word, str) and word else Finish.STOP
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def own_word(word: Any) -> str | None:
    """A reason that only this wire knows, None for the common ones."""
    return word if isinstance(word, str) and word and word not in _IN else None


def word_of(finish: Finish) -> str:
    """The word for a finish."""
    return _OUT.get(finish, "stop")


def usage_of(given: Any, made: Any, cached: Any = None) -> Usage | None:
    """The neutral counts of the last line, None where it has none."""
    if given is None and made is None:
        return None
    read = count(cached)
    return Usage(input=max(count(given), read), output=count(made), cached=read)


def counts_out(usage: Usage | None, extras: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The counts of the last line. Durations are nanoseconds: 0 where `extras` do not say them, for strict readers."""
    usage = usage or Usage()
    out: dict[str, Any] = {
        "total_duration": extras.get("total_duration", 0),
        "load_duration": extras.get("load_duration", 0),
        "prompt_eval_count": usage.input,
    }
    if usage.cached:
        out["prompt_eval_cached_count"] = usage.cached
    return {
        **out,
        "prompt_eval_duration": extras.get("prompt_eval_duration", 0),
        "eval_count": usage.output,
        "eval_duration": extras.get("eval_duration", 0),
    }


def logprobs_of(value: Any) -> list[dict[str, Any]] | None:
    """Probabilities in OpenAI's shape (a list); Ollama's lacks the bytes where they are the token's own."""
    if not isinstance(value, list) or not value:
        return None
    rows = []
    for each in value:
        if isinstance(each, dict) and isinstance(each.get("token"), str):
            tops = each.get("top_logprobs")
            top = [_token(one) for one in tops if isinstance(one, dict)] if isinstance(tops, list) else []
            rows.append({**_token(each), "top_logprobs": top})
    return rows or None


def _token(value: dict[str, Any]) -> dict[str, Any]:
    token = value.get("token")
    token = token if isinstance(token, str) else ""
    given = value.get("bytes")
    of = given if isinstance(given, list) else list(token.encode("utf-8", "surrogatepass"))
    return {"token": token, "logprob": value.get("logprob"), "bytes": of}


def logprobs_out(value: Any) -> list[Any] | None:
    """The list of OpenAI's shape, whole (`content`) or of a piece."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, list) and value else None
