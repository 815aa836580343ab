"""How a ledger of an earlier version becomes one of this: Alembic's environment, and a file a version in `versions/`.

A version that was published is never edited. Each adds what its gateway writes and drops nothing that the one before it
wrote, so that nodes of two versions can share a database while one is rolled out.
"""
