"""`set` and `strip`: parameters of a request by their neutral names.

What the client wrote is a word, `0`, `false` and `null` included: `default` leaves it. A bound (`at_least`, `at_most`)
also holds where the client wrote nothing, or `null`. `PARAMETERS` are the names, with the type of each.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from gateway.ir.chat import Request
from gateway.routing.policies.ruling import Hearing

# Neutral name → the JSON type of its value. Bounds go with numbers only.
PARAMETERS: Final[dict[str, str]] = {
    "max_tokens": "integer",
    "temperature": "number",
    "top_p": "number",
    "top_k": "integer",
    "stop": "strings",
    "seed": "integer",
    "presence_penalty": "number",
    "frequency_penalty": "number",
    "n": "integer",
    "user": "string",
    "service_tier": "string",
    "logprobs": "boolean",
    "top_logprobs": "integer",
    "logit_bias": "object",
    "parallel_tools": "boolean",
    "metadata": "object",
    "cache_key": "string",
}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter. `default` and `always` are JSON, None where nothing is said."""

    name: str
    at_least: float | None = None
    at_most: float | None = None
    default: bytes | None = None
    always: bytes | None = None


class Edit(msgspec.Struct, frozen=True, tag=True):
    """Parameters that are dropped, then those that are set."""

    drop: tuple[str, ...] = ()
    set: tuple[Parameter, ...] = ()


def edit(action: Edit, hearing: Hearing) -> None:
    """Edits the request where it is not so already. Raises `Refused` (400) where it cannot be read."""
    request = hearing.job.request()
    changed: dict[str, Any] = dict.fromkeys(action.drop, UNSET)
    for parameter in action.set:
        given = changed.get(parameter.name, getattr(request, parameter.name))
        changed[parameter.name] = _value(parameter, given)
    hearing.edit(_edited(request, changed))


def _edited(request: Request, changed: dict[str, Any]) -> Request:
    return msgspec.structs.replace(request, **changed) if changed else request


def _value(parameter: Parameter, given: Any) -> Any:
    if parameter.always is not None:
        given = _json(parameter.name, parameter.always)
    elif parameter.default is not None and given is UNSET:
        given = _json(parameter.name, parameter.default)
    least, most = parameter.at_least, parameter.at_most
    said = isinstance(given, int | float)
    if least is not None and said and given < least:
        given = _number(parameter.name, least)
    if most is not None and (not said or given > most):
        given = _number(parameter.name, most)
    return given


def _json(name: str, text: bytes) -> Any:
    value = msgspec.json.decode(text)
    if name == "stop" and value is not None:
        return (value,) if isinstance(value, str) else tuple(value)
    return value


def _number(name: str, value: float) -> float:
    return int(value) if PARAMETERS[name] == "integer" else value
