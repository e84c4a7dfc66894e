"""Where the regions of the Schaefer atlas lie, and the outline of a brain to draw them in.

The two tables beside this file were made once, from brainspace 0.3.0 (BSD-3-Clause): its conte69 average
surfaces of 32,492 vertices a hemisphere, and its map of the atlas of 100 regions on them. A region stands
at the vertex nearest to the mean of its vertices. Outlines are the contours of all vertices seen from
above, and of the left hemisphere's from the left, at 121 places. Networks are Yeo's seven, as cubnm 0.1.0
(BSD-3-Clause) lists them.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


@cache
def schaefer_100() -> pd.DataFrame:
    """The 100 regions, left hemisphere first: label, network (index in `bold.NETWORKS`), x, y, z [mm]."""
    return pd.read_csv(HERE / "schaefer_100.csv")


@cache
def brain_outline() -> dict[str, np.ndarray]:
    """Closed outlines (121, 2) [mm]: "top" in x to the right and y to the front, "left" in y and z."""
    table = pd.read_csv(HERE / "brain_outline.csv")
    return {view: rows[["across", "up"]].to_numpy() for view, rows in table.groupby("view")}
