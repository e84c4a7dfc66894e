"""Angles on a circle, shared by every room."""

from __future__ import annotations

import numpy as np


def wrap(angle: np.ndarray) -> np.ndarray:
    """Angle [rad] brought into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
