"""Stop reasons, usage and seals of Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

`inputTokens` leaves out what a cache gave or took (`cacheReadInputTokens`, `cacheWriteInputTokens`); here they add up.
Of a `redactedContent` the wire shows base64 of the bytes that Claude's own wire shows as they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from gateway.failure import Failure, Kind
from gateway.ir.chat import Finish, Seal
from gateway.ir.usage import Usage
from gateway.protocols.reading import count
from gateway.protocols.seals import BEDROCK, CLAUDE

UNREADABLE: Final = "malformed_model_output"

_FINISHES: Final[dict[str, Finish]] = {
    "end_turn": Finish.STOP,
    "tool_use": Finish.TOOL_CALLS,
    "max_tokens": Finish.LENGTH,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "guardrail_intervened": Finish.CONTENT_FILTER,
    "content_filtered": Finish.CONTENT_FILTER,
    "malformed_tool_use": Finish.MALFORMED_CALL,
    "model_context_window_exceeded": Finish.CONTEXT,
    "refusal": Finish.REFUSAL,
    "pause_turn": Finish.PAUSE,
}

# Claude's signatures and encrypted thoughts are messages in protobuf whose second field comes first (0x12), in base64.
_OF_CLAUDE: Final = re.compile(r"E[g-v]")


def finish_of(word: Any, called: bool) -> Finish:
    """The finish that a `stopReason` stands for."""
    finish = _FINISHES.get(word, Finish.OTHER) if isinstance(word, str) else Finish.OTHER
    return Finish.TOOL_CALLS if called and finish in (Finish.STOP, Finish.OTHER) else finish


def unreadable(word: Any) -> Failure | None:
    """The failure that a `stopReason` stands for, None for all but one."""
    if word != UNREADABLE:
        return None
    return Failure(kind=Kind.BAD_RESPONSE, message="the model wrote an answer that Bedrock could not read")


def stopped_by(fields: Any) -> str | None:
    """The stop sequence among `additionalModelResponseFields`, which Claude gives where it was asked for."""
    for value in (fields, fields.get("delta")) if isinstance(fields, dict) else ():
        found = value.get("stop_sequence") if isinstance(value, dict) else None
        if isinstance(found, str):
            return found
    return None


def usage_of(value: Any) -> Usage | None:
    """The neutral counts of a `usage` object."""
    if not isinstance(value, dict):
        return None
    read, write = count(value.get("cacheReadInputTokens")), count(value.get("cacheWriteInputTokens"))
    details = value.get("cacheDetails")
    hour = sum(
        count(each.get("inputTokens"))
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and each.get("ttl") == "1h"
    )
    return Usage(
        input=count(value.get("inputTokens")) + read + write,
        output=count(value.get("outputTokens")),
        cached=read,
        cache_write=write,
        cache_write_1h=min(hour, write),
    )


def tier_of(value: Any) -> str | None:
    """The name of a `serviceTier`."""
    word = value.get("type") if isinstance(value, dict) else None
    return word if isinstance(word, str) else None


def signature_of(value: str) -> Seal:
    """A `signature` as a seal. Answers do not say whose they are, the form of the value does."""
    return Seal(CLAUDE if _OF_CLAUDE.match(value) else BEDROCK, value)


def redacted_of(value: str) -> Seal:
    """A `redactedContent` as a seal."""
    try:
        inner = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return Seal(BEDROCK, value)
    return Seal(CLAUDE, inner) if _OF_CLAUDE.match(inner) else Seal(BEDROCK, value)


def redacted_out(seal: Seal) -> str:
    """The `redactedContent` of a seal."""
    return (
        base64.b64encode(seal.value.encode("utf-8", "surrogatepass")).decode() if seal.family == CLAUDE else seal.value
    )
