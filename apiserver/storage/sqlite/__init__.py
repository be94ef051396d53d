"""The embedded store: a revision log in one SQLite file, for a single API server process."""

from apiserver.storage.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
