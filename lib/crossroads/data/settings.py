"""A chapter's settings at each size, its data names, and where real recordings lie."""

import dataclasses
import os
import types
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

ROOT = Path(__file__).resolve().parents[3]
SIZES = ROOT / "ci/sizes"
T = TypeVar("T")


def load_settings(cls: type[T], chapter: str, size: str, *, folder: Path = SIZES) -> T:
    """Read one size of a chapter's settings into its frozen dataclass.

    Parameters
    ----------
    cls : frozen dataclass whose fields are int, float, bool, str, list[...] or tuple[...] of these.
    chapter : names the file, `folder`/<chapter>.yml.
    size : a block under `sizes` in that file; the keys of the block are exactly the fields of `cls`.

    Raises
    ------
    ValueError : no such chapter or size; a key that is unknown, missing or of another type.
        An int is taken where a float is wanted; a bool is never a number.
    """
    file = folder / f"{chapter}.yml"
    sizes = _read(file)["sizes"]
    if size not in sizes:
        raise ValueError(f"{file}: unknown size {size!r}; allowed: {', '.join(sizes)}")
    return from_block(cls, sizes[size] or {}, f"{file}, size {size}")


def from_block(cls: type[T], block: dict[str, Any], where: str) -> T:
    """A block of YAML as a frozen dataclass; `where` begins the message of what is wrong in it.

    Raises
    ------
    As `load_settings`.
    """
    wanted = get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = [k for k in block if k not in names]
    missing = [k for k in names if k not in block]
    if unknown or missing:
        raise ValueError(
            f"{where}: unknown keys {unknown}, missing keys {missing}; allowed: {', '.join(names)}"
        )
    return cls(**{k: _typed(block[k], wanted[k], f"{where}, key {k}") for k in names})


def data_names(chapter: str, *, folder: Path = SIZES) -> list[str]:
    """Names that the parameter `data` may have in this chapter; the first is the default."""
    return _read(folder / f"{chapter}.yml")["data"]


def check_parameters(chapter: str, size: str, data: str, seed: int, *, folder: Path = SIZES) -> None:
    """Refuse a run of a chapter that does not exist.

    Raises
    ------
    ValueError : naming the parameter, its value and what is allowed.
    """
    file = folder / f"{chapter}.yml"
    content = _read(file)
    if size not in content["sizes"]:
        raise ValueError(f"size={size!r}: {file} has only {', '.join(content['sizes'])}")
    if data not in content["data"]:
        raise ValueError(f"data={data!r}: {file} has only {', '.join(content['data'])}")
    if type(seed) is not int or seed < 0:
        raise ValueError(f"seed={seed!r}: a whole number, 0 or more, is needed")


def data_folder(chapter: str) -> Path | None:
    """Folder of a chapter's real recordings, $CROSSROADS_DATA/<chapter>.

    Returns
    -------
    None when the variable is not set or its folder holds none of this chapter's.

    Raises
    ------
    ValueError : the variable names something that is no folder.
    """
    value = os.environ.get("CROSSROADS_DATA")
    if not value:
        return None
    if not Path(value).is_dir():
        raise ValueError(f"CROSSROADS_DATA={value!r} is no folder; unset it or name the folder of real data")
    folder = Path(value).resolve() / chapter
    return folder if folder.is_dir() else None


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        known = ", ".join(sorted(f.stem for f in file.parent.glob("*.yml"))) or "none"
        raise ValueError(f"{file} is missing: no chapter of that name; there are: {known}")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is no YAML: {error}") from error
    if not isinstance(content, dict) or set(content) != {"data", "sizes"}:
        raise ValueError(f"{file}: the keys must be 'data' (a list of names) and 'sizes' (one block a size)")
    data, sizes = content["data"], content["sizes"]
    if not (isinstance(data, list) and data and all(isinstance(name, str) for name in data)):
        raise ValueError(f"{file}: data is {data!r}; a list of names is needed")
    if not (isinstance(sizes, dict) and all(v is None or isinstance(v, dict) for v in sizes.values())):
        raise ValueError(f"{file}: sizes is {sizes!r}; one block of settings a size is needed")
    return content


def _typed(value: Any, wanted: Any, where: str) -> Any:
    """`value` as `wanted`, or a ValueError; YAML lists become tuples where a tuple is wanted."""
    kind = get_origin(wanted) or wanted
    if kind in (list, tuple) and isinstance(value, list):
        args = get_args(wanted)
        if kind is tuple and args[1:] != (...,):
            if len(value) != len(args):
                raise ValueError(f"{where}: {value!r} has {len(value)} items, {len(args)} are needed")
            return tuple(_typed(v, a, where) for v, a in zip(value, args, strict=True))
        return kind(_typed(v, args[0], where) for v in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        name = str(wanted) if isinstance(wanted, types.GenericAlias) else wanted.__name__
        hint = " (in YAML 1e-3 is text, 1.0e-3 a number)" if kind is float else ""
        raise ValueError(f"{where}: {value!r} is {type(value).__name__}, {name} is needed{hint}")
    return value
