"""Errors of the responses wire: OpenAI's envelope as on the chat wire, and the errors that answers and streams carry.

Source of facts: https://platform.openai.com/docs/api-reference/responses/object#error (codes of a failed response)
and /docs/api-reference/responses-streaming/error.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.failure import Failure, Kind, Refusal
from gateway.protocols.openai_chat.errors import decode_error, encode_error
from gateway.protocols.openai_chat.errors import failure_of as _failure_of

__all__ = ["decode_error", "encode_error", "encode_stream_error", "failure_of"]

# Codes of `response.error` that say what the client sent was wrong, or not allowed.
_CODES: Final[dict[str, Kind]] = {
    "invalid_prompt": Kind.INVALID_REQUEST,
    "data_residency_mismatch": Kind.INVALID_REQUEST,
    "bio_policy": Kind.CONTENT_FILTER,
    "misalignment_policy_violation": Kind.CONTENT_FILTER,
    "image_content_policy_violation": Kind.CONTENT_FILTER,
    "vector_store_timeout": Kind.SERVER_ERROR,
    "failed_to_download_image": Kind.INVALID_REQUEST,
    "unsupported_image_media_type": Kind.INVALID_REQUEST,
    "empty_image_file": Kind.INVALID_REQUEST,
    "usage_not_included": Kind.QUOTA,
    "usage_limit_reached": Kind.QUOTA,
}
_PREFIXES: Final = ("invalid_", "image_")


def failure_of(error: Any) -> Failure:
    """The failure that an error inside a 200 stands for: a response's `error`, or an `error` event."""
    failure = _failure_of(error, None)
    code = failure.code
    if failure.kind is Kind.BAD_RESPONSE and code is not None:
        kind = _CODES.get(code) or (Kind.INVALID_REQUEST if code.startswith(_PREFIXES) else None)
        if kind is not None:
            return msgspec.structs.replace(failure, kind=kind)
    if failure.kind is Kind.BAD_RESPONSE and failure.type == "invalid_request_error":
        return msgspec.structs.replace(failure, kind=Kind.INVALID_REQUEST)
    return failure


def encode_stream_error(refusal: Refusal, request_id: str) -> bytes:
    """An `error` event, on which SDKs raise, then `response.failed`, which ends the stream for who reads on."""
    error = {
        "message": refusal.message,
        "type": refusal.type or "api_error",
        "param": refusal.param,
        "code": refusal.code,
        "request_id": request_id,
    }
    event = {
        "type": "error",
        "code": refusal.code,
        "message": refusal.message,
        "param": refusal.param,
        "sequence_number": 0,
        "error": error,
    }
    failed = {
        "type": "response.failed",
        "sequence_number": 0,
        "response": {
            "id": f"resp_{request_id}",
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": {"code": refusal.code, "message": refusal.message},
            "incomplete_details": None,
            "model": "",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        },
    }
    written = b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n"
    return written % (msgspec.json.encode(event), msgspec.json.encode(failed))
