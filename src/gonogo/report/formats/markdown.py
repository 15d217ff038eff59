"""A verdict in GitHub-flavoured Markdown, for comments on merge requests and summaries of CI jobs."""

from __future__ import annotations

import re

from gonogo.model.causes import Shared, by_cause
from gonogo.model.finding import Finding, Severity
from gonogo.model.verdict import Outcome, Verdict
from gonogo.report.formats import Collector, Format
from gonogo.report.formats.full import SEVERITY_NAMES, place, summary
from gonogo.report.places import rule_url
from gonogo.report.plain import flat

_MARKS = {Outcome.GO: "✅", Outcome.NO_GO: "❌", Outcome.UNDECIDED: "❔"}
_SPECIAL = re.compile(r"([\\*_{}\[\]<>()#+!|~@&$])")
_CODE = re.compile(r"`[^`\n]+`")


def text(verdict: Verdict) -> str:
    """The verdict as a heading, a table of what blocks and what is advised, and a folded list of notes."""
    lines = [f"## {_MARKS[verdict.outcome]} {verdict.outcome}: {escaped(verdict.experiment)}", "", escaped(summary(verdict))]
    shown = [finding for finding in verdict.findings if finding.severity is not Severity.INFO]
    notes = [finding for finding in verdict.findings if finding.severity is Severity.INFO]
    if shown:
        lines += ["", *_table(shown, verdict)]
    if notes:
        count = f"{len(notes)} note{'' if len(notes) == 1 else 's'}"
        lines += ["", f"<details><summary>{count}</summary>", "", *_table(notes, verdict), "", "</details>"]
    if verdict.undecided:
        lines += ["", "**Could not decide**", "", *(f"- {escaped(flat(reason))}" for reason in verdict.undecided)]
    if verdict.notes:
        lines += ["", *(f"> {escaped(flat(note))}  " for note in verdict.notes)]
    return "\n".join(lines)


def _table(findings: list[Finding], verdict: Verdict) -> list[str]:
    rows = [
        f"| {SEVERITY_NAMES[shared.first.severity]} | {_rules(shared, verdict)} | {escaped(place(shared.location))} "
        f"| {escaped(flat(shared.message))}{'' if shared.is_one else f' (seen at {escaped(shared.seen_at)})'} "
        f"| {escaped(flat(shared.action))} |"
        for shared in by_cause(findings)
    ]
    return ["| | rule | place | what is wrong | what to do |", "|---|---|---|---|---|", *rows]


def _rules(shared: Shared, verdict: Verdict) -> str:
    """The ids of the rules, as links where their documentation is published."""
    urls = [(rule, rule_url(verdict, rule)) for rule in shared.rules.split(", ")]
    return ", ".join(f"[{rule}]({url})" if url else rule for rule, url in urls)


def escaped(value: str) -> str:
    """Text that Markdown shows as it is; what stands in backticks stays code, if it can."""
    parts, end = [], 0
    for code in _CODE.finditer(value):
        parts += [_escape(value[end : code.start()]), code[0].replace("|", "\\|")]
        end = code.end()
    return "".join([*parts, _escape(value[end:])])


def _escape(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", value).replace("`", "\\`")


class MarkdownWriter(Collector):
    """Writes one document with the verdict of each experiment."""

    def finish(self, seconds: float) -> None:
        """Write the document."""
        print("\n\n".join(map(text, self._verdicts)), file=self._stream)


FORMAT = Format("tables in Markdown", MarkdownWriter)
