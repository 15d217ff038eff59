"""`gonogo doctor`."""

from __future__ import annotations

import typer

from gonogo.cli.options import ListAs, ListFormat


def command(context: typer.Context, format: ListAs = ListFormat.TEXT) -> None:
    """Say what this machine can hold in: exit code 0 if trials can be run on it, else 3."""
    from gonogo.cli.doctor import run

    context.obj.action = lambda: run(format.value)
