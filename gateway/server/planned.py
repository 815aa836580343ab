"""What a reload changes, in one line for the log and the audit record: the plan from what runs to what will.

It is told from what the workers are handed, so it is of the very programs. It decides nothing: whatever goes wrong
here stops no reload.
"""

from __future__ import annotations

from gateway.config.handoff import restore
from gateway.engine.build import build
from gateway.engine.planning.picture import Side
from gateway.engine.planning.plan import plan
from gateway.engine.planning.text import line
from gateway.engine.published import marks_of


def told(old: bytes, new: bytes) -> str:
    """The plan between two payloads of `config.handoff`."""
    try:
        return line(plan(_side(old), _side(new)))
    except Exception as error:
        return f"what it changes could not be told: {type(error).__name__}: {error}"


def _side(payload: bytes) -> Side:
    config, secrets = restore(payload)
    return Side("", config, build(config, secrets, revision=""), marks_of(config, secrets))
