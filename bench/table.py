"""`make bench`: every figure, measured now, as one table."""

from __future__ import annotations

import bench_agent
import bench_artifacts
import bench_containers
import bench_dashboard
import bench_memory
import bench_sandbox
import bench_store
import bench_wakeup


def main() -> None:
    """Measure and print."""
    for room in (
        bench_sandbox,
        bench_containers,
        bench_memory,
        bench_agent,
        bench_dashboard,
        bench_store,
        bench_wakeup,
        bench_artifacts,
    ):
        for what, figure in room.rows():
            print(f"{what:<60} {figure}", flush=True)


if __name__ == "__main__":
    main()
