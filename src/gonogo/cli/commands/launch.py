"""`gonogo launch`."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.options import (
    DataRoots,
    Debug,
    PlanFile,
    Python,
    RayAddress,
    RunTimeout,
    Sandbox,
    SandboxMode,
    check_paths,
    execution_options,
)
from gonogo.model.errors import UsageError


def command(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Folder of the experiment.")],
    plan: PlanFile = None,
    runs: Annotated[list[str] | None, typer.Option("--runs", metavar="PATTERN", help="Only these runs; may be repeated.")] = None,
    on: Annotated[str, typer.Option("--on", metavar="EXECUTOR", help="Where: local (this machine), ray, slurm.")] = "local",
    results: Annotated[str, typer.Option(metavar="DIR", help="Folder of the results.")] = "results",
    force: Annotated[bool, typer.Option("--force", help="Launch it whatever the gate says.")] = False,
    tracker: Annotated[bool, typer.Option("--tracker", help="Log to a local tracker, kept with the results.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs at one time (default: one a device, or a core).")] = None,
    address: RayAddress = None,
    slurm: Annotated[
        list[str] | None, typer.Option("--slurm", metavar="NAME=VALUE", help="A parameter of submitit's, such as slurm_partition=gpu.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--override", metavar="KEY=VALUE", help="One more Hydra override for every run; may be repeated.")
    ] = None,
    python: Python = None,
    data_root: DataRoots = None,
    sandbox: Sandbox = SandboxMode.AUTO,
    run_timeout: RunTimeout = 180.0,
    debug: Debug = False,
) -> None:
    """Gate an experiment, launch every run, evaluate them."""

    def act() -> int:
        from gonogo.launch.executors import ExecutorOptions, make
        from gonogo.launch.launching import Request, launch

        check_paths(path, plan)
        executor = make(on, ExecutorOptions(jobs, address, dict(_pair(text) for text in slurm or ())))
        execution = execution_options(runs=runs, python=python, data_root=data_root, sandbox=sandbox, run_timeout=run_timeout)
        return launch(Request(path, plan, executor, results, force, tracker, tuple(override or ()), execution), context.obj.pool)

    context.obj.action = act


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--slurm takes NAME=VALUE, not {text}.")
    return name, value
