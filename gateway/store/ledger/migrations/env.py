"""Alembic's environment: runs on the connection that `book.py` gives it, in that connection's transaction."""

from __future__ import annotations

from alembic import context

from gateway.store.ledger.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
