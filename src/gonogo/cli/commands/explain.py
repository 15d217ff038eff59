"""`gonogo explain`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(context: typer.Context, rule: Annotated[str, typer.Argument(metavar="ID", help="Id or slug of a rule.")]) -> None:
    """Explain a rule, with an example."""
    from gonogo.cli.catalogue import print_rule

    context.obj.action = lambda: print_rule(rule)
