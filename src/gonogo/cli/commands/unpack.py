"""`gonogo unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.options import Debug


def command(
    context: typer.Context,
    bundle: Annotated[str, typer.Argument(help="A bundle (a JSON file), or - for standard input.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write, new or empty.")],
    debug: Debug = False,
) -> None:
    """Write the files of a bundle into a folder."""

    def act() -> int:
        from gonogo.cli.packing import unpack

        return unpack(bundle, folder)

    context.obj.action = act
