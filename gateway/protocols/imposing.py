"""What the gateway itself says in a request instead of its client, so that every wire says it as its models take it.

A client's own words go back on its own wire as it wrote them. Words of the gateway's do not: they are translated for
the model, on the same wire too, and the client's spelling of the same thing goes.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Request, Thinking

_SPELLINGS: Final = ("reasoning_effort", "reasoning")  # in `extras["item"]`, how a client wrote what `thinking` says


def with_thinking(request: Request, thinking: Thinking | None) -> Request:
    """The request with another word on thinking; the same one where it is the client's."""
    if thinking == request.thinking:
        return request
    extras: dict[str, Any] = request.extras
    item = extras.get("item")
    if isinstance(item, dict) and any(name in item for name in _SPELLINGS):
        extras = {**extras, "item": {name: value for name, value in item.items() if name not in _SPELLINGS}}
    if thinking is not None:
        thinking = msgspec.structs.replace(thinking, imposed=True)
    return msgspec.structs.replace(request, thinking=thinking, extras=extras)
