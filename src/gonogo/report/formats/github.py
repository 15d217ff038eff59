"""Annotations of GitHub Actions, written as workflow commands.

The whole list goes into the summary of the step.

GitHub shows at most ten errors, ten warnings and ten notices of a step (its manual on workflow commands). Of all verdicts, the ten
worst findings become annotations; with more than that, the summary serves a reader better. It is written to the file that the variable
`GITHUB_STEP_SUMMARY` names, where GitHub sets it.
"""

from __future__ import annotations

import os

from gonogo.model.errors import UsageError
from gonogo.model.finding import Finding, Severity
from gonogo.model.verdict import Verdict
from gonogo.report import plain
from gonogo.report.formats import Collector, Format, Target, markdown
from gonogo.report.formats.full import summary
from gonogo.report.places import of_file, path_from_here, rule_url, with_cell

MOST_ANNOTATIONS = 10
SUMMARY = "GITHUB_STEP_SUMMARY"
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


class GithubWriter(Collector):
    """Writes when all verdicts are there: errors come first, whosever they are.

    Raises:
        UsageError: the summary of the step can't be written.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._summary = os.environ.get(SUMMARY)
        if self._summary:
            self._append("")

    def finish(self, seconds: float) -> None:
        """Write the annotations, a line for each verdict, and the summary of the step."""
        found = [(finding, verdict) for verdict in self._verdicts for finding in verdict.findings]
        found.sort(key=lambda entry: entry[0].severity.rank)  # stable: findings of a verdict come worst first
        for finding, verdict in found[:MOST_ANNOTATIONS]:
            print(_annotation(finding, verdict), file=self._stream)
        for verdict in self._verdicts:
            for reason in verdict.undecided:
                print(f"::error title=gonogo could not decide::{_data(reason)}", file=self._stream)
            print(f"{plain.line(verdict.experiment)}: {summary(verdict)}", file=self._stream)
        if len(found) > MOST_ANNOTATIONS:
            where = "the summary of this step lists all" if self._summary else "--format full lists all"
            print(f"{MOST_ANNOTATIONS} of {len(found)} findings are annotations; {where}", file=self._stream)
        if self._summary:
            self._append("\n\n".join(map(markdown.text, self._verdicts)) + "\n")

    def _append(self, text: str) -> None:
        try:
            with open(str(self._summary), "a", encoding="utf-8") as file:  # noqa: PTH123
                file.write(text)
        except OSError as error:
            raise UsageError(f"{self._summary}, which {SUMMARY} names, can't be written: {error.strerror or error}.") from error


def _annotation(finding: Finding, verdict: Verdict) -> str:
    place = of_file(finding.location)
    same_line = place.end_line in (None, place.line)
    properties = {
        "file": path_from_here(verdict, place.path),
        "line": place.line,
        "endLine": place.end_line,
        "col": place.column if same_line else None,  # GitHub knows columns within one line only
        "endColumn": place.end_column if same_line else None,
        "title": f"{finding.rule} {finding.slug}",
    }
    told, url = with_cell(finding.location, f"{finding.message}; {finding.action}"), rule_url(verdict, finding.rule)
    listed = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(f'{told} ({url})' if url else told)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMAT = Format("annotations of GitHub Actions", GithubWriter)
