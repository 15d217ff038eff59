"""How far does `gonogo fix` bring an experiment towards GO, by itself?

    uv run python -m benchmarks.loop PATH… [--plan FILE] [--safe] [--output report.md]

Each PATH is a folder or a bundle. A copy is judged, mended by `gonogo fix --unsafe` (with --safe: by edits that keep what the code does),
and judged again; nothing in it is run. `gonogo fix` takes back an edit that does not remove its finding; the table counts those.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GONOGO = [sys.executable, "-m", "gonogo"]
# What a check never reads, and a copy need not have.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".cache", "outputs", "wandb")


@dataclass
class Loop:
    """One experiment before and after the edits.

    Attributes:
        name: of it.
        before: errors, by rule.
        after: the same, after the edits.
        edited: edits that were kept.
        returned: edits that were taken back.
    """

    name: str
    before: Counter[str]
    after: Counter[str]
    edited: int
    returned: int

    @property
    def row(self) -> str:
        """A line of the table."""
        gone = ", ".join(f"{rule} x{count}" if count > 1 else rule for rule, count in sorted((self.before - self.after).items()))
        new = ", ".join(sorted(self.after - self.before))
        return f"| {self.name} | {self.before.total()} | {self.after.total()} | {self.edited} | {self.returned} | {gone} | {new} |"


def copy_of(path: Path, folder: Path) -> Path:
    """A copy of a folder, or the files of a bundle."""
    target = folder / path.stem
    if path.is_dir():
        shutil.copytree(path, target, ignore=LEFT_OUT)
    else:
        subprocess.run([*GONOGO, "unpack", str(path), str(target)], check=True, capture_output=True)
    return target


def errors(tree: Path, plan: list[str]) -> Counter[str]:
    """The errors, by rule.

    Raises:
        SystemExit: there is no verdict.
    """
    done = subprocess.run([*GONOGO, "check", str(tree), *plan, "--format", "json"], capture_output=True, text=True, check=False)
    if done.returncode == 2:
        sys.exit(done.stderr)
    verdict: dict[str, Any] = json.loads(done.stdout)
    return Counter(finding["rule"] for finding in verdict["findings"] if finding["severity"] == "error")


def mended(path: Path, plan: list[str], unsafe: bool) -> Loop:
    """Judge, mend and judge again a copy of an experiment."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_of(path, Path(folder))
        before = errors(tree, plan)
        command = [*GONOGO, "fix", str(tree), *plan, *(["--unsafe"] if unsafe else [])]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        told = said.stdout + said.stderr
        edited, returned = (len(re.findall(rf"^{word}: ", told, re.MULTILINE)) for word in ("fixed", "taken back, for it did not help"))
        return Loop(path.stem, before, errors(tree, plan), edited, returned)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--plan")
    parser.add_argument("--safe", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    plan = ["--plan", given.plan] if given.plan else []
    loops = [mended(path, plan, not given.safe) for path in given.paths]
    before, after = sum((each.before for each in loops), Counter[str]()), sum((each.after for each in loops), Counter[str]())
    lines = ["| experiment | errors before | after | edits | taken back | gone | new |", "|---|---|---|---|---|---|---|"]
    lines += [each.row for each in loops]
    lines.append(
        f"\n{before.total()} errors before, {after.total()} after; {sum(not each.after for each in loops)} of {len(loops)} without any."
    )
    report = "\n".join(lines)
    print(report)
    if given.output:
        given.output.write_text(report + "\n", "utf-8")


if __name__ == "__main__":
    main()
