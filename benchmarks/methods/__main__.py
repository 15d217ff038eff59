"""Plant mistakes of method into training programs of several shapes, and count what the gate finds.

    uv run python -m benchmarks.methods [--rules LEK,NUM105] [--output report.md] [--show]

Each mistake is planted into its base program in every shape that this can have: one script, functions with argparse, a class, several files,
cells of a notebook; bases for Lightning and the HF Trainer have one shape of their own. It counts as found if its rule has a finding on the
line of the mistake. The bases themselves, and changes of them that look strange and are right, must be without errors and all but without
warnings. Everything goes through the gate as `gonogo check` would: all rules, the contract `program`. `--show` prints each miss with its
program. Exit code 1: less than 90 % are found, or something is wrongly found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.methods.bases import BASES
from benchmarks.methods.plants import PLANTS
from benchmarks.methods.right import RIGHT
from benchmarks.methods.shapes import OWN, SHAPES, shapes_of
from benchmarks.methods.trees import MARK, Base, Plant, edited
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.finding import Finding, Severity

LEAST_FOUND, MOST_WARNINGS = 0.9, 0.02


@dataclass
class Outcome:
    """What was found of one plant, by shape."""

    plant: Plant
    found: dict[str, bool] = field(default_factory=dict)


@dataclass
class Report:
    """Everything that was counted."""

    outcomes: list[Outcome] = field(default_factory=list)
    right: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    with_warnings: int = 0

    def counts(self, outcomes: list[Outcome]) -> tuple[int, int]:
        """Found and planted."""
        values = [value for outcome in outcomes for value in outcome.found.values()]
        return sum(values), len(values)

    @property
    def is_good(self) -> bool:
        """Whether enough is found and nothing is wrongly found."""
        found, planted = self.counts(self.outcomes)
        enough = found >= LEAST_FOUND * planted
        return enough and not self.errors and self.with_warnings <= MOST_WARNINGS * max(self.right, 1)


def findings_of(files: dict[str, str], composer: Composer) -> list[Finding]:
    """What the gate finds in a program given as texts."""
    experiment = Experiment(name="program", files={path: source_file(path, text) for path, text in files.items()}, plan=None)
    return check(experiment, CheckOptions(contract="program"), composer).findings


def place_of(files: dict[str, str]) -> tuple[str, int]:
    """The file and line that bear the mark."""
    found = [(path, number) for path, text in files.items() for number, line in enumerate(text.split("\n"), 1) if line.endswith(MARK)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines bear the mark")
    return found[0]


def without_mark(files: dict[str, str]) -> dict[str, str]:
    """The files as the gate sees them."""
    return {path: text.replace(MARK, "") for path, text in files.items()}


def planted(plants: Iterator[Plant], composer: Composer, show: bool) -> Iterator[Outcome]:
    """Plant each mistake in each shape."""
    for plant in plants:
        outcome = Outcome(plant)
        for shape, files in shapes_of(edited(BASES[plant.base], plant.edits)).items():
            path, line = place_of(files)
            findings = findings_of(without_mark(files), composer)
            hit = any(entry.rule == plant.rule and (entry.location.path, entry.location.line) == (path, line) for entry in findings)
            outcome.found[shape] = hit
            if show and not hit:
                print(f"--- missed: {plant.rule} {plant.name}, {shape}, line {line} of {path}")
                print("found:", [(entry.rule, entry.location.path, entry.location.line) for entry in findings])
                print(files[path])
        yield outcome


def right_programs() -> Iterator[tuple[str, Base]]:
    """The bases, and their changes that are right."""
    yield from BASES.items()
    for variant in RIGHT:
        yield variant.name, edited(BASES[variant.base], variant.edits)


def measure(rules: tuple[str, ...], show: bool) -> Report:
    """Judge everything."""
    report = Report()
    with Composer() as composer:
        report.outcomes = list(planted((plant for plant in PLANTS if plant.rule.startswith(rules)), composer, show))
        for name, base in right_programs():
            for shape, files in shapes_of(base).items():
                report.right += 1
                findings = findings_of(files, composer)
                said = [f"{name}, {shape}: {entry.rule} {entry.location.path}:{entry.location.line} {entry.message}" for entry in findings]
                severities = [entry.severity for entry in findings]
                report.errors += [text for text, severity in zip(said, severities, strict=True) if severity is Severity.ERROR]
                warnings = [text for text, severity in zip(said, severities, strict=True) if severity is Severity.WARNING]
                report.warnings += warnings
                report.with_warnings += bool(warnings)
    return report


def rows(report: Report) -> Iterator[list[str]]:
    """The table: a row for each kind of mistake, a column for each shape."""
    names = [*SHAPES, *OWN]
    yield ["rule", *names, "found"]
    by_rule: dict[str, list[Outcome]] = {}
    for outcome in report.outcomes:
        by_rule.setdefault(outcome.plant.rule, []).append(outcome)
    for rule, outcomes in sorted(by_rule.items()):
        cells = []
        for shape in names:
            values = [outcome.found[shape] for outcome in outcomes if shape in outcome.found]
            cells.append(f"{sum(values)}/{len(values)}" if values else "")
        found, all_planted = report.counts(outcomes)
        yield [rule, *cells, f"{found}/{all_planted}"]
    totals = Counter(shape for outcome in report.outcomes for shape in outcome.found)
    hits = Counter(shape for outcome in report.outcomes for shape, hit in outcome.found.items() if hit)
    found, all_planted = report.counts(report.outcomes)
    yield ["all", *(f"{hits[shape]}/{totals[shape]}" if totals[shape] else "" for shape in names), f"{found}/{all_planted}"]


def summary(report: Report) -> str:
    """What it comes to, in one line."""
    found, all_planted = report.counts(report.outcomes)
    share = 100 * found / max(all_planted, 1)
    return (
        f"{found} of {all_planted} found ({share:.1f} %); {report.right} right programs: {len(report.errors)} errors, "
        f"{report.with_warnings} with warnings"
    )


def markdown(report: Report) -> str:
    """The report as Markdown."""
    head, *others = rows(report)
    lines = ["# Mistakes of method: kinds × shapes", "", summary(report), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in others]
    lines += ["", *(f"- error: {entry}" for entry in report.errors), *(f"- warning: {entry}" for entry in report.warnings)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rules", default="", help="only mistakes of these rules, by the beginning of their ids")
    parser.add_argument("--output", type=Path, help="write the report as Markdown")
    parser.add_argument("--show", action="store_true", help="print each miss with its program")
    options = parser.parse_args()
    begun = time.perf_counter()
    report = measure(tuple(options.rules.split(",")), options.show)
    head, *others = rows(report)
    table = Table(*head)
    for row in others:
        table.add_row(*row)
    console = Console(width=160)
    console.print(table)
    for entry in [*report.errors, *report.warnings]:
        console.print(entry, markup=False)
    console.print(f"{summary(report)}; {time.perf_counter() - begun:.0f} s")
    if options.output is not None:
        options.output.write_text(markdown(report), "utf-8")
    sys.exit(0 if report.is_good else 1)


if __name__ == "__main__":
    main()
