"""`gonogo rules`."""

from __future__ import annotations

import typer

from gonogo.cli.options import ListAs, ListFormat


def command(context: typer.Context, format: ListAs = ListFormat.TEXT) -> None:
    """List the rules."""
    from gonogo.cli.catalogue import print_rules

    context.obj.action = lambda: print_rules(format.value)
