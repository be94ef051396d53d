"""What a PEM block looks like."""

from __future__ import annotations

import re

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.S)
"""Groups: the type, the base64 text."""
