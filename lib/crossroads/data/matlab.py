"""Numeric arrays out of MATLAB v5 files, checked before anything is computed from them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat


def read_matlab(path: str | Path, names: Sequence[str], source: str) -> list[np.ndarray]:
    """Read named arrays of finite real numbers.

    Parameters
    ----------
    path : MATLAB file of version 7 or older (not the HDF5 files of ``-v7.3``).
    names : variables to read.
    source : where a good copy may be had, quoted in the errors.

    Returns
    -------
    Float64 arrays in the order of ``names``, in MATLAB's shapes (at least two axes).

    Raises
    ------
    FileNotFoundError : there is no such file.
    ValueError : damaged file, missing variable, or a variable that is not finite real numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; get it from {source}")
    try:
        content = loadmat(path)
    except Exception as error:  # damaged bytes make scipy raise a dozen unrelated types
        raise ValueError(
            f"{path}: not readable as a MATLAB v5 file ({type(error).__name__}: {error}); expected a whole "
            f"file, {path.stat().st_size} bytes found: fetch it again from {source}"
        ) from error
    found = sorted(name for name in content if not name.startswith("__"))
    arrays = []
    for name in names:
        if name not in found:
            raise ValueError(
                f"{path}: no variable {name!r}; found {found}, expected {list(names)}: "
                f"is it another file, or cut short? The original: {source}"
            )
        array = content[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
            kind = getattr(array, "dtype", type(array).__name__)
            raise ValueError(
                f"{path}: {name!r} holds {kind}, expected real numbers: save it as a full numeric array"
            )
        n_bad = int(np.count_nonzero(~np.isfinite(array)))
        if n_bad:
            raise ValueError(
                f"{path}: {name!r} has {n_bad} NaN or infinite values of {array.size}, expected none: "
                f"drop those rows or columns, or fetch the file again from {source}"
            )
        arrays.append(array.astype(float))
    return arrays
