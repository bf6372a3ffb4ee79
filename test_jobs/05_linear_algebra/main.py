"""Solve, factor and fit with NumPy, and check each answer against what is known to be right."""

import json
import os
from pathlib import Path

import numpy as np

SIZE = 300
SINGULAR_VALUES = (10.0, 5.0, 2.0, 1.0, 0.5)
COEFFICIENTS = (2.0, -1.0, 0.5, 3.0)


def wavy_matrix(rows: int, columns: int) -> np.ndarray:
    """Return a full-rank matrix that is the same on every machine."""
    return np.sin(np.arange(1.0, rows * columns + 1.0) ** 1.5).reshape(rows, columns)


def solve() -> float:
    """Return the largest residual of a system that is far from singular."""
    matrix = wavy_matrix(SIZE, SIZE) + SIZE * np.eye(SIZE)
    right_side = matrix @ np.linspace(-1.0, 1.0, SIZE)
    solution = np.linalg.solve(matrix, right_side)
    return float(np.abs(matrix @ solution - right_side).max())


def singular_values() -> list[float]:
    """Return the singular values of a matrix built from known ones."""
    rank = len(SINGULAR_VALUES)
    left, _ = np.linalg.qr(wavy_matrix(60, rank))
    right, _ = np.linalg.qr(wavy_matrix(40, rank))
    values = np.linalg.svd(left @ np.diag(SINGULAR_VALUES) @ right.T, compute_uv=False)
    return [float(value) for value in values[: rank + 1]]


def least_squares() -> list[float]:
    """Return the cubic that fits points of a known one best, noise in balance with itself."""
    x = np.linspace(-1.0, 1.0, 401)
    powers = np.vander(x, len(COEFFICIENTS), increasing=True)
    noise = wavy_matrix(len(x), 1)[:, 0]
    noise -= powers @ np.linalg.lstsq(powers, noise, rcond=None)[0]
    fitted, *_ = np.linalg.lstsq(powers, powers @ np.array(COEFFICIENTS) + noise, rcond=None)
    return [float(value) for value in fitted]


found = {
    "largest_residual": solve(),
    "singular_values": singular_values(),
    "coefficients": least_squares(),
}
text = json.dumps(found, indent=2) + "\n"
Path(os.environ["OUTPUT_DIR"], "linear_algebra.json").write_text(text, encoding="utf-8")
print(f"solved {SIZE} equations, {len(SINGULAR_VALUES)} singular values, a cubic fit")
