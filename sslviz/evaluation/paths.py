"""Ways from one point to another: straight, along a great circle, and between two images pixel by pixel."""

from __future__ import annotations

import numpy as np

from sslviz.errors import InputError


def straight(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Points (K, ...) from a to b, both included, at equal distances.

    Args:
        a, b: arrays of one shape, places z (D,) or images (C, H, W).
        steps: K, at least 2.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or steps < 2:
        raise InputError(f"A way from {a.shape} to {b.shape} in {steps} steps: give one shape and at least two steps.")
    t = np.linspace(0, 1, steps).reshape(-1, *[1] * a.ndim)
    return (1 - t) * a + t * b


def spherical(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Points (K, D) from a to b (D,) at equal angles (Shoemake 1985, SIGGRAPH 19(3):245-254).

    Lengths change with the angle as they do there; where a and b lie on one line through the origin, the way is
    straight.
    """
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    angle = float(np.arccos(np.clip(np.dot(a, b) / max(1e-12, lengths), -1, 1)))
    if lengths < 1e-12 or np.sin(angle) < 1e-3:
        return straight(a, b, steps)
    t = np.linspace(0, 1, steps)[:, None]
    a, b = np.asarray(a, float), np.asarray(b, float)
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
