"""Whether the bytes of an answer are a complete and good one: what may be kept and given to somebody else.

It looks at a whole body or at all frames of a stream, on the client's wire, for the words in which that wire says why
an answer ended. Good is what the model meant to say (a stop, tool calls) and what the length cut, as the provider said;
what a filter stopped, what the model declined and what paused is not. Inside JSON text a quote is always escaped, so
content cannot imitate these words; a client's own values that are echoed can only make an answer look worse.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gateway.protocols.contract import Fields


class Ending(NamedTuple):
    """`says` finds the words for the end, all of which must be `good`; `spoilt` finds what no good answer has."""

    says: re.Pattern[bytes]
    good: frozenset[bytes]
    spoilt: re.Pattern[bytes] | None = None


def _field(*names: str) -> re.Pattern[bytes]:
    return re.compile(rb'"(?:%b)"[ \t]*:[ \t]*"([^"]*)"' % "|".join(names).encode())


ENDINGS: Final[dict[str, Ending]] = {
    "openai-chat": Ending(
        _field("finish_reason"),
        frozenset((b"stop", b"length", b"tool_calls", b"function_call", b"model_length", b"eos", b"end_turn")),
        re.compile(rb'"refusal"[ \t]*:[ \t]*"[^"]'),
    ),
    "openai-responses": Ending(
        re.compile(rb'"(?:status|reason)"[ \t]*:[ \t]*"(completed|max_output_tokens|max_tokens)"'),
        frozenset((b"completed", b"max_output_tokens", b"max_tokens")),
        re.compile(
            rb'"status"[ \t]*:[ \t]*"(?:failed|cancelled|queued)"|"type"[ \t]*:[ \t]*"refusal"'
            rb'|"reason"[ \t]*:[ \t]*"(?!max_output_tokens"|max_tokens")'
        ),
    ),
    "anthropic": Ending(_field("stop_reason"), frozenset((b"end_turn", b"stop_sequence", b"max_tokens", b"tool_use"))),
    "gemini": Ending(_field("finishReason"), frozenset((b"STOP", b"MAX_TOKENS")), re.compile(rb'"blockReason"')),
    "ollama": Ending(_field("done_reason"), frozenset((b"stop", b"length", b"tool_calls"))),
}


def complete(protocol: str, data: bytes) -> bool:
    """Whether an answer of this wire is complete and good. One that does not say how it ended is not."""
    ending = ENDINGS[protocol]
    if ending.spoilt is not None and ending.spoilt.search(data) is not None:
        return False
    words = set(ending.says.findall(data))
    return bool(words) and words <= ending.good


# Fields that make an answer depend on more than the request: what they name changes, or is answered later.
_STATEFUL: Final[dict[str, tuple[str, ...]]] = {"openai-responses": ("conversation", "background")}


def stateful(protocol: str, fields: Fields) -> bool:
    """Whether the top-level fields of a request make its answer depend on more than them."""
    named = _STATEFUL.get(protocol, ())
    return any(name in fields and bytes(fields[name]) not in (b"null", b"false") for name in named)
