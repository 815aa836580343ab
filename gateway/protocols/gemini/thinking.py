"""How much a model is to think, both ways, and what the generations of Gemini differ in.

- 2.5 takes `thinkingBudget`, a number within a range of the model's; Pro cannot be told not to think;
- 3 and later take `thinkingLevel`, a word, and cannot be told not to think at all;
- older ones, and those that make images or speech, take neither.

Source of facts: https://ai.google.dev/gemini-api/docs/thinking (set budget, thinking levels).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from gateway.ir.chat import Request, Thinking
from gateway.protocols import effort
from gateway.protocols.losses import Losses
from gateway.protocols.reading import Fields

_GENERATION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?:-|$)")
_LATEST: Final = re.compile(r"gemini-[a-z-]*latest")
_SILENT: Final = re.compile(r"-(image|tts|embedding|live|audio)")


@lru_cache(1024)
def generation(model: str) -> float:
    """The generation in a model's name (2.0, 2.5, 3…); 0.0 where there is none. An alias of the latest one is 2.5,
    since everything that 2.5 takes is taken later too."""
    match = _GENERATION.search(model)
    if match is not None:
        return float(f"{match[1][:4]}.{(match[2] or '0')[:4]}")
    return 2.5 if _LATEST.search(model) else 0.0


def signs(model: str) -> bool:
    """Whether a model refuses calls of the current turn that lack their signature."""
    return generation(model) >= 3


def range_of(model: str) -> tuple[int, int, bool]:
    """(least, most, may be off) of a budget."""
    if "flash-lite" in model:
        return 512, 24576, True
    return (128, 32768, False) if "pro" in model else (1, 24576, True)


def levels_of(model: str) -> tuple[str, ...]:
    """The levels that a model takes, lowest first."""
    if "pro" in model:
        return ("low", "high") if generation(model) == 3 else ("low", "medium", "high")
    return ("minimal", "low", "medium", "high")


def thinking_of(fields: Fields | None) -> Thinking | None:
    """A `thinkingConfig`. `summary` is what includes thoughts in the answer."""
    if fields is None:
        return None
    shown = fields.flag("includeThoughts")
    word = fields.text("thinkingLevel")
    level = word.lower() if word is not None and word != "THINKING_LEVEL_UNSPECIFIED" else None
    budget = fields.whole("thinkingBudget")
    summary = None if shown is None else "auto" if shown else ""
    return Thinking(effort=level, budget=budget, summary=summary, extras=fields.extras())


def thinking_out(request: Request, model: str, same: bool, losses: Losses) -> dict[str, Any] | None:
    """The `thinkingConfig` for a model, None where there is nothing to say."""
    thinking = request.thinking
    if thinking is None:
        return None
    same = same and not thinking.imposed
    age = 0.0 if _SILENT.search(model) else generation(model)
    if same and (thinking.effort is None or age >= 3 or age == 0):
        out = _said(thinking)
    elif age < 2.5:
        if not effort.is_off(thinking):
            losses.drop("thinking", "this model is not known to think")
        return None
    else:
        out = _level(thinking, model, losses) if age >= 3 else _budget(thinking, request, model, losses)
        shown = thinking.summary != "" and not effort.is_off(thinking)
        if shown if not same else thinking.summary is not None:
            out["includeThoughts"] = shown
    if same:
        out.update(thinking.extras or {})
    else:
        losses.extras(thinking.extras, "thinking.")
    return out or None


def _said(thinking: Thinking) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if thinking.budget is not None:
        out["thinkingBudget"] = thinking.budget
    if thinking.effort is not None:
        out["thinkingLevel"] = thinking.effort.upper()
    if thinking.summary is not None:
        out["includeThoughts"] = thinking.summary != ""
    return out


def _level(thinking: Thinking, model: str, losses: Losses) -> dict[str, Any]:
    word = effort.word_of(thinking)
    if word is None:
        return {}
    levels = levels_of(model)
    level = effort.nearest(word, levels)
    if level != word or (thinking.budget is not None and not effort.is_off(thinking) and thinking.effort is None):
        losses.drop("thinking", f"this model has levels; the nearest is {level.upper()}")
    return {"thinkingLevel": level.upper()}


def _budget(thinking: Thinking, request: Request, model: str, losses: Losses) -> dict[str, Any]:
    least, most, may_be_off = range_of(model)
    asked = effort.budget_of(thinking)
    if asked == 0 and not may_be_off:
        losses.drop("thinking", f"this model always thinks; {least} tokens are the least")
        asked = least
    if asked <= 0:
        return {"thinkingBudget": asked}
    budget = min(max(asked, least), most)
    bound = request.max_tokens
    if isinstance(bound, int) and budget >= bound:
        budget = max(least, bound // 2)
        losses.drop("thinking.budget", "thoughts count as output here: half of max_tokens is left to the answer")
    elif budget != asked and thinking.budget is not None:
        losses.drop("thinking.budget", f"this model thinks with {least} to {most} tokens")
    return {"thinkingBudget": budget}
