"""`gonogo mcp`."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from gonogo.cli.options import Debug
from gonogo.model.errors import UsageError


def command(context: typer.Context, debug: Debug = False) -> None:
    """Serve the gate over the Model Context Protocol to agents that write experiments.

    It is served on stdin and stdout.
    """

    def act() -> int:
        if find_spec("mcp") is None:
            raise UsageError("gonogo mcp needs the package mcp: install gonogo[mcp].")
        from gonogo.cli.mcp_server import serve

        return serve()

    context.obj.action = act
