"""Where a result comes from: commit, machine, versions and seeds."""

import os
import platform
import re
import subprocess
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from IPython.display import HTML

from crossroads.data import units
from crossroads.data.settings import ROOT
from crossroads.data.versions import versions


def out_folder(out: str) -> Path:
    """The folder for a run's results: `out`, made if need be, or a temporary one if it is empty."""
    folder = Path(out or tempfile.mkdtemp(prefix="crossroads-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def surroundings() -> dict[str, Any]:
    """When, where and with what this process computes, as run.json holds it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD") or "none",
        "dirty": bool(_git("status", "--porcelain")),
        "constraints": sha256((ROOT / "constraints.txt").read_bytes()).hexdigest(),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores",
    }


def stamp(seed: int, n_seeds: int) -> HTML:
    """The end of a page: what its numbers were computed with.

    seed : root of every random stream; n_seeds : how many seeds were spawned from it.
    """
    facts = surroundings()
    changed = " with uncommitted changes" if facts["dirty"] else ""
    lines = {
        "Computed": facts["date"].replace("T", " ").replace("+00:00", " UTC"),
        "Commit": facts["commit"][:12] + changed,
        "Machine": f"{facts['machine']}; {units.device()}",
        "Seeds": f"{n_seeds}, spawned from root seed {seed}",
        "Versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        "Pins": f"constraints.txt, sha256 {facts['constraints'][:12]}",
    }
    items = "".join(f"<dt>{name}</dt><dd>{escape(line)}</dd>" for name, line in lines.items())
    return HTML(f'<dl class="cr-stamp">{items}</dl>')


def _git(*arguments: str) -> str:
    """The answer of git; empty where there is no git, no repository or no commit."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else []
    return names[0] if names else platform.processor() or "unknown processor"
