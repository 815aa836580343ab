"""The ledger: one row for each client request, in SQLite or PostgreSQL, for reports and for whoever must prove a bill.

- `address.py` reads the URL and says what is wrong with it, without a database library.
- `tables.py` is the table as it is now; `migrations/` is how databases of earlier versions come to it.
- `book.py` opens, migrates, writes, finds and forgets. Everything in it blocks: it is called from threads only.

SQLAlchemy, alembic and the drivers are imported by `book.py` alone, and that by those only who have a ledger.
"""
