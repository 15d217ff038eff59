"""How long the stages that run code take, against another gonogo in the same run.

    uv run python -m benchmarks.dynamic.times OTHER TREE … [--python ENV] [--to rehearsal] [--runs PATTERN]

OTHER is the command `gonogo` of the other version's environment. Each experiment is judged by both, one after the other, so that whatever
else the machine does slows both; a table shows seconds on the clock and of the processors, and exit codes, since an answer that is sooner
there only because less was looked at is no gain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OTHER, THIS = "other", "this"


@dataclass(frozen=True)
class Took:
    """What one judgement took: seconds on the clock, of the processors (all children), and its exit code."""

    clock: float
    processors: float
    code: int


def judged(command: list[str]) -> Took:
    """Run a command to its end, and measure it."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Took(time.monotonic() - started, usage.ru_utime + usage.ru_stime, process.returncode)


def table(trees: list[Path], commands: dict[str, list[str]], arguments: list[str]) -> Iterator[str]:
    """The report as Markdown, a line as soon as it is known.

    Args:
        trees: the experiments.
        commands: how each version is called, by OTHER and THIS.
        arguments: what both are given besides the tree.
    """
    yield f"| experiment | {OTHER}: seconds | processor | exit | {THIS}: seconds | processor | exit | ratio of seconds |"
    yield "|---|---|---|---|---|---|---|---|"
    took: list[dict[str, Took]] = []
    for number, tree in enumerate(trees):
        # The one that goes second may find files in memory: they take turns.
        order = [OTHER, THIS] if number % 2 == 0 else [THIS, OTHER]
        each = {name: judged([*commands[name], "check", str(tree), *arguments]) for name in order}
        took.append(each)
        cells = [f"{each[name].clock:.1f} | {each[name].processors:.1f} | {each[name].code}" for name in (OTHER, THIS)]
        name = tree.parent.name if tree.name == "tree" else tree.name
        yield f"| {name} | {' | '.join(cells)} | {each[THIS].clock / each[OTHER].clock:.2f} |"
    sums = {name: sum(each[name].clock for each in took) for name in commands}
    median = statistics.median(each[THIS].clock / each[OTHER].clock for each in took)
    yield f"\nall: {sums[OTHER]:.0f} s and {sums[THIS]:.0f} s, ratio {sums[THIS] / sums[OTHER]:.2f}; median of the ratios {median:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("other", type=Path, help="the command gonogo of the other version")
    parser.add_argument("trees", type=Path, nargs="+", help="experiments")
    parser.add_argument("--python", type=Path, default=Path(sys.prefix), help="one environment for all")
    parser.add_argument("--to", default="rehearsal", help="the last stage")
    parser.add_argument("--runs", help="the runs, by id or pattern (default: all)")
    options = parser.parse_args()
    arguments = ["--to", options.to, "--keep-going", "--python", str(options.python), *(["--runs", options.runs] if options.runs else [])]
    for line in table(options.trees, {OTHER: [str(options.other)], THIS: [sys.executable, "-m", "gonogo"]}, arguments):
        print(line, flush=True)


if __name__ == "__main__":
    main()
