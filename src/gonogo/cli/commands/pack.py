"""`gonogo pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.options import Debug


def command(
    context: typer.Context,
    path: Annotated[str, typer.Argument(help="The folder of an experiment.")],
    plan: Annotated[Path | None, typer.Option("--plan", help="Its research plan, where that is not in or beside the folder.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write, in place of standard output.")] = None,
    debug: Debug = False,
) -> None:
    """Write an experiment as a bundle: one JSON file with the texts of its files."""

    def act() -> int:
        from gonogo.cli.packing import pack

        return pack(path, plan, output)

    context.obj.action = act
