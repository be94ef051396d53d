"""Static defaults."""

from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {}
