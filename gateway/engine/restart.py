"""What a running server cannot change: named, so that the file never says something that is not so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.config.model import Config, Disk, Redis
from gateway.config.model_rules import Ledger
from gateway.diagnostics.diagnostic import Diagnostic, diagnose
from gateway.diagnostics.source import Span

FIELDS: Final = ("listen", "workers", "state", "on_store_failure", "ledger")


def needs_restart(old: Config, new: Config, span: Callable[[tuple[str | int, ...]], Span | None]) -> list[Diagnostic]:
    """One diagnostic for each changed field that takes effect only when the server starts."""
    found = []
    for field in FIELDS:
        before, after = getattr(old.gateway, field), getattr(new.gateway, field)
        if _kept(before) != _kept(after):
            running, wanted = _shown(before), _shown(after)
            detail = f"`gateway.{field}` is {running} in the running server. Restart it for {wanted}, or put it back."
            found.append(diagnose("needs-restart", detail, span(("gateway", field)), f"gateway.{field}"))
    if bool(old.gateway.reload) is not bool(new.gateway.reload):  # how it is done may change, whether may not
        running = "not watched for changes" if not old.gateway.reload else "watched for changes"
        detail = f"The file is {running} by the running server. Restart it for another, or put `gateway.reload` back."
        found.append(diagnose("needs-restart", detail, span(("gateway", "reload")), "gateway.reload"))
    return found


def _kept(value: object) -> object:
    """What of it is for the server's life: of Redis the names of its keys, not where it is."""
    return (Redis, value.redis.prefix) if isinstance(value, Redis) else value


def _shown(value: object) -> str:
    if isinstance(value, Ledger | Disk | Redis):
        return repr(value.model_dump(mode="json", exclude_none=True))
    return repr(value)
