"""A verdict for people, and for `grep`.

Every finding starts with one line `path:line:column: severity ID slug: message`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.text import Text

from gonogo.documents.lines import split_lines
from gonogo.model.causes import Shared, by_cause
from gonogo.model.finding import Finding, Location, Severity
from gonogo.model.verdict import Outcome, Verdict
from gonogo.report import plain
from gonogo.report.console import ReportConsole
from gonogo.report.excerpt import rows
from gonogo.report.formats import Format, Target
from gonogo.report.matrix import matrix

Source = Callable[[str], list[str] | None]
MOST_RUNS = 3
MOST_RELATED = 4
MOST_EVIDENCE = 12
MOST_SUPPRESSED = 40
OUTCOME_STYLES = {Outcome.GO: "bold green", Outcome.NO_GO: "bold red", Outcome.UNDECIDED: "bold yellow"}
SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "cyan"}
SEVERITY_NAMES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class Report:
    """Prints verdicts to a console.

    Args:
        console: where to.
    """

    def __init__(self, console: ReportConsole) -> None:
        self._console = console

    def print(self, verdict: Verdict, source: Source, *, details: bool = False) -> None:
        """Print one verdict.

        Args:
            verdict: the verdict.
            source: the lines of a file of the experiment by path, None where there is no such text.
            details: also every place, all evidence, the stages, and what the AI reviewer claimed in vain.
        """
        self._headline(verdict)
        if details:
            self._stages(verdict)
        notes = [finding for finding in verdict.findings if finding.severity is Severity.INFO]
        for shared in by_cause(finding for finding in verdict.findings if finding.severity is not Severity.INFO):
            self._line()
            if shared.is_one:
                self._finding(shared, verdict, source, details)
            else:
                self._cause(shared, verdict, source)
        if notes:
            self._line()
        for finding in notes:
            self._title(finding)
        self._challenge(verdict)
        self._suppressed(verdict)
        self._review(verdict, details)
        self._undecided(verdict)
        self._line()
        self._line((summary(verdict), "bold"))

    def headline(self, verdict: Verdict) -> None:
        """Print one line: the outcome, whose it is, and how many findings there are."""
        outcome = verdict.outcome
        self._line((f"{outcome:<9}", OUTCOME_STYLES[outcome]), f" {plain.line(verdict.experiment)}  {_counts(verdict)}")

    def overview(self, verdicts: Sequence[Verdict], seconds: float) -> None:
        """Print one line for each verdict and a sum; for many experiments."""
        self._line()
        for verdict in verdicts:
            self.headline(verdict)
        counts = [f"{sum(verdict.outcome is outcome for verdict in verdicts)} {outcome}" for outcome in Outcome]
        self._line((f"{len(verdicts)} experiments in {seconds:.1f} s: {', '.join(counts)}", "bold"))

    def _line(self, *parts: str | tuple[str, str]) -> None:
        # Assembled, never parsed as markup: what comes from the experiment stays text.
        self._console.put(Text.assemble(*parts))

    def _headline(self, verdict: Verdict) -> None:
        self._line((str(verdict.outcome), OUTCOME_STYLES[verdict.outcome]), f"  {plain.line(verdict.experiment)}")
        if verdict.contract:
            self._line((f"contract: {verdict.contract} ({plain.line(verdict.contract_reason)})", "dim"))
            runs = [plain.line(run) for run in verdict.runs]
            shown = ", ".join(runs[:MOST_RUNS]) + (f" and {len(runs) - MOST_RUNS} more" if len(runs) > MOST_RUNS else "")
            self._line((f"runs: {len(runs)}{f' ({shown})' if runs else ''}", "dim"))
        for note in verdict.notes:
            self._line((f"note: {plain.line(note)}", "dim"))

    def _stages(self, verdict: Verdict) -> None:
        for stage in verdict.stages:
            reason = f" ({plain.line(stage.reason)})" if stage.reason else ""
            self._line((f"stage: {stage.name} {stage.status}{reason}, {stage.seconds:.2f} s", "dim"))

    def _title(self, finding: Finding) -> None:
        severity = finding.severity
        self._line(
            (place(finding.location), "bold"),
            ": ",
            (SEVERITY_NAMES[severity], SEVERITY_STYLES[severity]),
            f" {finding.rule} {finding.slug}: {plain.line(finding.message)}",
            (f" ({finding.certainty})", "dim"),
            (f" ({SEVERITY_NAMES[finding.severity_by_rule]} by its rule)" if finding.severity_by_rule is not None else "", "dim"),
        )

    def _cause(self, shared: Shared, verdict: Verdict, source: Source) -> None:
        """Several findings as one: what they have in common, then each in a line."""
        severity = shared.first.severity
        self._line(
            (place(shared.location), "bold"),
            ": ",
            (SEVERITY_NAMES[severity], SEVERITY_STYLES[severity]),
            f" {shared.rules} {shared.first.slug}: {plain.line(shared.message)}",
            (f" ({len(shared.findings)} findings, {shared.first.certainty})", "dim"),
        )
        self._excerpt(shared.location, source)
        for finding in shared.findings:
            self._line("  ", (f"{place(finding.location)}: ", "bold dim"), (plain.line(f"{finding.rule} {finding.message}"), "dim"))
        runs = _runs(shared.runs, verdict.runs)
        if runs:
            self._line((f"  runs: {runs}", "dim"))
        self._line(("  → ", "green"), plain.line(shared.action))

    def _finding(self, shared: Shared, verdict: Verdict, source: Source, details: bool) -> None:
        finding = shared.first
        related = finding.related if details else finding.related[:MOST_RELATED]
        self._title(finding)
        self._excerpt(finding.location, source)
        for other in related:
            self._line("  ", (f"{place(other.location)}: ", "bold dim"), (plain.line(other.label), "dim"))
            self._excerpt(other.location, source)
        if len(finding.related) > len(related):
            self._line((f"  and {len(finding.related) - len(related)} more places", "dim"))
        evidence = plain.lines(finding.evidence)
        shown = evidence if details else evidence[:MOST_EVIDENCE]
        for number, text in enumerate(shown):
            self._line(("  seen: " if number == 0 else "        ", "dim"), text)
        if len(evidence) > len(shown):
            self._line((f"        and {len(evidence) - len(shown)} more lines", "dim"))
        runs = _runs(finding.runs, verdict.runs)
        if runs:
            self._line((f"  runs: {runs}", "dim"))
        self._line(("  → ", "green"), plain.line(shared.action))

    def _excerpt(self, location: Location, source: Source) -> None:
        lines = source(location.source)
        for row in rows(location, lines) if lines else ():
            text = Text.assemble((f"    {row.gutter} │ ", "dim"), (row.text, "bold red" if row.is_caret else ""))
            self._console.put(text, cut=True)

    def _challenge(self, verdict: Verdict) -> None:
        if verdict.challenge is not None:
            self._line()
            self._line(("challenge: did each number move when one thing was altered?", "bold"))
            for line in matrix(verdict.challenge):
                self._console.put(Text(line), cut=True)

    def _suppressed(self, verdict: Verdict) -> None:
        if verdict.suppressed:
            self._line()
            self._line((f"suppressed: {_plural(len(verdict.suppressed), 'finding')}, not counted below", "bold"))
        for entry in verdict.suppressed[:MOST_SUPPRESSED]:
            finding, severity = entry.finding, entry.finding.severity
            self._line(
                f"  {place(finding.location)}: ",
                (SEVERITY_NAMES[severity], "dim"),
                f" {finding.rule} {finding.slug}: {plain.line(finding.message)}",
                (f"  ({entry.by}, {plain.line(entry.where)}: {plain.line(entry.reason)})", "dim"),
            )
        if len(verdict.suppressed) > MOST_SUPPRESSED:
            self._line((f"  and {len(verdict.suppressed) - MOST_SUPPRESSED} more", "dim"))

    def _review(self, verdict: Verdict, details: bool) -> None:
        review = verdict.review
        if review is None:
            return
        counts = ", ".join(
            f"{number} {standing}"
            for standing in ("confirmed", "refuted", "open", "unquoted")
            if (number := sum(claim.standing == standing for claim in review.claims))
        )
        price = f", ${review.usd:.4f}" if review.usd is not None else ""
        tokens = f"{review.input_tokens} + {review.output_tokens} tokens{price}, {review.seconds:.1f} s"
        self._line()
        self._line(
            f"AI reviewer {plain.line(review.model)}: {_plural(len(review.claims), 'claim')}{f' ({counts})' if counts else ''}; {tokens}"
        )
        for claim in review.claims if details else ():
            self._line(
                f"  {claim.standing}: {plain.line(claim.path)}:{claim.line}: {plain.line(claim.what)}",
                (f"  ({plain.line(claim.fact)})", "dim"),
            )

    def _undecided(self, verdict: Verdict) -> None:
        if verdict.undecided:
            self._line()
        for reason in verdict.undecided:
            self._line(("could not decide: ", "bold yellow"), plain.line(reason))


def place(location: Location) -> str:
    """A place as `path:line:column`, as far as it is known."""
    parts = [plain.line(location.source), location.line, location.column if location.line is not None else None]
    return ":".join(str(part) for part in parts if part is not None)


def _runs(concerned: list[str], all_runs: list[str]) -> str:
    if not concerned or len(all_runs) < 2:
        return ""
    if set(all_runs) <= set(concerned):
        return f"all {len(all_runs)}"
    shown = ", ".join(plain.line(run) for run in concerned[:MOST_RUNS])
    more = f" and {len(concerned) - MOST_RUNS} more" if len(concerned) > MOST_RUNS else ""
    return f"{shown}{more} ({len(concerned)} of {len(all_runs)})"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _counts(verdict: Verdict) -> str:
    counts = [_plural(verdict.count(severity), SEVERITY_NAMES[severity]) for severity in Severity]
    return ", ".join([*counts, f"{len(verdict.suppressed)} suppressed"] if verdict.suppressed else counts)


def summary(verdict: Verdict) -> str:
    """The verdict in one line: outcome, counts, seconds."""
    seconds = sum(stage.seconds for stage in verdict.stages)
    undecided = f", {_plural(len(verdict.undecided), 'open question')}" if verdict.undecided else ""
    return f"{verdict.outcome}: {_counts(verdict)}{undecided}, in {seconds:.2f} s"


class TextWriter:
    """Prints each verdict at once, and an overview after several."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._report = Report(ReportConsole(target.stream))
        self._verdicts: list[Verdict] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Print a verdict."""
        if self._verdicts and not self._target.quiet:
            print(file=self._target.stream)
        self._verdicts.append(verdict)
        if self._target.quiet:
            self._report.headline(verdict)
            return
        lines = {path: split_lines(text) for path, text in sources.items()}
        self._report.print(verdict, lines.get, details=self._target.details)

    def finish(self, seconds: float) -> None:
        """Print the overview."""
        if len(self._verdicts) > 1 and not self._target.quiet:
            self._report.overview(self._verdicts, seconds)


FORMAT = Format("for people, and for grep", TextWriter, streams=True)
