"""The ledger's table as this version of the gateway writes it. A change here is a migration in `migrations/versions`.

`at` is in seconds since the epoch (both databases compare and index it alike), `cost` in nano-dollars, token counts in
the convention of `ir/usage.py`. `id` is the gateway's own and never twice; `request_id` is what the client saw, which
may be its own word and may come again. `line` says what kind of send the row is of: `request`, or `mirror` and
`loser` beside one, which share its `request_id`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

VERSION: Final = "0002"  # the last migration: a database that says so needs none
VERSION_TABLE: Final = "gateway_ledger_version"

METADATA: Final = MetaData()
_Json: Final = JSON().with_variant(JSONB(), "postgresql")

LEDGER: Final = Table(
    "gateway_ledger",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("line", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("asked", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("provider", Text),
    Column("model", Text),
    Column("key", Text),
    Column("revision", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("kind", Text),
    Column("attempts", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("first_content", Double),
    Column("cost", BigInteger),
    Column("cache", Text),
    Column("team", Text),
    Column("end_user", Text),
    Column("protocol", Text, nullable=False),
    Column("upstream", Text),
    Column("credential", Text),
    Column("answer_id", Text),
    Column("finish", Text),
    Column("input", BigInteger),
    Column("output", BigInteger),
    Column("cached", BigInteger),
    Column("cache_write", BigInteger),
    Column("cache_write_1h", BigInteger),
    Column("reasoning", BigInteger),
    Column("audio_input", BigInteger),
    Column("audio_output", BigInteger),
    Column("estimated", Boolean),
    Column("tags", _Json, nullable=False),
    Column("path", _Json, nullable=False),
    Column("lossy", _Json, nullable=False),
    Column("node", Text, nullable=False),
    Index("gateway_ledger_at", "at"),
    Index("gateway_ledger_answer_id", "answer_id"),
)
OTHER: Final = LEDGER.c.request_id != LEDGER.c.id  # most are the same, and need no index of their own
Index("gateway_ledger_given_id", LEDGER.c.request_id, sqlite_where=OTHER, postgresql_where=OTHER)

# The order in which values are written: first those that each row has for itself, then those that many have alike.
OWN: Final = (
    "id", "request_id", "at", "seconds", "first_content", "cost", "answer_id", "end_user", "path", "input", "output",
    "cached", "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output",
)  # fmt: skip
ALIKE: Final = (
    "line", "operation", "protocol", "asked", "route", "provider", "model", "upstream", "credential", "key", "team",
    "revision", "status", "kind", "finish", "attempts", "stream", "estimated", "cache", "tags", "lossy", "node",
)  # fmt: skip
COLUMNS: Final = (*OWN, *ALIKE)
