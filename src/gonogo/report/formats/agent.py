"""A verdict for programs that write code: what to change, in Markdown.

It goes by file, worst first, and is the same for the same faults.
"""

from __future__ import annotations

from gonogo.model.causes import Shared, by_cause
from gonogo.model.finding import Severity, Stage
from gonogo.model.verdict import Verdict
from gonogo.report.formats import Collector, Format
from gonogo.report.plain import flat

_NAMES = {Severity.ERROR: "must", Severity.WARNING: "should", Severity.INFO: "may"}


def text(verdict: Verdict) -> str:
    """Return the list of changes.

    Files come in the order of their worst finding, findings of a file by place; each has its fingerprint.
    """
    lines = [f"# {verdict.outcome}", ""]
    if not verdict.findings and not verdict.undecided:
        return "\n".join([*lines, f"Nothing to change.{_next(verdict)}"])
    causes = by_cause(verdict.findings)
    ranked = sorted(causes, key=lambda shared: (shared.first.severity.rank, shared.location.path))
    for path in dict.fromkeys(shared.location.path for shared in ranked):
        lines += [f"## {flat(path)}", ""]
        own = [shared for shared in causes if shared.location.path == path]
        lines += [_entry(shared) for shared in sorted(own, key=_order)]
        lines.append("")
    if verdict.undecided:
        lines += ["## Not decided", "", *(f"- {flat(reason)}" for reason in verdict.undecided), ""]
    return "\n".join(lines).rstrip()


def _next(verdict: Verdict) -> str:
    """Which stage has not looked yet: that nothing is found without a run does not say that the code runs."""
    done = [stage.name for stage in verdict.stages if stage.status == "ran"]
    left = [stage.value for stage in (Stage.TRIAL, Stage.REHEARSAL) if stage.value not in done]
    if not verdict.runs or not left:
        return ""
    return f" The stages so far ({', '.join(done)}) do not settle everything: go on with `--to {left[0]}`."


def _order(shared: Shared) -> tuple[int, int, str, str]:
    return shared.first.severity.rank, shared.location.line or 0, shared.first.rule, shared.message


def _entry(shared: Shared) -> str:
    finding = shared.first
    cell = f"cell {shared.location.cell}, " if shared.location.cell is not None else ""
    line = f"{cell}line {shared.location.line}: " if shared.location.line is not None else ""
    if not shared.is_one:
        told = f"{line}{flat(shared.message)} ({finding.certainty}). {flat(shared.action)}; seen at {flat(shared.seen_at)}."
        return f"- {_NAMES[finding.severity]}, {told} [{shared.rules} {' '.join(each.fingerprint for each in shared.findings)}]"
    others = "".join(f"; see {other.location}" for other in finding.related[:2])
    runs = f" (runs: {', '.join(map(flat, finding.runs[:3]))}{' …' if len(finding.runs) > 3 else ''})" if finding.runs else ""
    told = f"{line}{flat(finding.message)} ({finding.certainty}). {flat(shared.action)}{others}.{runs}"
    return f"- {_NAMES[finding.severity]}, {told} [{finding.rule} {finding.fingerprint}]"


class AgentWriter(Collector):
    """Writes one document with the list of each experiment."""

    def finish(self, seconds: float) -> None:
        """Write the lists."""
        print("\n\n".join(map(text, self._verdicts)), file=self._stream)


FORMAT = Format("what to change, by file, for programs that write code", AgentWriter)
