"""`system`: words before and after the system prompt, in the first text of it; a request without one gets one."""

from __future__ import annotations

import msgspec

from gateway.ir.chat import Message, Request, Text
from gateway.protocols.systems import split
from gateway.routing.policies.ruling import Hearing

BETWEEN = "\n\n"


class Wrap(msgspec.Struct, frozen=True, tag=True):
    """The words, "" for none."""

    prefix: str = ""
    suffix: str = ""


def wrap(action: Wrap, hearing: Hearing) -> None:
    """Puts the words around it. Raises `Refused` (400) where the request cannot be read."""
    hearing.edit(_wrapped(action, hearing.job.request()))


def _wrapped(action: Wrap, request: Request) -> Request:
    leading, rest = split(request.messages)
    for at, message in enumerate(leading):
        for index, part in enumerate(message.parts):
            if isinstance(part, Text):
                text = BETWEEN.join(each for each in (action.prefix, part.text, action.suffix) if each)
                parts = (*message.parts[:index], msgspec.structs.replace(part, text=text), *message.parts[index + 1 :])
                changed = msgspec.structs.replace(message, parts=parts)
                return msgspec.structs.replace(request, messages=(*leading[:at], changed, *leading[at + 1 :], *rest))
    text = BETWEEN.join(each for each in (action.prefix, action.suffix) if each)
    return msgspec.structs.replace(request, messages=(Message("system", (Text(text),)), *request.messages))
