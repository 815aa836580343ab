"""How a change comes into force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.config.checks.subject import Subject
from gateway.config.model import Timeouts
from gateway.config.model_rules import Reload
from gateway.diagnostics.diagnostic import Diagnostic

_FIRST_TOKEN: Final = 60.0  # seconds, where the file says nothing
_PLACE: Final = ("gateway", "reload")


def canaries(subject: Subject) -> Iterator[Diagnostic]:
    """A trial has both revisions to compare, and lasts long enough to see a request fail that hangs."""
    reload = subject.config.gateway.reload
    if not isinstance(reload, Reload):
        return
    if not 0 < reload.canary < 1:
        who = "nobody" if reload.canary == 0 else "everybody"
        detail = f"A canary for {reload.canary:.0%} of the sessions serves {who}: there is nothing to compare."
        yield subject.report("unusable-canary", detail, (*_PLACE, "canary"), suggestion="for example 5%")
    if reload.bake == 0:
        detail = "A canary that lasts no time sees no request."
        yield subject.report("unusable-canary", detail, (*_PLACE, "bake"), suggestion="for example 10m")
        return
    longest = max(_patience(subject), default=_FIRST_TOKEN)
    if reload.bake < longest:
        where = (*_PLACE, "bake") if "bake" in subject.written["gateway"]["reload"] else _PLACE
        detail = f"A request that hangs fails after {longest:g}s (`first_token`), and the canary ends after "
        detail += f"{reload.bake:g}s: it would be over before it is seen."
        yield subject.report("hasty-canary", detail, where)


def _patience(subject: Subject) -> Iterator[float]:
    """How long targets are waited for at most, by provider; a model that says otherwise by its own word."""
    config = subject.config
    default = _said(config.defaults.timeouts) or _FIRST_TOKEN
    for provider in config.providers.values():
        yield _said(provider.timeouts) or default
    for model in config.models.values():
        if (said := _said(model.timeouts)) is not None:
            yield said


def _said(timeouts: Timeouts | None) -> float | None:
    return timeouts.first_token if timeouts is not None else None
