"""The isolation level jobs run at here, found by trying."""

from __future__ import annotations

#: Why the stronger levels are not used.
NOT_BUILT = "this version of node3nb does not build it yet"


def probe() -> dict[str, object]:
    """Return the level, what enforces memory, and each stronger layer with why it is off."""
    return {
        "isolation": "limits",
        "memory_enforced_by": "monitor",
        "missing": {"namespaces": NOT_BUILT, "landlock": NOT_BUILT, "cgroup": NOT_BUILT},
    }
