"""`reasoning`: how much models think, said once for all of them; each wire writes what its models take.

- `off`: not at all, where the model can be told so. `strip`: as if the caller had said nothing.
- `set`: this, whatever the caller said. `cap`: the caller's, but no more than this; nothing said stays nothing.
- `adaptive`: the effort's budget, × (1 + 0.5 with more than 10 messages + 0.5 with more than 3 tools + 0.3 where the
  last question has more than 2,000 characters), and no more than `budget`, else than 131,072.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.ir.chat import Request, Text, Thinking
from gateway.protocols import effort
from gateway.protocols.imposing import with_thinking
from gateway.routing.policies.ruling import Hearing

MOST: Final = 131_072
_BASES: Final = {"minimal": 512, "low": 1024, "medium": 10_240, "high": MOST, "xhigh": MOST, "max": MOST}
_MANY_MESSAGES: Final = 10
_MANY_TOOLS: Final = 3
_LONG: Final = 2000


class Think(msgspec.Struct, frozen=True, tag=True):
    """`mode` and, where it needs them, an effort's word and tokens."""

    mode: str
    effort: str | None = None
    budget: int | None = None


def think(action: Think, hearing: Hearing) -> None:
    """Decides it. Raises `Refused` (400) where the request cannot be read."""
    request = hearing.job.request()
    hearing.edit(with_thinking(request, wanted(action, request)))


def wanted(action: Think, request: Request) -> Thinking | None:
    """What a request says of thinking after this."""
    given = request.thinking
    summary = given.summary if given is not None else None
    match action.mode:
        case "off":
            return Thinking(enabled=False)
        case "strip":
            return None
        case "set":
            return _said(action.effort, action.budget, summary)
        case "adaptive":
            return _said(None, _adaptive(action, request), summary)
    return _capped(action, given)


def _said(word: str | None, budget: int | None, summary: str | None) -> Thinking:
    return Thinking(effort=word, budget=budget, enabled=budget != 0, summary=summary)


def _capped(action: Think, given: Thinking | None) -> Thinking | None:
    if given is None or effort.is_off(given):
        return given
    most = action.budget
    if most is None:
        most = effort.budget_of(Thinking(effort=action.effort))
    asked = effort.budget_of(given)
    if 0 <= asked <= most:
        return given
    by_word = given.budget is None and action.budget is None
    return _said(action.effort if by_word else None, None if by_word else most, given.summary)


def _adaptive(action: Think, request: Request) -> int:
    times = 1.0
    times += 0.5 * (len(request.messages) > _MANY_MESSAGES)
    times += 0.5 * (len(request.tools) > _MANY_TOOLS)
    times += 0.3 * (_last_question(request) > _LONG)
    most = MOST if action.budget is None else action.budget
    return min(round(_BASES[action.effort or "medium"] * times), most)


def _last_question(request: Request) -> int:
    """Characters of the user's last text."""
    for message in reversed(request.messages):
        if message.role == "user":
            length = sum(len(part.text) for part in message.parts if isinstance(part, Text))
            if length:
                return length
    return 0
