"""Units of heavy work: computed in parallel, stored one file each, never computed twice."""

import functools
import hashlib
import io
import os
import pickle
import platform
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TextIO, TypeVar

import joblib
import numpy as np
from joblib.externals.loky import process_executor
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from crossroads.data.settings import ROOT
from crossroads.data.versions import versions

K = TypeVar("K")
U = TypeVar("U")
Result = dict[str, np.ndarray]
PACKAGE = Path(__file__).resolve().parents[1]
LOADED = time.time()
GPUS: set[str] = set()  # that trained networks in the results of this process's sweeps


def code_key(modules: Iterable[str]) -> str:
    """Hash of all code that these modules of crossroads stand on, and of the pinned versions.

    Parameters
    ----------
    modules : full names, as `crossroads.models.ou`.

    Returns
    -------
    sha256, hexadecimal, of the sources of these modules and of every crossroads module that they
    import, directly or through others (also inside functions), and of constraints.txt.

    Raises
    ------
    ValueError : a name that is no module of crossroads.
    """
    digest = hashlib.sha256((ROOT / "constraints.txt").read_bytes())
    for file in _sources(frozenset(modules)):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def sweep(
    fn: Callable[[U], Result],
    units: Sequence[U],
    *,
    label: str,
    folder: Path = ROOT / "build/units",
    together: Callable[[list[U]], Iterable[tuple[U, Result]]] | None = None,
) -> list[Result]:
    """Results of `fn` for all units, in their order; those stored by an earlier call are only read.

    The missing ones are computed by $CROSSROADS_WORKERS processes (default: one a core; 1: in this
    process, which then keeps to one BLAS thread), or, with $DASK_SCHEDULER_ADDRESS, by the workers
    of that Dask cluster. Each result is stored as soon as it is there, so a killed sweep loses
    only the units under way. Every unit runs on one BLAS thread: its bytes do not depend on where it ran.

    Parameters
    ----------
    fn : pure function at the top level of a crossroads module; its result may say "device", a GPU's name.
    units : frozen dataclasses of plain values; all that `fn` depends on, seed included.
    label : what the progress bar calls this sweep.
    folder : results lie in <folder>/<module.function>/<hash of code and unit>.npz.
    together : takes of the missing units those that it computes faster at once (on a GPU), and yields them
        with their results; what it leaves is computed one by one. No part in it on a cluster.

    Raises
    ------
    ValueError : `fn` belongs to no module of crossroads.
    RuntimeError : its code was edited after this process had loaded it.
    """
    files = _files(fn, units, folder)
    results = {file: _load(file) for file in files}
    missing = {file: unit for file, unit in zip(files, units, strict=True) if results[file] is None}
    with _progress(label, len(units), len(units) - len(missing)) as bar:
        for file, result in _compute(fn, missing, together):
            _store(result, file)
            results[file] = _load(file)
            bar.update()
    GPUS.update(str(result["device"]) for result in results.values() if "device" in result)  # type: ignore[operator, index]
    return [results[file] for file in files]  # type: ignore[misc]


def device() -> str:
    """Where the networks in the results of this process's sweeps were trained: names of GPUs, or cpu."""
    return ", ".join(sorted(GPUS)) or "cpu"


def sweep_groups(
    fn: Callable[[U], Result],
    groups: Mapping[K, Sequence[U]],
    *,
    label: str,
    folder: Path = ROOT / "build/units",
) -> dict[K, list[Result]]:
    """As `sweep`, for units in groups: the results of each group, in one sweep over all of them."""
    units = [unit for group in groups.values() for unit in group]
    results = iter(sweep(fn, units, label=label, folder=folder))
    return {name: [next(results) for _ in group] for name, group in groups.items()}


def stored(fn: Callable[[U], Result], unit: U, *, folder: Path = ROOT / "build/units") -> Result:
    """Result of one unit, read where a sweep has stored it, else computed and stored: for use in other units.

    Raises
    ------
    As `sweep`.
    """
    (file,) = _files(fn, [unit], folder)
    if _load(file) is None:
        _store(fn(unit), file)
    return _load(file)  # type: ignore[return-value]


def _files(fn: Callable[[U], Result], units: Sequence[U], folder: Path) -> list[Path]:
    """Where the results of these units lie, or will."""
    key = _loaded_key(fn.__module__)
    home = folder / f"{fn.__module__}.{fn.__qualname__}"
    home.mkdir(parents=True, exist_ok=True)
    return [home / (hashlib.sha256(f"{key}{unit!r}".encode()).hexdigest() + ".npz") for unit in units]


def _loaded_key(module: str) -> str:
    """The code key of a module as this process has loaded it."""
    for file in _sources(frozenset([module])):
        if file.stat().st_mtime > LOADED:
            # Otherwise what the old code computes would be stored under the key of the new.
            raise RuntimeError(f"{file} was edited after this process had started: restart the process")
    return code_key([module])


@functools.cache
def _sources(modules: frozenset[str]) -> list[Path]:
    import grimp  # comes with the extra `book`

    graph = grimp.build_graph("crossroads", cache_dir=None)
    if unknown := modules - graph.modules:
        raise ValueError(f"{', '.join(sorted(unknown))}: no module of crossroads, so its code has no key")
    names = modules.union(*(graph.find_upstream_modules(name) for name in modules))
    paths = [PACKAGE.joinpath(*name.split(".")[1:]) for name in sorted(names)]
    return [path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for path in paths]


def _compute(
    fn: Callable[[U], Result],
    missing: dict[Path, U],
    together: Callable[[list[U]], Iterable[tuple[U, Result]]] | None,
) -> Iterator[tuple[Path, Result]]:
    """Pairs of file and result, each as soon as it is there."""
    scheduler = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if together and missing and not scheduler:
        files = {unit: file for file, unit in missing.items()}
        for unit, result in together(list(missing.values())):
            yield files[unit], result
            del missing[files[unit]]
    workers = min(int(os.environ.get("CROSSROADS_WORKERS") or joblib.cpu_count()), len(missing))
    if missing and scheduler:
        from dask.distributed import Client, as_completed

        home = next(iter(missing)).parent
        with NamedTemporaryFile(dir=home, prefix=".client-") as mark, Client(scheduler) as client:
            common = Common(mark.name, fn.__module__, _loaded_key(fn.__module__), tuple(versions().items()))
            calls = [pickle.dumps((fn, *item)) for item in missing.items()]
            futures = [client.submit(_on_worker, common, call, pure=False) for call in calls]
            for _, found in as_completed(futures, with_results=True):
                if isinstance(found, CancelledError):
                    raise RuntimeError(f"the scheduler {scheduler} was lost: run again, what is stored stays")
                yield found
    elif workers > 1:
        parallel = joblib.Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")
        yield from parallel(joblib.delayed(_one)(fn, *item) for item in missing.items())
    else:
        yield from (_one(fn, *item) for item in missing.items())


@dataclass(frozen=True)
class Common:
    """What a worker must have in common with its client: the folder of a mark, code and versions."""

    mark: str
    module: str
    key: str
    versions: tuple[tuple[str, str], ...]


def _on_worker(common: Common, call: bytes) -> tuple[Path, Result]:
    """One unit on a worker of a cluster; `call` is read only where the modules in it are the client's."""
    _check_worker(common)
    return _one(*pickle.loads(call))


@functools.cache
def _check_worker(common: Common) -> None:
    """Refuse this process as a worker, once a sweep and process."""
    host = platform.node()
    ours, theirs = versions(), dict(common.versions)
    for name in sorted(ours.keys() | theirs.keys()):
        if (here := ours.get(name, "none")) != (there := theirs.get(name, "none")):
            raise RuntimeError(
                f"worker on {host}: {name} is {here}, the client's is {there}: start the workers in the "
                "client's environment"
            )
    if not Path(common.mark).is_file():
        raise RuntimeError(
            f"worker on {host}: it does not see the client's folder {Path(common.mark).parent}: put the "
            "repository on a file system that all nodes share"
        )
    if (key := _loaded_key(common.module)) != common.key:
        raise RuntimeError(
            f"worker on {host}: the library in {PACKAGE} is another version, as {common.module} has the key "
            f"{key[:12]}, the client's {common.key[:12]}: start the workers from the client's commit"
        )


def _one(fn: Callable[[U], Result], file: Path, unit: U) -> tuple[Path, Result]:
    # The variables hold for libraries that `fn` is the first to load, the other two for those loaded.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    threadpool_limits(1)
    # A worker keeps what its next units need too, and grows; that is no leak to be restarted for.
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    try:
        return file, fn(unit)
    except Exception as error:
        error.add_note(f"in unit {unit!r}")
        raise


def _store(result: Result, file: Path) -> None:
    """Write all or nothing; numpy gives all entries the same date, so equal results are equal bytes."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **result)
    part = file.with_name(f".{file.stem}.{os.getpid()}.part")
    part.write_bytes(content.getvalue())
    os.replace(part, file)


def _load(file: Path) -> Result | None:
    """The stored arrays, or None when there is no file or it is damaged."""
    try:
        with file.open("rb") as stream, np.load(stream) as stored:
            return dict(stored)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None


@contextmanager
def _progress(label: str, total: int, done: int) -> Iterator[tqdm]:
    """A bar on the terminal, or in the file that $CROSSROADS_PROGRESS names (1: on stderr in any case)."""
    wanted = os.environ.get("CROSSROADS_PROGRESS", "")
    disable = wanted == "" and not sys.stderr.isatty()
    with ExitStack() as stack:
        stream: TextIO = sys.stderr
        if wanted not in ("", "1"):
            stream = stack.enter_context(open(wanted, "w", encoding="utf-8"))
        bar = tqdm(desc=label, total=total, initial=done, file=stream, disable=disable, unit="unit")
        yield stack.enter_context(bar)
