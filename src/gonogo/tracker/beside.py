"""A tracker in a process beside this one, for Python programs and tests."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gonogo.model.errors import UsageError
from gonogo.system import children

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Tracker:
    """A running tracker.

    Attributes:
        url: Where it listens.
        api_key: What it lets in.
        login: An address that lets a browser in, once.
        folder: Where its data are.
        process: The process that serves.
    """

    url: str
    api_key: str
    login: str
    folder: Path
    process: subprocess.Popen[str]

    def environment(self, client: Path | None = None) -> dict[str, str]:
        """The environment with which the client logs to this tracker and to nothing else.

        Args:
            client: Folder for the files that the client writes; by default it chooses.
        """
        return client_environment(self.url, self.api_key, client)


def client_environment(url: str, api_key: str, client: Path | None = None) -> dict[str, str]:
    """The environment with which the client logs to a tracker and to nothing else.

    Args:
        url: Where the tracker listens.
        api_key: What it lets in.
        client: Folder for the files that the client writes; by default it chooses.
    """
    values = {
        "WANDB_BASE_URL": url,
        "WANDB_API_KEY": api_key,
        "WANDB_MODE": "online",
        # The client would send reports about its own errors to the server, which has no use for them.
        "WANDB_ERROR_REPORTING": "false",
    }
    folders = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
    return values if client is None else values | dict.fromkeys(folders, str(client))


@contextmanager
def running(folder: Path | None = None, *, port: int = 0, silence: float = 300.0) -> Iterator[Tracker]:
    """A tracker for as long as the block lasts.

    Args:
        folder: Where it keeps its data; by default a temporary folder, removed at the end.
        port: TCP port on the loopback address; 0 takes any free one.
        silence: Seconds without a sign of life after which a running run counts as crashed.

    Raises:
        UsageError: It could not be started; the text says why.
    """
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gonogo-tracker-")))
        # With neither the caller's working folder nor its PYTHONPATH: a `starlette/` that lies there is not ours.
        command = [*children.command("gonogo.tracker.__main__"), str(folder.absolute()), str(port), str(silence)]
        with tempfile.TemporaryFile("w+") as errors:
            # It ends when its standard input does: also when this process is killed, it is not left behind.
            pipe, start = subprocess.PIPE, folder.absolute().anchor
            process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, cwd=start))
            stack.callback(_stop, process)
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                process.wait()
                errors.seek(0)
                raise UsageError(f"the tracker did not start: {errors.read().strip() or f'exit code {process.returncode}'}")
            ready = json.loads(line)
            yield Tracker(ready["url"], ready["api_key"], ready["login"], folder, process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
