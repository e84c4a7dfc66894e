"""Where networks are trained."""

from __future__ import annotations

import torch


def device() -> torch.device:
    """The GPU where torch finds one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
