"""`gonogo rehearse`."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.options import (
    DataRoots,
    Debug,
    ExperimentPath,
    Overrides,
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


def command(
    context: typer.Context,
    path: ExperimentPath,
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    plan: PlanFile = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: Sandbox = SandboxMode.AUTO,
    require_sandbox: RequireSandbox = False,
    run_timeout: RunTimeout = 180.0,
    stand_ins: StandIns = True,
    stand_in_plugins: StandInPlugins = None,
    override: Overrides = None,
    debug: Debug = False,
) -> None:
    """Rehearse one run in the sandbox, and its evaluation: show all they say, and what was seen of them."""

    def act() -> int:
        from gonogo.cli.one_run import run as run_one
        from gonogo.model.finding import Stage

        execution = execution_options(
            runs=[run],
            python=python,
            data_root=data_root,
            sandbox=sandbox,
            require_sandbox=require_sandbox,
            run_timeout=run_timeout,
            stand_ins=stand_ins,
            stand_in_plugins=stand_in_plugins,
            override=override,
            keep_going=True,
        )
        return run_one(Stage.REHEARSAL, path, plan, execution, context.obj.pool)

    context.obj.action = act
