"""Any training program, run once in the sandbox: for `gonogo trial -- python train.py`."""

from __future__ import annotations

import sys

from rich.text import Text

from gonogo.cli.program_command import chosen
from gonogo.documents.lines import split_lines
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions
from gonogo.pool.pool import Pool, Task
from gonogo.report import json, plain
from gonogo.report.console import ReportConsole
from gonogo.report.formats.full import Report
from gonogo.report.program import Screen


def run(words: list[str], folder: str, execution: ExecutionOptions, pool: Pool, *, as_json: bool, verbose: bool) -> int:
    """Run it; the exit code is that of the verdict.

    Args:
        words: the command.
        folder: where it is started.
        execution: the caller's choices.
        pool: judges.
        as_json: whether the verdict is written as JSON in place of the screen.
        verbose: whether all that the program says is shown.

    Raises:
        UsageError: there is no such program.
    """
    with pool:
        program = chosen(words, folder, execution.python)
        execution = execution.model_copy(update={"program": program.command, "python": program.python})
        options = CheckOptions(contract="program", to=Stage.TRIAL, execution=execution)
        console, talk = ReportConsole(sys.stdout), ReportConsole(sys.stderr)
        if not as_json:
            where = program.python or "an environment made from its pyproject.toml"
            talk.put(Text(f"gonogo: a copy of {plain.line(str(program.root))} runs in the sandbox, with {plain.line(where)}", style="dim"))

        def hear(_: int, stage: str, label: str, what: str, text: str) -> None:
            if what == "line" and (verbose or stage == "environment"):
                talk.put(Text(plain.line(text), style="dim"))
            sys.stderr.flush()

        (result,) = pool.run([Task(str(program.root), program.command.label, None)], options, hear)
        if result.usage:
            raise UsageError(result.usage)
        verdict = result.verdict
        if as_json:
            print(json.document([verdict]))
            return verdict.outcome.exit_code
        if verdict.program is not None:
            Screen(console).print(verdict.program)
        sources = {path: split_lines(text) for path, text in result.sources.items()}
        console.put(Text(""))
        Report(console).print(verdict, sources.get)
        return verdict.outcome.exit_code
