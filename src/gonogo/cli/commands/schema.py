"""`gonogo schema`."""

from __future__ import annotations

import typer


def command(context: typer.Context) -> None:
    """Print the JSON schema of a verdict."""
    from gonogo.report.json import print_schema

    context.obj.action = print_schema
