"""One run, all that it says, and what was seen of it: for `gonogo trial` and `gonogo rehearse`."""

from __future__ import annotations

import sys

from rich.text import Text

from gonogo.cli.options import check_paths
from gonogo.documents.lines import split_lines
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.verdict import Verdict
from gonogo.pool.pool import Pool, Task
from gonogo.report import plain
from gonogo.report.console import ReportConsole
from gonogo.report.formats.full import Report


def run(stage: Stage, path: str, plan: str | None, execution: ExecutionOptions, pool: Pool) -> int:
    """Run it; the exit code is that of a verdict on the stages that ran it alone.

    Raises:
        UsageError: a path or a run that is not there.
    """
    with pool:
        check_paths(path, plan)
        options = CheckOptions(to=stage, execution=execution)
        console = ReportConsole(sys.stdout)

        def hear(_: int, stage: str, label: str, what: str, text: str) -> None:
            if what == "start":
                console.put(Text.assemble((f"── {stage} {plain.line(label)}".rstrip(), "bold")))
            elif what == "line":
                console.put(Text(plain.line(text)))
            sys.stdout.flush()

        (result,) = pool.run([Task(path, path, plan)], options, hear)
        if result.usage:
            raise UsageError(result.usage)
        verdict = _of_runs(result.verdict)
        sources = {path: split_lines(text) for path, text in result.sources.items()}
        console.put(Text(""))
        _timeline(console, verdict)
        Report(console).print(verdict, sources.get)
        return verdict.outcome.exit_code


def _of_runs(verdict: Verdict) -> Verdict:
    """Return the part of a verdict that comes from running the experiment.

    `gonogo check` reports what the stages before found.
    """
    return verdict.model_copy(update={"findings": [finding for finding in verdict.findings if finding.stage.runs_code]})


def _timeline(console: ReportConsole, verdict: Verdict) -> None:
    for stage in verdict.stages:
        for entry in stage.runs:
            phases = ", ".join(f"{name} after {seconds:.1f} s" for name, seconds in entry.phases.items())
            line = f"{stage.name} {plain.line(entry.run)}: {entry.status}, {entry.seconds:.1f} s, {entry.peak_memory_mb:.0f} MB at most"
            console.put(Text(line + (f" ({phases})" if phases else "")))
