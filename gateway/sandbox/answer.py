"""One sandbox: what it answers to a request, whatever carried the request. A path leads to a wire.

A wire is a file (or a few), a name in wires.py and a row of `ROUTES`. The only state is the count of `fail=N`, which is
bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from gateway.sandbox.exchange import Received, Route, refused
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad
from gateway.sandbox.wires import FIRST, Wire

_COUNTED_MOST: Final = 10_000

# by wire: the file that has its `ROUTES`, and the one that has its `error`; they are read when a sandbox of it is made
ROUTES: Final[dict[Wire, tuple[str, str]]] = {
    Wire.OPENAI_CHAT: ("openai_chat", "openai_errors"),
    Wire.OPENAI_RESPONSES: ("openai_responses", "openai_errors"),
    Wire.ANTHROPIC: ("anthropic", "anthropic_errors"),
    Wire.GEMINI: ("gemini", "gemini_errors"),
    Wire.OLLAMA: ("ollama", "ollama_errors"),
    Wire.COHERE: ("cohere", "cohere_errors"),
    Wire.BEDROCK: ("bedrock", "bedrock_errors"),
}


class Spoken(msgspec.Struct, frozen=True):
    """A wire: where it answers, and how it says that it does not."""

    routes: tuple[Route, ...]
    error: Callable[[Bad, str], Plan]


def spoken(wire: Wire) -> Spoken:
    """A wire that is spoken. Only this imports its files: a worker has no use for those of the others."""
    routes, errors = (import_module(f"gateway.sandbox.{name}") for name in ROUTES[wire])
    return Spoken(routes.ROUTES, errors.error)


class Sandbox:
    """Answers requests. One instance is one upstream: models that fail for a while do so for each anew.

    `plain`: the names of models hold no words, whatever they look like; only the header `x-sandbox` does.
    """

    def __init__(self, wire: Wire = FIRST, *, plain: bool = False) -> None:
        self._spoken = spoken(wire)
        self._plain = plain
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
                plain=self._plain,
            )
            try:
                return route.answer(received)
            except RecursionError:
                return self.refused(Bad("The request is nested too deeply."))
        if not allowed:
            return self.refused(Bad(f"Invalid URL ({method} {path})", status=404))
        message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        return self.refused(Bad(message, "method_not_supported", status=405, allow=allowed))

    def refused(self, bad: Bad) -> Plan:
        """The answer to what is no request at all, in the words of the wire."""
        return refused(self._spoken.error, bad)
