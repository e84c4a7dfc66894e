"""Do the verdicts hold for seeds that nobody chose? 20 runs at ci size, seeded by the commit.

`python -m ci.robust [CHAPTER ...]`
"""

import hashlib
import subprocess
import sys
from collections import Counter

from ci.execute import execute
from ci.runs import Run, chapters
from ci.verdicts import evidence, found
from crossroads.data.settings import ROOT
from crossroads.report.claims import VARIES, read_claims

N_SEEDS = 20
NEEDED = 19


def seeds(commit: str) -> list[int]:
    """Seeds that follow from a commit's hash."""
    return [int(hashlib.sha256(f"{commit} {i}".encode()).hexdigest()[:8], 16) for i in range(N_SEEDS)]


def report(chapter: str, runs: list[Run]) -> bool:
    """Print for each claim how many runs gave which verdict.

    Returns whether they were enough for every claim that is accepted as reproduced.
    """
    good = True
    for claim in read_claims(runs[0].notebook.with_suffix(".claims.yml")).claims:
        settled = [(run, row) for run in runs for row in found(run) if row["id"] == claim.id]
        counts = Counter(row["verdict"] for _, row in settled)
        enough = claim.accepted != "reproduced" or counts["reproduced"] >= NEEDED
        mark = "" if enough else f"  TOO FEW: {NEEDED} are needed"
        found_here = ", ".join(f"{verdict} {n}" for verdict, n in counts.most_common())
        print(
            f"{chapter}, claim {claim.id}: accepted {claim.accepted}; of {N_SEEDS} seeds: {found_here}{mark}"
        )
        for run, row in settled:
            if claim.accepted not in (row["verdict"], VARIES):
                print(f"    seed {run.seed}: {row['verdict']}: {evidence(row)}")
        good = good and enough
    return good


def main(arguments: list[str]) -> int:
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        print("robust: the seeds follow from the commit, and there is none yet")
        return 1
    runs = {
        chapter: [Run(chapter, "ci", seed=seed) for seed in seeds(git.stdout.strip())]
        for chapter in arguments or chapters()
    }
    if execute([run for of_chapter in runs.values() for run in of_chapter]):
        return 1
    good = [report(chapter, of_chapter) for chapter, of_chapter in runs.items()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
