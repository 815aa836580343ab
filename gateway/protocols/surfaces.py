"""Where each protocol's clients expect it: the paths, what a path says of a request, and lists of models.

Still sans-I/O: the server gives what stood in the path and in the query, and gets values. `<name:path>` in a path is
what may hold slashes. A path that means nothing raises `Refused` (404), told in the protocol of the path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from gateway.failure import Refusal, Refused
from gateway.protocols import PROTOCOLS, listings
from gateway.protocols.contract import Frames, Protocol

Query: TypeAlias = Mapping[str, str]


class Asked(NamedTuple):
    """What the path of a request says: the model and whether it streams, None where the body says it.

    `frames` makes another framing of the protocol's own, `counts` asks for the tokens of the prompt only.
    """

    protocol: Protocol
    model: str | None = None
    stream: bool | None = None
    frames: Callable[[], Frames] | None = None
    counts: bool = False


OPERATIONS: Final = frozenset(("chat", "count_tokens"))  # whatever the wire calls them


def operation_of(name: str) -> str:
    """What a wire's operation is, whatever it is called there."""
    return "count_tokens" if name == "count_tokens" else "chat"


class Surface(msgspec.Struct, frozen=True):
    """One protocol's operation and the paths it is served under. `named` reads a path that names the model."""

    protocol: str
    operation: str
    paths: tuple[str, ...]
    counts: bool = False
    named: Callable[[str, Query], Asked] | None = None

    def asked(self, name: str | None, query: Query) -> Asked:
        """What a path of this surface says."""
        if self.named is not None and name is not None:
            return self.named(name, query)
        return Asked(PROTOCOLS[self.protocol], counts=self.counts)


class Listing(msgspec.Struct, frozen=True):
    """A list of models, and the path that shows one of them; `header` is what clients who want this one send."""

    path: str
    many: Callable[[list[listings.Listed]], object]
    one: Callable[[listings.Listed], object] | None = None
    header: str = ""


def _gemini(name: str, query: Query) -> Asked:
    """`{model}:{verb}`: https://ai.google.dev/api/generate-content. Without `alt=sse` a stream is an array."""
    model, _, verb = name.rpartition(":")
    if not model or verb not in ("generateContent", "streamGenerateContent", "countTokens"):
        raise Refused(
            Refusal(
                status=404,
                type="not_found_error",
                code="not_found",
                message="There is nothing at this path. It ends in :generateContent, :streamGenerateContent or "
                ":countTokens.",
                should_retry=False,
            )
        )
    streams = verb == "streamGenerateContent"
    array = streams and query.get("alt") != "sse"
    return Asked(PROTOCOLS["gemini"], model, streams, _array_frames if array else None, verb == "countTokens")


def _array_frames() -> Frames:
    from gateway.protocols.gemini import array_frames  # with its wire, and no sooner

    return array_frames()


_GEMINI: Final = (
    "/v1beta/models/<name:path>",
    "/v1/models/<name:path>",
    "/gemini/v1beta/models/<name:path>",
    "/v1beta1/publishers/google/models/<name:path>",
    "/v1/publishers/google/models/<name:path>",
)

SURFACES: Final = (
    Surface("openai-chat", "chat", ("/v1/chat/completions", "/openai/v1/chat/completions", "/api/v1/chat/completions")),
    Surface("openai-responses", "responses", ("/v1/responses", "/openai/v1/responses", "/api/v1/responses")),
    Surface("anthropic", "messages", ("/v1/messages", "/anthropic/v1/messages")),
    Surface("anthropic", "count_tokens", ("/v1/messages/count_tokens", "/anthropic/v1/messages/count_tokens"), True),
    Surface("gemini", "generate_content", _GEMINI, named=_gemini),
    Surface("ollama", "ollama_chat", ("/api/chat", "/v1/api/chat", "/ollama/api/chat")),
)

LISTINGS: Final = (
    Listing("/v1/models", listings.anthropic, listings.anthropic_one, header="anthropic-version"),
    Listing("/v1/models", listings.openai, listings.openai_one),
    Listing("/openai/v1/models", listings.openai, listings.openai_one),
    Listing("/api/v1/models", listings.openai, listings.openai_one),
    Listing("/anthropic/v1/models", listings.anthropic, listings.anthropic_one),
    Listing("/v1beta/models", listings.gemini, listings.gemini_one),
    Listing("/gemini/v1beta/models", listings.gemini, listings.gemini_one),
    Listing("/api/tags", listings.ollama),
)

# A client that would rather have a WebSocket asks these with GET.
SOCKETS: Final = ("/v1/responses", "/openai/v1/responses", "/api/v1/responses")
# Answers that no model gives: path → body.
FIXED: Final = {"/api/version": listings.OLLAMA_VERSION}
SHOW: Final = "/api/show"


def protocol_of(path: str) -> Protocol:
    """The protocol in which a path's errors are told."""
    if path.startswith(("/v1/messages", "/anthropic/")):
        return PROTOCOLS["anthropic"]
    if path.startswith(("/v1beta/", "/v1beta1/", "/gemini/")) or ":generateContent" in path:
        return PROTOCOLS["gemini"]
    if path.startswith(("/api/", "/v1/api/", "/ollama/")) and not path.startswith("/api/v1/"):
        return PROTOCOLS["ollama"]
    return PROTOCOLS["openai-chat"]
