"""One sandbox: what it answers to a request, whatever carried the request. A path leads to a wire.

A wire is a file, a name in wires.py and a row of `ROUTES`. The only state is the count of `fail=N`, and it is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec

from gateway.sandbox.openai_chat import EPOCH, chat
from gateway.sandbox.openai_embeddings import embeddings
from gateway.sandbox.openai_errors import JSON, Bad, refused
from gateway.sandbox.plan import Plan
from gateway.sandbox.script import UnknownWord, parse
from gateway.sandbox.wires import FIRST, Wire

_COUNTED_MOST: Final = 10_000
_NAMES: Final = ("sandbox", "echo")

Answer: TypeAlias = Callable[[bytes, str | None, dict[str, int]], Plan]

# by wire: the end of a path, and what is done there on POST
ROUTES: Final[dict[Wire, dict[str, Answer]]] = {
    Wire.OPENAI_CHAT: {
        "/chat/completions": chat,
        "/embeddings": lambda body, header, _: embeddings(body, header),
    },
}


class Sandbox:
    """Answers requests. One instance is one upstream: models that fail for a while do so for each anew."""

    def __init__(self, wire: Wire = FIRST) -> None:
        self._routes = ROUTES[wire]
        self._failed: dict[str, int] = {}

    def answer(self, method: str, target: str, header: str | None, body: bytes) -> Plan:
        """The plan for a request. `target` is its path, with or without a query; `header` its `x-sandbox`."""
        path = target.partition("?")[0].rstrip("/")
        try:
            for end, answer in self._routes.items():
                if path.endswith(end):
                    _only(method, "POST", path)
                    while len(self._failed) >= _COUNTED_MOST:
                        del self._failed[next(iter(self._failed))]
                    return answer(body, header, self._failed)
            if path.endswith("/models"):
                _only(method, "GET", path)
                return _whole({"object": "list", "data": [_model(name) for name in _NAMES]})
            if "/models/" in path:
                _only(method, "GET", path)
                return _whole(_model(_known(unquote(path.partition("/models/")[2]))))
            raise Bad(f"Invalid URL ({method} {path})", status=404)
        except Bad as bad:
            return refused(bad)


def _only(method: str, allowed: str, path: str) -> None:
    if method != allowed:
        message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)"
        raise Bad(message, "method_not_supported", status=405, allow=allowed)


def _known(name: str) -> str:
    """A model's name, if there is such a model: any name is one, as long as its words are known."""
    try:
        parse(name)
    except UnknownWord as unknown:
        raise Bad(str(unknown), "model_not_found", "model", status=404) from None
    return name


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "sandbox"}


def _whole(value: object) -> Plan:
    return Plan(status=200, headers=JSON, body=msgspec.json.encode(value))
