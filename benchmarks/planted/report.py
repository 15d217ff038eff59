"""Count what was found, and show it: a table for the terminal, Markdown, JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.planted.runner import Result
from gonogo.model.finding import Stage
from gonogo.rules.base import all_rules

LINE, FILE, MISSED = "right line", "right file", "missed"
NO_RULE = "no such rule"


@dataclass
class Report:
    """The counts of one run of the benchmark.

    Attributes:
        planted: by rule: how many of its defects were found where.
        elsewhere: every defect not found at its line, in words.
        clean: how many trees without a fault were judged, by kind.
        false: every finding on such a tree, in words; by severity.
        others: by other checker: the defects with a new message on their line, by rule; or why it was not run.
    """

    planted: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    elsewhere: list[str] = field(default_factory=list)
    clean: Counter[str] = field(default_factory=Counter)
    false: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, Counter[str] | str] = field(default_factory=dict)
    seconds: float = 0.0
    seed: int = 0
    partial: bool = False  # only some rules were asked for

    def add(self, result: Result) -> None:
        """Count one tree."""
        variant = result.variant
        if variant.rule is None:
            self._add_clean(result)
            return
        outcome = NO_RULE if variant.rule not in all_rules() else outcome_of(result)
        self.planted[variant.rule][outcome] += 1
        if outcome in (FILE, MISSED):
            places = ", ".join(f"{path}:{line}" if line else path for path, line in variant.places)
            self.elsewhere.append(f"{variant.operator} in {variant.golden} ({places}): {outcome}")

    def _add_clean(self, result: Result) -> None:
        variant = result.variant
        self.clean["golden" if variant.operator == "golden" else "refactored"] += 1
        for rule, severity, path, line, message in result.findings:
            self.false[severity].append(f"{variant.operator} of {variant.golden}: {path}:{line} {rule} {message}")
        self.false["undecided"] += [f"{variant.operator} of {variant.golden}: {reason}" for reason in result.undecided]

    def totals(self) -> Counter[str]:
        """The outcomes over all rules that exist."""
        return sum((counts for counts in self.planted.values()), Counter())

    def share(self) -> float:
        """Which part of the defects with a rule was found at the right line."""
        totals = self.totals()
        known = sum(totals.values()) - totals[NO_RULE]
        return totals[LINE] / known if known else 0.0

    def without_operator(self) -> list[str]:
        """Static rules, on by default, for which no defect was planted."""
        static = [rule for rule in all_rules().values() if rule.stage in (Stage.CHECK, Stage.COMPOSE) and not rule.preview]
        return [rule.id for rule in static if rule.id not in self.planted]

    def rows(self) -> list[list[str]]:
        """One row for each rule, and the total."""
        names = [name for name, counts in self.others.items() if not isinstance(counts, str)]
        rows = [["rule", "planted", LINE, FILE, MISSED, *names]]
        for rule in sorted(self.planted):
            rows.append(self._row(rule, self.planted[rule], [self.others[name][rule] for name in names]))  # type: ignore[index]
        found = [sum(self.others[name].values()) for name in names]  # type: ignore[union-attr]
        return [*rows, self._row("total", self.totals(), found)]

    @staticmethod
    def _row(name: str, counts: Counter[str], others: Iterable[int]) -> list[str]:
        planted = sum(counts.values())
        own = [NO_RULE, "", ""] if counts[NO_RULE] == planted else [str(counts[LINE]), str(counts[FILE]), str(counts[MISSED])]
        return [name, str(planted), *own, *map(str, others)]

    def sentences(self) -> list[str]:
        """What the table does not hold."""
        wrong = {severity: len(self.false[severity]) for severity in ("error", "warning", "info", "undecided")}
        trees = " and ".join(f"{count} {kind}" for kind, count in sorted(self.clean.items()))
        said = [
            f"{self.share():.1%} of the planted defects were found at the right line.",
            f"On {trees} trees without a fault: {wrong['error']} false errors, {wrong['warning']} false warnings, {wrong['info']} notes, "
            f"{wrong['undecided']} undecided.",
            f"It took {self.seconds:.0f} s with seed {self.seed}.",
        ]
        if not self.partial and (missing := self.without_operator()):
            said.append(f"Static rules without an operator: {', '.join(missing)}.")
        return [*said, *(f"{name}: {why}." for name, why in self.others.items() if isinstance(why, str))]

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "found_at_right_line": round(self.share(), 4),
            "rules": {rule: dict(counts) for rule, counts in sorted(self.planted.items())},
            "total": dict(self.totals()),
            "not_found_at_line": self.elsewhere,
            "clean_trees": dict(self.clean),
            "false_findings": {severity: listed for severity, listed in self.false.items() if listed},
            "rules_without_operator": self.without_operator(),
            "other_checkers": {name: counts if isinstance(counts, str) else dict(counts) for name, counts in self.others.items()},
        }

    def as_markdown(self) -> str:
        """The table and the sentences."""
        head, *rows = self.rows()
        lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---' for _ in head)}|", *(f"| {' | '.join(row)} |" for row in rows), ""]
        lines += [f"- {sentence}" for sentence in self.sentences()]
        for title, listed in (
            ("Not found at the right line", self.elsewhere),
            *((f"False: {key}", entries) for key, entries in self.false.items()),
        ):
            if listed:
                lines += ["", f"## {title}", "", *(f"- {entry}" for entry in listed)]
        return "\n".join(lines) + "\n"


def outcome_of(result: Result) -> str:
    """Where the rule spoke: at one of the right lines, in one of the right files, or nowhere there."""
    variant = result.variant
    own = [(path, line) for rule, _, path, line, _ in result.findings if rule == variant.rule]
    if any(place in variant.places or (place[0], None) in variant.places for place in own):
        return LINE
    return FILE if any(path == place for path, _ in own for place, _ in variant.places) else MISSED
