"""Where each protocol is served: its paths, and what a path says of a request.

A path that means nothing is answered in the protocol whose clients would ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from sanic import Request

from gateway.failure import Refusal, Refused
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Protocol
from gateway.protocols.gemini import array_frames
from gateway.server.ingress import Asked


class Row(msgspec.Struct, frozen=True):
    """One protocol's operation and the paths it is served under. `asked` reads the path (see `ingress.handler`)."""

    protocol: str
    operation: str
    paths: tuple[str, ...]
    asked: Callable[..., Asked] | None = None
    counts: bool = False

    def read(self, request: Request, **named: str) -> Asked:
        """What the path of a request says; the body says the rest."""
        return Asked(PROTOCOLS[self.protocol]) if self.asked is None else self.asked(request, **named)


def _gemini(request: Request, name: str) -> Asked:
    """`models/{model}:{verb}`: https://ai.google.dev/api/generate-content. Without `alt=sse` a stream is an array."""
    model, _, verb = name.rpartition(":")
    protocol = PROTOCOLS["gemini"]
    if not model or verb not in ("generateContent", "streamGenerateContent", "countTokens"):
        raise Refused(
            Refusal(
                status=404,
                type="not_found_error",
                code="not_found",
                message=f"There is nothing at {request.path}. It ends in :generateContent, :streamGenerateContent or "
                ":countTokens.",
                should_retry=False,
            )
        )
    streams = verb == "streamGenerateContent"
    array = streams and request.args.get("alt") != "sse"
    return Asked(protocol, model, streams, array_frames if array else None, counts=verb == "countTokens")


_GEMINI: Final = tuple(
    f"/{prefix}/<name:path>"
    for prefix in (
        "v1beta/models",
        "v1/models",
        "gemini/v1beta/models",
        "v1beta1/publishers/google/models",
        "v1/publishers/google/models",
    )
)

ROWS: Final = (
    Row("openai-chat", "chat", ("/v1/chat/completions", "/openai/v1/chat/completions", "/api/v1/chat/completions")),
    Row("openai-responses", "responses", ("/v1/responses", "/openai/v1/responses", "/api/v1/responses")),
    Row("anthropic", "messages", ("/v1/messages", "/anthropic/v1/messages")),
    Row("anthropic", "count_tokens", ("/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"), counts=True),
    Row("gemini", "generate_content", _GEMINI, _gemini),
    Row("ollama", "chat", ("/api/chat", "/v1/api/chat", "/ollama/api/chat")),
)
MODELS: Final = ("/v1/models", "/openai/v1/models", "/api/v1/models")
RESPONSES: Final = ("/v1/responses", "/openai/v1/responses", "/api/v1/responses")


def protocol_of(path: str) -> Protocol:
    """The protocol in which a path's errors are told."""
    if path.startswith(("/v1/messages", "/anthropic/")):
        return PROTOCOLS["anthropic"]
    if path.startswith(("/v1beta/", "/v1beta1/", "/gemini/")) or ":generateContent" in path:
        return PROTOCOLS["gemini"]
    if path.startswith(("/api/", "/v1/api/", "/ollama/")) and not path.startswith("/api/v1/"):
        return PROTOCOLS["ollama"]
    return PROTOCOLS["openai-chat"]
