"""`gonogo trial`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gonogo.cli.options import (
    DataRoots,
    Debug,
    PlanFile,
    Python,
    RequireSandbox,
    RunTimeout,
    Sandbox,
    SandboxMode,
    StandInPlugins,
    StandIns,
    execution_options,
)
from gonogo.model.errors import UsageError


class TrialFormat(StrEnum):
    """How what was seen is written."""

    FULL = "full"
    JSON = "json"


def command(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH RUN | [PATH] -- PROGRAM...", help="An experiment and its run; or a folder and any program."),
    ] = None,
    plan: PlanFile = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: Sandbox = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: StandInPlugins = None,
    format: Annotated[TrialFormat, typer.Option("--format", help="How to write what was seen of a program.")] = TrialFormat.FULL,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show all that a program says, too.")] = False,
    debug: Debug = False,
) -> None:
    """Run a documented run, or any training program, bounded and in the sandbox, and say what was seen.

    `gonogo trial -- python train.py --epochs 100` takes any command that starts a Python program, `torchrun` and `accelerate launch` among
    them; PATH is the folder that it is started in. `gonogo trial PATH RUN` takes a run that the experiment's contract documents.
    """

    def act() -> int:
        from gonogo.cli.program_command import EXAMPLE, split

        before, program = split(list(context.obj.arguments), words or [])
        if program is None and len(before) != 2:
            raise UsageError(f"Name an experiment and one of its runs, or any program after `--`: {EXAMPLE}")
        if program is not None and (len(before) > 1 or plan is not None):
            raise UsageError("Before `--` stands at most the folder to start the program in, and no --plan.")
        execution = execution_options(
            runs=before[1:] if program is None else None,
            python=python,
            data_root=data_root,
            sandbox=sandbox,
            require_sandbox=require_sandbox,
            run_timeout=run_timeout,
            stand_ins=stand_ins,
            stand_in_plugins=stand_in_plugins,
            keep_going=True,
        )
        if program is None:
            from gonogo.cli.one_run import run as run_one
            from gonogo.model.finding import Stage

            return run_one(Stage.TRIAL, before[0], plan, execution, context.obj.pool)
        from gonogo.cli.one_program import run as run_program

        folder = before[0] if before else "."
        return run_program(program, folder, execution, context.obj.pool, as_json=format is TrialFormat.JSON, verbose=verbose)

    context.obj.action = act
