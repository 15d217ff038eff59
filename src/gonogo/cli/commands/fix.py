"""`gonogo fix`."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.options import Debug, ExperimentPath, IgnoredRules, PlanFile, PolicyFile, RuleNames, check_paths, policy_of, split_names


def command(
    context: typer.Context,
    path: ExperimentPath,
    plan: PlanFile = None,
    contract: Annotated[str | None, typer.Option(metavar="NAME", help="Name or TOML file of the contract (default: detected).")] = None,
    config: PolicyFile = None,
    select: RuleNames = None,
    ignore: IgnoredRules = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the edits and write nothing.")] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Make also edits that may change what the code does.")] = False,
    debug: Debug = False,
) -> None:
    """Mend what can be mended by plain edits; the exit code is that of the verdict afterwards."""

    def act() -> int:
        from gonogo.cli.fixing import Wanted, run
        from gonogo.model.check_options import CheckOptions

        check_paths(path, plan)
        options = CheckOptions(contract=contract, select=split_names(select), ignore=split_names(ignore), policy=policy_of(config))
        return run(Wanted(path, plan, diff, unsafe), options)

    context.obj.action = act
