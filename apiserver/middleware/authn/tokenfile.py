"""Static tokens of --token-auth-file: CSV lines of token, user name, user uid and, optionally, quoted groups."""

from __future__ import annotations

import csv
from pathlib import Path

from apiserver.context import User


def load_token_file(path: Path | str) -> dict[str, User]:
    """Token → user, without the groups that authentication itself adds. A later line wins over an earlier one.

    Raises OSError, and ValueError for a line with fewer than three columns (authentication/token/tokenfile).
    """
    out: dict[str, User] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        for record in csv.reader(file, skipinitialspace=True):
            if not record:
                continue
            if len(record) < 3:
                raise ValueError(f"token file '{path}' must have at least 3 columns (token, user name, user uid), found {len(record)}")
            token, name, uid = record[:3]
            if not token:
                continue
            groups = tuple(record[3].split(",")) if len(record) > 3 and record[3] else ()
            out[token] = User(name, uid, groups)
    return out
