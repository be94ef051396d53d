"""The SQLite file: opening, the lock against a second process, the schema and every statement. Holds all the SQL."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, NamedTuple

from apiserver.storage.interface import Unavailable

SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB,                         -- NULL: a deletion
    create_revision INTEGER NOT NULL,   -- 0: a deletion
    previous_revision INTEGER NOT NULL, -- 0: a creation
    expires REAL                        -- seconds since the epoch; NULL: never
);
CREATE INDEX IF NOT EXISTS log_key ON log (key, revision, create_revision);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
VERSION = 1

INSERT = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)"

HEADS = """
SELECT l.key, l.revision, l.create_revision, l.expires FROM (SELECT key, max(revision) AS revision FROM log GROUP BY key) h
JOIN log l ON l.revision = h.revision WHERE l.create_revision > 0
"""

NEWEST_OF_KEY = """
SELECT key, value, create_revision, revision FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1
"""

# Walks the distinct keys with one index seek each, however long their histories are.
_KEYS = """
WITH RECURSIVE k(key) AS (
    SELECT min(key) FROM log WHERE key > :after AND key < :end
    UNION ALL
    SELECT (SELECT min(key) FROM log WHERE key > k.key AND key < :end) FROM k WHERE k.key IS NOT NULL
),
h(revision) AS (
    SELECT (SELECT revision FROM log WHERE key = k.key AND revision <= :revision ORDER BY revision DESC LIMIT 1)
    FROM k WHERE k.key IS NOT NULL
)
"""
PAGE = _KEYS + "SELECT key, value, create_revision, revision FROM h CROSS JOIN log USING (revision) WHERE create_revision > 0 LIMIT :limit"

COUNT = """
SELECT count(*) FROM (SELECT key, max(revision), create_revision FROM log
WHERE key > :after AND key < :end AND revision <= :revision GROUP BY key) WHERE create_revision > 0
"""

EVENTS = """
SELECT l.key, l.revision, l.value, l.create_revision, l.previous_revision, p.value
FROM log l LEFT JOIN log p ON p.revision = l.previous_revision AND :previous
WHERE l.revision >= :start AND l.revision <= :end ORDER BY l.revision LIMIT :limit
"""

VALUE = "SELECT value FROM log WHERE revision = ?"

# A row is history once its successor is older than the compaction; the successor knows it as its previous one.
FORGET_REPLACED = """
DELETE FROM log WHERE revision IN (SELECT previous_revision FROM log WHERE revision >= :low AND revision < :high AND previous_revision > 0)
"""
FORGET_DELETIONS = "DELETE FROM log WHERE revision >= :low AND revision < :high AND create_revision = 0"
SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class Head(NamedTuple):
    """The newest revision of a living key; `expires` as in the log."""

    revision: int
    create_revision: int
    expires: float | None


def take_lock(path: Path) -> IO[str]:
    """Lock the store for this process until the file is closed or the process dies; raises Unavailable with who has it."""
    file = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise Unavailable(f"{path} is in use by process {holder or 'unknown'}: one API server at a time can write to it") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def connect(path: Path) -> sqlite3.Connection:
    """Open the database for writing, with its schema; raises Unavailable."""
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
        db.execute("PRAGMA journal_mode = WAL")
        # The write-ahead log is synced by us, for a whole group of writes at once and before any is acknowledged.
        # NORMAL still syncs it before a checkpoint and the database after it, which is what keeps the file whole.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("PRAGMA cache_size = -4096")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise Unavailable(f"{path} has format {version}, this program knows format {VERSION}")
        db.executescript(SCHEMA)
        db.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.Error as error:
        raise Unavailable(f"cannot open {path}: {error}") from error
    return db


def prefix_end(prefix: str) -> str:
    """The first string that sorts after every string with the prefix; keys never contain the last code point."""
    return prefix + "\U0010ffff"


def checkpoint(path: Path, mode: str = "PASSIVE") -> None:
    """Copy the write-ahead log into the database. Runs in a thread of its own; a failure leaves it for the next time."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA wal_checkpoint({mode})")
