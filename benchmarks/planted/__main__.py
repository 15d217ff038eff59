"""Plant defects into golden experiments and count what the gate finds.

    uv run python -m benchmarks.planted [--seed 0] [--jobs 2] [--rules HYD,IMP104] [--repeats 3] [--others ruff,pylint] [--output report.md]

Every operator is applied to every golden experiment that it fits. A defect counts as found at the right line if its own rule has a finding
there. Nothing at all may be found in the golden experiments themselves, nor in refactored ones. `--others` runs other checkers on the same
trees: a defect counts as found by one that has a new message, one that the tree without the defect does not get, on the line of the defect.
With `--output`, the report is also written: as JSON where the name ends in `.json`, else as Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.planted import operators, refactorings  # noqa: F401  (they enter themselves)
from benchmarks.planted.others import CHECKERS, run_others
from benchmarks.planted.report import Report
from benchmarks.planted.runner import judge_all
from benchmarks.planted.trees import OPERATORS, REFACTORINGS, Golden, Variant, load_goldens

REPEATS = 3  # how often a refactoring, which picks its place at random, is applied to each tree


def clean_variants(goldens: list[Golden], seed: int, repeats: int = REPEATS) -> list[Variant]:
    """The golden trees and all refactorings of them, each different tree once."""
    found = [Variant(golden.name, "golden", golden.files, golden.plan) for golden in goldens]
    for golden in goldens:
        for operator in REFACTORINGS:
            made = [variant for number in range(repeats) if (variant := operator.apply(golden, seed * 1000 + number)) is not None]
            found += [variant for place, variant in enumerate(made) if variant not in made[:place]]
    return found


def planted_variants(goldens: list[Golden], seed: int, rules: tuple[str, ...] = ("",)) -> list[Variant]:
    """Every defect in every tree that it fits."""
    chosen = [operator for operator in OPERATORS if operator.rule is not None and operator.rule.startswith(rules)]
    return [variant for golden in goldens for operator in chosen if (variant := operator.apply(golden, seed)) is not None]


def measure(goldens: list[Golden], seed: int, jobs: int, rules: tuple[str, ...] = ("",), repeats: int = REPEATS) -> Report:
    """Judge all trees and count."""
    started = time.perf_counter()
    report = Report(seed=seed, partial=rules != ("",))
    for result in judge_all([*clean_variants(goldens, seed, repeats), *planted_variants(goldens, seed, rules)], jobs):
        report.add(result)
    report.seconds = time.perf_counter() - started
    return report


def show(report: Report, console: Console) -> None:
    """Print the table, what it does not hold, and every false finding and miss."""
    head, *rows = report.rows()
    table = Table(*head)
    for row in rows[:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1])
    console.print(table)
    for sentence in report.sentences():
        console.print(sentence, highlight=False)
    for severity, listed in report.false.items():
        for entry in listed:
            console.print(f"false {severity}: {entry}", markup=False, highlight=False)
    for entry in report.elsewhere:
        console.print(f"not at its line: {entry}", markup=False, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="chooses the places; the same seed makes the same trees")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rules", default="", help="only defects of these rules: ids or families, with commas")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="how often each refactoring is applied to each tree")
    parser.add_argument("--others", default="", help=f"other checkers to run on the same trees, with commas: {', '.join(CHECKERS)}")
    parser.add_argument("--output", type=Path, help="write the report to this file")
    options = parser.parse_args()
    goldens = load_goldens()
    rules = tuple(options.rules.split(","))
    report = measure(goldens, options.seed, options.jobs, rules, options.repeats)
    if options.others:
        trees = [Variant(golden.name, "golden", golden.files, golden.plan) for golden in goldens]
        report.others = run_others(options.others.split(","), trees, planted_variants(goldens, options.seed, rules))
    show(report, Console(width=None if sys.stdout.isatty() else 120))
    if options.output is not None:
        text = json.dumps(report.as_json(), indent=2) if options.output.suffix == ".json" else report.as_markdown()
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
