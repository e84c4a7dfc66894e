"""Where networks are trained."""

from __future__ import annotations

import numpy as np
import torch


def device() -> torch.device:
    """The GPU where torch finds one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def origin() -> dict[str, np.ndarray]:
    """What a unit's result says of where its network was trained: "device", the GPU's name; else nothing."""
    return {"device": np.array(torch.cuda.get_device_name())} if torch.cuda.is_available() else {}
