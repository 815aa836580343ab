"""One sandbox: what it answers to a request, whatever carried the request. A path leads to a wire.

A wire is a file (or a few), a name in wires.py and a row of `ROUTES`. The only state is the count of `fail=N`, which is
bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from gateway.sandbox import (
    anthropic,
    anthropic_errors,
    bedrock,
    bedrock_errors,
    cohere,
    cohere_errors,
    gemini,
    gemini_errors,
    ollama,
    ollama_errors,
    openai_chat,
    openai_errors,
    openai_responses,
)
from gateway.sandbox.exchange import Received, Route, refused
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.wires import FIRST, Wire

_COUNTED_MOST: Final = 10_000


class Spoken(msgspec.Struct, frozen=True):
    """A wire: where it answers, and how it says that it does not."""

    routes: tuple[Route, ...]
    error: Callable[[Bad, str], Plan]


ROUTES: Final[dict[Wire, Spoken]] = {
    Wire.OPENAI_CHAT: Spoken(openai_chat.ROUTES, openai_errors.error),
    Wire.OPENAI_RESPONSES: Spoken(openai_responses.ROUTES, openai_errors.error),
    Wire.ANTHROPIC: Spoken(anthropic.ROUTES, anthropic_errors.error),
    Wire.GEMINI: Spoken(gemini.ROUTES, gemini_errors.error),
    Wire.OLLAMA: Spoken(ollama.ROUTES, ollama_errors.error),
    Wire.COHERE: Spoken(cohere.ROUTES, cohere_errors.error),
    Wire.BEDROCK: Spoken(bedrock.ROUTES, bedrock_errors.error),
}


class Sandbox:
    """Answers requests. One instance is one upstream: models that fail for a while do so for each anew."""

    def __init__(self, wire: Wire = FIRST) -> None:
        self._spoken = ROUTES[wire]
        self._failed: dict[str, int] = {}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Plan:
        """The plan for a request. `target` is its path, with or without a query; header names are in lower case."""
        raw, _, query = target.partition("?")
        path = raw.rstrip("/")
        while len(self._failed) >= _COUNTED_MOST:
            del self._failed[next(iter(self._failed))]
        allowed = ""
        for route in self._spoken.routes:
            match = route.pattern.search(path)
            if match is None:
                continue
            if route.method != method:
                allowed = allowed or route.method
                continue
            received = Received(
                body=body,
                headers=headers,
                failed=self._failed,
                path={name: unquote(part) for name, part in match.groupdict().items()},
                query=dict(parse_qsl(query, keep_blank_values=True)),
            )
            return route.answer(received)
        if not allowed:
            return self.refused(Bad(f"Invalid URL ({method} {path})", status=404))
        message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        return self.refused(Bad(message, "method_not_supported", status=405, allow=allowed))

    def refused(self, bad: Bad) -> Plan:
        """The answer to what is no request at all, in the words of the wire."""
        return refused(self._spoken.error, bad)
