"""OpenAI's list of models: `sandbox` and `echo`, and under its own path every name whose words are known.

Source: https://platform.openai.com/docs/api-reference/models/object.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.sandbox.exchange import EPOCH, Received, Route, refused, route
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import JSON, Bad
from gateway.sandbox.script import NAMES, UnknownWord, parse


def models(error: Callable[[Bad, str], Plan]) -> tuple[Route, ...]:
    """GET …/models and GET …/models/NAME."""

    def one(received: Received) -> Plan:
        name = received.path["name"]
        try:
            parse(name)
        except UnknownWord as unknown:
            return refused(error, Bad(str(unknown), "model_not_found", "model", status=404), received.digest)
        return _whole(_model(name))

    return route("GET", "/models", _all), route("GET", "/models/(?P<name>.+)", one)


def _all(_: Received) -> Plan:
    return _whole({"object": "list", "data": [_model(name) for name in NAMES]})


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": EPOCH, "owned_by": "sandbox"}


def _whole(value: object) -> Plan:
    return Plan(status=200, headers=JSON, body=msgspec.json.encode(value))
