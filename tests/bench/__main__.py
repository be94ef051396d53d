"""`make bench`: measure, print the table, keep the figures."""

from __future__ import annotations

import argparse
import sys

from tests.bench import api_rows, churn, plane_rows, scale_rows, scheduler_rows
from tests.bench.processes import api_server, etcd
from tests.bench.report import keep, show

PARTS = ("api", "etcd", "plane", "scheduler", "scheduler-big", "preemption", "scale")


def main() -> None:
    """Run the parts asked for; a part that fails is told, and the rest go on."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("parts", nargs="*", default=[*PARTS], help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=5, help="how long each run of load lasts")
    parser.add_argument("--churn-seconds", type=int, default=120, help="how long the churn lasts")
    options = parser.parse_args()
    failed = False
    for part in options.parts:
        try:
            title, figures = _run(part, options.seconds, options.churn_seconds)
        except (RuntimeError, OSError) as error:
            print(f"{part}: {error}", file=sys.stderr)
            failed = True
            continue
        show(figures, title)
        keep(figures, title)
    sys.exit(failed)


def _run(part: str, seconds: int, churn_seconds: int) -> tuple[str, dict[str, float]]:
    print(f"measuring {part} …", file=sys.stderr)
    if part == "api":
        with api_server() as server:
            return "API server on the embedded store", api_rows.measure(server, seconds)
    if part == "etcd":
        with etcd() as url, api_server(f"--etcd-servers={url}") as server:
            return "API server on etcd", api_rows.measure(server, seconds)
    if part == "plane":
        with api_server() as server:
            return "control plane with 20 simulated nodes", plane_rows.measure(server)
    if part == "scheduler":
        with api_server() as server:
            return "scheduler on 1,000 nodes", scheduler_rows.measure(server)
    if part == "scheduler-big":
        with api_server() as server:
            return "scheduler on 5,000 nodes", scheduler_rows.measure_big(server)
    if part == "preemption":
        with api_server() as server:
            return "preemption on 200 full nodes", scheduler_rows.measure_preemption(server)
    if part == "churn":
        with api_server() as server:
            return "memory under churn", churn.measure(server, churn_seconds)
    if part == "scale":
        with api_server() as server:
            return "scale on 20 simulated nodes", scale_rows.measure(server)
    raise RuntimeError(f"there is no part called {part}")


if __name__ == "__main__":
    main()
