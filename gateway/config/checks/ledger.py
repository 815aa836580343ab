"""Where requests are recorded."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.checks.subject import Subject
from gateway.config.paths import LEDGER, ledger_in
from gateway.config.refs import Ref
from gateway.diagnostics.diagnostic import Diagnostic


def usable_ledger(subject: Subject) -> Iterator[Diagnostic]:
    """The ledger's URL is one, its driver is installed, and its folder can be had."""
    ledger = subject.config.gateway.ledger
    if ledger is None:
        return
    url = subject.secrets.get(ledger.url.key) if isinstance(ledger.url, Ref) else ledger.url
    why = subject.known.ledger(ledger_in(subject.directory(LEDGER), url), subject.here) if url is not None else None
    if why is not None:
        path = (
            isinstance(ledger.url, str)
            and "://" not in ledger.url
            and ledger.url.endswith((".db", ".sqlite", ".sqlite3"))
        )
        help_ = f"write sqlite:///{ledger.url}" if path else None
        yield subject.report("unusable-ledger", why, ("gateway", "ledger"), suggestion=help_)
