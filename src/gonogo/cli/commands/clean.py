"""`gonogo clean`."""

from __future__ import annotations

from typing import Annotated

import typer

from gonogo.cli.options import Debug


def command(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how much there is.")] = False,
    debug: Debug = False,
) -> None:
    """Remove what gonogo keeps for the next time, such as environments of experiments."""

    def act() -> int:
        from gonogo.cli.cleaning import run

        return run(dry_run)

    context.obj.action = act
