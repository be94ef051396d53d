"""Reads the three metrics APIs: resource, custom, external. Values are in thousandths, as upstream computes with them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from kubepy.api.errors import StatusError
from kubepy.api.quantity import parse
from kubepy.client import Client

Obj = dict[str, Any]


class MetricsError(Exception):
    """No usable metric; str() is what upstream says in the condition, `event` (with a longer way to it) in the event."""

    def __init__(self, text: str, event: str = "") -> None:
        super().__init__(text)
        self.event = event or text


class Metrics:
    """Metric values by pod name, or as a whole."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _get(self, path: str, what: str, missing: str) -> Obj:
        try:
            found: Obj = orjson.loads(await self._client.raw("GET", path))
        except StatusError as e:
            text = f"the server could not find the requested resource (get {missing})" if e.status_code == 404 else str(e)
            raise MetricsError(f"unable to fetch metrics from {what} metrics API: {text}") from e
        return found

    async def _custom(self, path: str, missing: str) -> Obj:
        """Read custom metrics, of which there may be no API at all."""
        try:
            return await self._get(f"/apis/custom.metrics.k8s.io/v1beta2/{path}", "custom", missing)
        except MetricsError:
            try:
                await self._client.raw("GET", "/apis/custom.metrics.k8s.io")
            except StatusError as e:
                if e.status_code == 404:
                    text = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
                    raise MetricsError(text) from e
            raise

    async def resource(self, namespace: str, selector: str, resource: str, container: str | None) -> dict[str, tuple[int, str, float]]:
        """pod → (milli value, timestamp, window seconds); pods whose containers do not all report are left out."""
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={quote(selector)}"
        found = await self._get(path, "resource", "pods.metrics.k8s.io")
        out: dict[str, tuple[int, str, float]] = {}
        if not found.get("items"):
            raise MetricsError("no metrics returned from resource metrics API")
        for item in found["items"]:
            usages = [c["usage"].get(resource) for c in item.get("containers") or () if container is None or c["name"] == container]
            if usages and all(u is not None for u in usages):
                total = sum(parse(u).milli_value() for u in usages)
                out[item["metadata"]["name"]] = (total, item.get("timestamp", ""), 30.0)
        return out

    async def pods(self, namespace: str, metric: str, pod_selector: str, metric_selector: str) -> dict[str, tuple[int, str, float]]:
        """pod → (milli value, timestamp, window) of a custom metric."""
        query = f"labelSelector={quote(pod_selector)}" + (f"&metricLabelSelector={quote(metric_selector)}" if metric_selector else "")
        found = await self._custom(f"namespaces/{namespace}/pods/*/{metric}?{query}", "pods.custom.metrics.k8s.io *")
        if not found.get("items"):
            raise MetricsError("no metrics returned from custom metrics API")
        return {
            item["describedObject"]["name"]: (
                parse(item["value"]).milli_value(),
                item.get("timestamp", ""),
                item.get("windowSeconds") or 60.0,
            )
            for item in found["items"]
        }

    async def object(self, namespace: str, plural: str, name: str, metric: str, selector: str) -> int:
        """The milli value of a custom metric of one object."""
        query = f"?metricLabelSelector={quote(selector)}" if selector else ""
        found = await self._custom(f"namespaces/{namespace}/{plural}/{name}/{metric}{query}", f"{plural}.custom.metrics.k8s.io {name}")
        if not found.get("items"):
            raise MetricsError("no metrics returned from custom metrics API")
        return parse(found["items"][0]["value"]).milli_value()

    async def external(self, namespace: str, metric: str, selector: str) -> list[int]:
        """The milli values of an external metric's series."""
        query = f"?labelSelector={quote(selector)}" if selector else ""
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}{query}"
        found = await self._get(path, "external", f"{metric}.external.metrics.k8s.io")
        if not found.get("items"):
            raise MetricsError("no metrics returned from external metrics API")
        return [parse(item["value"]).milli_value() for item in found["items"]]
