"""How good `make plan` is: its estimate, with no unit stored, against what the run took.

`python -m ci.try_plan` in a fresh clone, after `make book`: there a run's processor time, in build/runs/book,
is that of all its units. The estimate is made in a copy of the repository. Asked: within a factor of two.
Chapters without a run are left out. The table goes to book/scale/plan.csv.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ci.runs import chapters
from ci.try_slurm import Copy, write
from crossroads.data.settings import ROOT

SIZE, PATIENCE_S = "book", 60
TABLE = ROOT / "book/scale/plan.csv"


def estimate(copy: Copy, chapter: str) -> float:
    """Processor hours that `make plan` expects of a chapter."""
    command = [sys.executable, "-m", "ci.plan", chapter, "--size", SIZE, "--patience", str(PATIENCE_S)]
    said = subprocess.check_output(command, cwd=copy.root, env=copy.environment, text=True)
    found = re.search(r"^together +(\S+)", said, re.MULTILINE)
    assert found, said
    return float(found[1])


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="crossroads-") as folder:
        copy = Copy(Path(folder))
        for name in ("hand_model", "recordings"):
            (copy.root / "build" / name).symlink_to(ROOT / "build" / name)
        for chapter in chapters():
            run = ROOT / "build/runs" / SIZE / chapter / "run.json"
            if not run.is_file():
                continue
            expected = estimate(copy, chapter)
            took = json.loads(run.read_text())["cpu_s"] / 3600
            rows.append({
                "chapter": chapter,
                "planned, CPU hours": f"{expected:.2g}",
                "taken, CPU hours": f"{took:.2g}",
                "planned over taken": f"{expected / took:.2f}",
            })  # fmt: skip
            print(", ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    write(rows, TABLE)
    if wrong := [row["chapter"] for row in rows if not 0.5 <= float(row["planned over taken"]) <= 2]:
        raise SystemExit(f"off by more than a factor of two: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
