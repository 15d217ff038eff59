"""`gonogo contracts`."""

from __future__ import annotations

import typer


def command(context: typer.Context) -> None:
    """List the contracts that come with gonogo."""
    from gonogo.cli.catalogue import print_contracts

    context.obj.action = print_contracts
