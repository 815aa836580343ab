"""What a running server cannot change: named, so that the file never says something that is not so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.config.model import Config, Disk, Redis
from gateway.config.model_rules import Ledger
from gateway.diagnostics.diagnostic import Diagnostic, diagnose
from gateway.diagnostics.source import Span

FIELDS: Final = ("listen", "workers", "reload", "state", "on_store_failure", "ledger")


def needs_restart(old: Config, new: Config, span: Callable[[tuple[str | int, ...]], Span | None]) -> list[Diagnostic]:
    """One diagnostic for each changed field that takes effect only when the server starts."""
    found = []
    for field in FIELDS:
        before, after = getattr(old.gateway, field), getattr(new.gateway, field)
        if before != after:
            running, wanted = _shown(before), _shown(after)
            detail = f"`gateway.{field}` is {running} in the running server. Restart it for {wanted}, or put it back."
            found.append(diagnose("needs-restart", detail, span(("gateway", field)), f"gateway.{field}"))
    return found


def _shown(value: object) -> str:
    if isinstance(value, Ledger | Disk | Redis):
        return repr(value.model_dump(mode="json", exclude_none=True))
    return repr(value)
