"""Arrays out of NRRD files with a text header and raw values beside it, checked against each other."""

from math import prod
from pathlib import Path

import numpy as np

TYPES = {"double": "<f8", "float": "<f4", "long long int": "<i8", "uchar": "u1"}
NEEDED = ("type", "sizes", "endian", "encoding", "data file")


def read_nrrd(header: Path, source: str) -> np.ndarray:
    """The array that a header describes, in numpy's order: the header lists the fastest axis first.

    Parameters
    ----------
    header : `.nhdr` file of little-endian raw values of type double, float, long long int or uchar.
    source : where a good copy may be had, quoted in the errors.

    Raises
    ------
    FileNotFoundError : no header, or no file of values.
    ValueError : a header without the fields needed or of another format, a file of another size than the
        header says, values that are not finite.
    """
    if not header.is_file():
        raise FileNotFoundError(f"{header}: no such file; get it from {source}")
    lines = header.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))
    missing = [name for name in NEEDED if name not in fields]
    if not lines or not lines[0].startswith("NRRD") or missing:
        raise ValueError(
            f"{header}: no NRRD header with {', '.join(NEEDED)}; missing: {missing}; from {source}"
        )
    if fields["type"] not in TYPES or (fields["endian"], fields["encoding"]) != ("little", "raw"):
        raise ValueError(
            f"{header}: {fields['type']}, {fields['endian']}, {fields['encoding']}; expected one of "
            f"{', '.join(TYPES)}, little, raw"
        )
    sizes = fields["sizes"].split()
    if not sizes or not all(size.isascii() and size.isdigit() for size in sizes):
        raise ValueError(
            f"{header}: sizes {fields['sizes']!r}; expected whole numbers, the fastest axis first; "
            f"from {source}"
        )
    values = header.parent / fields["data file"]
    if not values.is_file():
        raise FileNotFoundError(f"{values}: no such file, but {header.name} names it; get it from {source}")
    shape = tuple(int(size) for size in reversed(sizes))
    kind = np.dtype(TYPES[fields["type"]])
    expected, found = prod(shape) * kind.itemsize, values.stat().st_size
    if found != expected:
        raise ValueError(
            f"{values}: {found} bytes, but {header.name} says {shape} of {fields['type']}, {expected} bytes: "
            f"cut short, or another file's header? The original: {source}"
        )
    array = np.fromfile(values, kind).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError(
            f"{values}: {np.count_nonzero(~np.isfinite(array))} values are not finite; from {source}"
        )
    return array.astype(float)
