"""`gonogo tracker`, and what brings runs into a tracker and out of it."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gonogo.cli.options import Debug
from gonogo.model.errors import UsageError
from gonogo.tracker.settings import Settings

group = typer.Typer(no_args_is_help=False, rich_markup_mode=None, help="Serve as a local W&B; import runs, export them.")
Data = Annotated[str | None, typer.Option(metavar="DIR", help="Folder of its data (default: one for all of yours).")]
Url = Annotated[
    str | None, typer.Option(metavar="URL", help="A tracker that runs elsewhere, with its key in WANDB_API_KEY (default: the folder's).")
]


class Form(StrEnum):
    """What runs are written as."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"


@group.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    data: Data = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback let other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 is any free one.")] = 8080,
    silence: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="A run that is silent for so long has crashed.")] = 300.0,
    debug: Debug = False,
) -> None:
    """Serve as a local W&B: the wandb client logs to it, wandb.Api() reads back."""
    if context.invoked_subcommand is None:
        context.obj.action = lambda: run(data, host, port, silence)


@group.command("import")
def bring(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="W&B offline folders, TensorBoard event files, an MLflow store (mlruns), or a verdict."),
    ],
    project: Annotated[
        str | None, typer.Option(metavar="[ENTITY/]PROJECT", help="Where the runs go (default: each source names its own).")
    ] = None,
    data: Data = None,
    url: Url = None,
    debug: Debug = False,
) -> None:
    """Bring runs of W&B, TensorBoard and MLflow, and verdicts of the gate, into a tracker."""
    context.obj.action = lambda: import_(paths, project, data, url)


@group.command()
def export(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="ENTITY/PROJECT[/RUN]", help="A project, or one run of it.")],
    form: Annotated[Form, typer.Option("--format", help="What it is written as.")] = Form.CSV,
    output: Annotated[str, typer.Option(metavar="DIR", help="Where it is written.")] = "export",
    data: Data = None,
    url: Url = None,
    debug: Debug = False,
) -> None:
    """Write runs as tables, or for TensorBoard, MLflow or W&B."""
    context.obj.action = lambda: export_(what, form.value, output, data, url)


def run(data: str | None, host: str, port: int, silence: float) -> int:
    """Serve until interrupted.

    Raises:
        UsageError: The folder or the address can't be used, or packages are missing.
    """
    from gonogo.tracker.serve import Announcement, serve

    settings = Settings(Path(data) if data else default_folder(), host=host, port=port, silence=silence)

    def announce(tracker: Announcement) -> None:
        print(f"Tracker at {tracker.url}, data in {settings.folder}. Ctrl-C stops it; the data stay.")
        print(f"  to look:  {tracker.login} (once; later {tracker.url} with the API key)")
        print(f"  to log:   export WANDB_BASE_URL={tracker.url} WANDB_API_KEY={tracker.api_key}", flush=True)

    serve(settings, announce)
    return 0


def import_(paths: list[str], project: str | None, data: str | None, url: str | None) -> int:
    """Import what some paths hold.

    Raises:
        UsageError: There is nothing to import, or it can't be.
    """
    from gonogo.tracker.transfer.incoming import Target, bring
    from gonogo.tracker.transfer.remote import reach

    entity, _, name = (project or "").rpartition("/")
    with reach(Path(data) if data else default_folder(), url) as remote:
        target = Target(remote, entity or "local", name or None)
        count = bring([Path(path) for path in paths], target, print)
    print(f"imported: {count}")
    return 0


def export_(what: str, form: str, output: str, data: str | None, url: str | None) -> int:
    """Export a project or a run.

    Raises:
        UsageError: There is no such project or run, or it can't be written.
    """
    from gonogo.tracker.transfer.outgoing import write
    from gonogo.tracker.transfer.remote import reach

    entity, _, rest = what.partition("/")
    project, _, name = rest.partition("/")
    if not entity or not project:
        raise UsageError(f"{what}: name a project as ENTITY/PROJECT, or a run as ENTITY/PROJECT/RUN")
    with reach(Path(data) if data else default_folder(), url) as remote:
        for path in write(remote, entity, project, name or None, form, Path(output)):
            print(path)
    return 0


def default_folder() -> Path:
    """Where a user's data are kept when nothing else is said (XDG Base Directory)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gonogo" / "tracker"
