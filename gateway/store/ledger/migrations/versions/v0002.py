"""Ids begin with the time, and only request ids that are not the row's own are indexed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Puts a smaller index in the place of another."""
    other = sa.text("request_id != id")
    op.drop_index("gateway_ledger_request_id", "gateway_ledger")
    op.create_index(
        "gateway_ledger_given_id", "gateway_ledger", ["request_id"], sqlite_where=other, postgresql_where=other
    )
