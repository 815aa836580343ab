"""Whole answers: read only for what accounting and routing need; the bytes themselves go to the client."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.usage import Usage
from gateway.protocols.openai_chat.errors import failure_of


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """The `usage` object. Cached tokens are inside `prompt_tokens`, reasoning inside `completion_tokens`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def neutral(self) -> Usage:
        """The same counts in the gateway's convention."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            input=self.prompt_tokens or 0,
            output=self.completion_tokens or 0,
            cached=(prompt.cached_tokens or 0) if prompt is not None else 0,
            reasoning=(completion.reasoning_tokens or 0) if completion is not None else 0,
        )


_USAGE: Final = msgspec.json.Decoder(WireUsage | None)


def usage_of(raw: msgspec.Raw) -> Usage | None:
    """The usage in an undecoded `usage` value, None where there is none that makes sense."""
    try:
        usage = _USAGE.decode(raw)
    except msgspec.DecodeError:
        return None
    return usage.neutral() if usage is not None else None


class _Answer(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer.

    Raises `Failed`: the failure that a 200 carries in `error`, else `bad_response` for what is no chat completion.
    """
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer is not a chat completion: {error}")) from None
    if answer.error is not None:
        raise Failed(failure_of(answer.error, None))
    if not answer.choices:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no choices"))
    return usage_of(answer.usage)
