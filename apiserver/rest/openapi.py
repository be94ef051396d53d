"""OpenAPI documents over the catalog: made when first asked for, brought up to date when the catalog has changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from apiserver.registry.catalog import Catalog
from kubepy.api.openapi.documents import Answer, Documents, Source


class OpenApi:
    """Answers /openapi/*. Called from worker threads: making the large documents takes a while."""

    def __init__(self, catalog: Catalog, version: str) -> None:
        self._catalog = catalog
        self._documents = Documents(version)
        self._generation = -1
        self._lock = threading.Lock()

    def answer(self, path: str, headers: Mapping[str, str], query: str) -> Answer:
        """(status, content type, body, headers) of a GET."""
        with self._lock:
            generation = self._catalog.generation
            if generation != self._generation:
                self._documents.replace(Source(s.resource, s.schema) for s in self._catalog if not s.unavailable)
                self._generation = generation
            return self._documents.answer(path, headers, query)
