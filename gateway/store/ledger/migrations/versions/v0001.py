"""The ledger begins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table and its indexes."""
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "gateway_ledger",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("answer_id", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("end_user", sa.Text),
        sa.Column("tags", json, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("upstream", sa.Text),
        sa.Column("credential", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("path", json, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("first_content", sa.Double),
        sa.Column("finish", sa.Text),
        sa.Column("input", sa.BigInteger),
        sa.Column("output", sa.BigInteger),
        sa.Column("cached", sa.BigInteger),
        sa.Column("cache_write", sa.BigInteger),
        sa.Column("cache_write_1h", sa.BigInteger),
        sa.Column("reasoning", sa.BigInteger),
        sa.Column("audio_input", sa.BigInteger),
        sa.Column("audio_output", sa.BigInteger),
        sa.Column("estimated", sa.Boolean),
        sa.Column("cost", sa.BigInteger),
        sa.Column("lossy", json, nullable=False),
        sa.Column("cache", sa.Text),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
    )
    op.create_index("gateway_ledger_at", "gateway_ledger", ["at"])
    op.create_index("gateway_ledger_request_id", "gateway_ledger", ["request_id"])
    op.create_index("gateway_ledger_answer_id", "gateway_ledger", ["answer_id"])
