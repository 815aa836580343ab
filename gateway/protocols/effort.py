"""How hard a model is to think, between wires that say it as a word, as a number of tokens, or as on and off.

The words are OpenAI's; the numbers are what the field uses for them where a wire needs tokens (LiteLLM, OpenRouter and
the AI SDK agree within a factor of two). A budget read from one wire becomes the nearest word of another.
"""

from __future__ import annotations

from typing import Final

from gateway.ir.chat import Thinking
from gateway.protocols.losses import Losses

_BUDGETS: Final = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 65536,
}
_BOUNDS: Final = ((1, "none"), (1024, "minimal"), (4096, "low"), (16384, "medium"))


def is_off(thinking: Thinking) -> bool:
    """Whether the client asked for no thinking at all."""
    return thinking.enabled is False or thinking.effort == "none" or thinking.budget == 0


def budget_of(thinking: Thinking) -> int:
    """Tokens to think with; -1 leaves it to the model."""
    if is_off(thinking):
        return 0
    if thinking.budget is not None:
        return thinking.budget
    return _BUDGETS.get(thinking.effort, -1) if thinking.effort is not None else -1


def word_of(thinking: Thinking) -> str | None:
    """The effort as a word, None where the model is to decide."""
    if is_off(thinking):
        return "none"
    if thinking.effort is not None:
        return thinking.effort
    if thinking.budget is None or thinking.budget < 0:
        return None
    return next((word for bound, word in _BOUNDS if thinking.budget < bound), "high")


def nearest(word: str, allowed: tuple[str, ...]) -> str:
    """The word itself, or the nearest that a model takes: the next lower one, else the lowest it has."""
    if word in allowed:
        return word
    order = list(_BUDGETS)
    rank = order.index(word) if word in order else order.index("medium")
    lower = [each for each in allowed if each in order and order.index(each) <= rank]
    return max(lower, key=order.index) if lower else min(allowed, key=order.index)


def said(word: str, thinking: Thinking, allowed: tuple[str, ...], losses: Losses) -> str:
    """The nearest word that a model takes, reported where it is another, or where tokens were asked for."""
    near = nearest(word, allowed)
    if not is_off(thinking) and thinking.effort is None and thinking.budget is not None:
        losses.drop("thinking.budget", f"it is said as a word here: {near!r}")
    elif near != word:
        losses.drop("thinking.effort", f"the nearest that this model takes is {near!r}")
    return near
