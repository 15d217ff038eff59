"""The tracker with W&B's client beside trackio: rows a second, memory, and whether the same metrics come back.

    uv run python benchmarks/tracker_trackio.py

Both log the same rows (20 keys with random doubles, one run, then several runs at once), each with its own client in processes of its own,
and both are read back in another process and compared bit by bit. W&B's client talks to a tracker; trackio writes into its own SQLite file
and is read through `trackio.SQLiteStorage`, as its dashboard and its command line do. It gets an environment of its own, made with uv.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.tracker_speed import watching
from gonogo.tracker import running

KEYS = 20
ROWS = """
import json, math, random, sys, time
name, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source = random.Random(name)
def row():
    return {f"metric/{key}": source.uniform(-1, 1) * 10 ** source.randint(-9, 9) for key in range(keys)}
SPECIAL = {
    "NaN": math.nan, "infinity": math.inf, "-0.0": -0.0, "1e-308": 1e-308, "2**53 + 1": 2**53 + 1, "2**60 + 1": 2**60 + 1, "true": True,
    "text": 'é "quoted" 🙂', "list": [1, 2.5], "nested": {"deep": {"er": 0.1}}, "1.0 as a float": 1.0,
}
"""
LOG = """
import {module}
imported = time.perf_counter()
run = {init}
started = time.perf_counter()
for _ in range(rows):
    run.log(row())
logged = time.perf_counter()
if name == "run":
    for key, value in SPECIAL.items():
        run.log({{f"special/{{key}}": value}})
run.finish()
print(json.dumps({{"init": started - imported, "log": logged - started, "finish": time.perf_counter() - logged}}))
"""
READ = """
import {module}
started = time.perf_counter()
found = {read}
seconds = time.perf_counter() - started
same = lambda one, other: (type(one), repr(one)) == (type(other), repr(other))
special = {{key: next((each[f"special/{{key}}"] for each in found if f"special/{{key}}" in each), "nothing") for key in SPECIAL}}
wrong = sum(not all(same(each.get(key), value) for key, value in row().items()) for each in found[:rows])
changed = [key for key, value in SPECIAL.items() if name == "run" and not same(special[key], value)]
print(json.dumps({{"rows": len(found) - len(SPECIAL) * (name == "run"), "wrong": wrong, "seconds": seconds, "changed": changed}}))
"""


class Client:
    """One of the two, with what starts a run and what reads its rows."""

    def __init__(self, name: str, python: list[str], environment: dict[str, str], init: str, read: str) -> None:
        self.name, self._python, self._environment = name, python, environment
        self._log, self._read = ROWS + LOG.format(module=name, init=init), ROWS + READ.format(module=name, read=read)

    def version(self) -> str:
        """Its version."""
        return self._run(f"import importlib.metadata; print(importlib.metadata.version({self.name!r}))")[0]

    def log(self, run: str, rows: int) -> tuple[dict[str, Any], int]:
        """Log a run; seconds, and the most bytes that its processes held."""
        said, held = self._run(self._log, run, rows, KEYS)
        return json.loads(said), held

    def read(self, run: str, rows: int) -> tuple[dict[str, Any], int]:
        """Read a run back; what was found, and the most bytes that the process held."""
        said, held = self._run(self._read, run, rows, KEYS)
        return json.loads(said), held

    def _run(self, script: str, *arguments: object) -> tuple[str, int]:
        environment = {**os.environ, **self._environment}
        command = [*self._python, "-c", script, *map(str, arguments)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            with watching(psutil.Process(process.pid)) as seen:
                said = process.stdout.read()
        assert process.returncode == 0, said
        lines = said.strip().splitlines()
        return next((line for line in lines if line.startswith("{")), lines[-1]), max(seen)  # trackio prints something, too


def trackio_python(folder: Path, version: str) -> list[str]:
    """The command of a Python that has trackio, in a new environment."""
    python = folder / "bin/python"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), f"trackio=={version}"], check=True)
    return [str(python)]


def measure(client: Client, rows: int, parallel: int, server: psutil.Process | None) -> dict[str, str]:
    """What the table says of a client."""
    with ExitStack() as stack:
        seen = stack.enter_context(watching(server)) if server else []
        logged, held = client.log("run", rows)
        found, reading = client.read("run", rows)
        started = time.perf_counter()
        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(lambda number: client.log(f"at-once-{number}", 1000), range(parallel)))
        at_once = time.perf_counter() - started
        others = [client.read(f"at-once-{number}", 1000)[0] for number in range(parallel)]
    complete = sum(other["rows"] == 1000 and not other["wrong"] for other in others)
    return {
        "version": client.version(),
        f"log {rows:,} rows: rows/s, until all is stored": f"{rows / (logged['log'] + logged['finish']):,.0f}",
        "of that, rows/s that `log` takes": f"{rows / logged['log']:,.0f}",
        "start of a run, s": f"{logged['init']:.1f}",
        "most memory while logging, MB": f"{held / 1e6:.0f}",
        "most memory of the server, MB": f"{max(seen) / 1e6:.0f}" if seen else "no server",
        "read all rows back: rows/s": f"{found['rows'] / found['seconds']:,.0f}",
        "most memory while reading, MB": f"{reading / 1e6:.0f}",
        "rows found / not as logged": f"{found['rows']:,} / {found['wrong']:,}",
        f"{parallel} runs at once, 1,000 rows each, s": f"{at_once:.1f}",
        "of these runs complete": f"{complete} of {parallel}",
        "special values that come back otherwise": ", ".join(found["changed"]) or "none",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--trackio", default="0.43.0", metavar="VERSION")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "client").mkdir()
        with running(folder / "tracker") as tracker:
            settings = "wandb.Settings(x_disable_stats=True, console='off', silent=True)"
            ours = Client(
                "wandb",
                [sys.executable],
                tracker.environment(folder / "client") | {"WANDB_SILENT": "true"},
                f"wandb.init(entity='e', project='p', id=name, settings={settings})",
                "list(wandb.Api(timeout=60).run(f'e/p/{name}').scan_history(page_size=10_000))",
            )
            first = measure(ours, options.rows, options.parallel, psutil.Process(tracker.process.pid))
        theirs = Client(
            "trackio",
            trackio_python(folder / "environment", options.trackio),
            {"TRACKIO_DIR": str(folder / "trackio"), "HF_HUB_OFFLINE": "1"},
            "trackio.init(project='p', name=name, embed=False, auto_log_gpu=False, auto_log_cpu=False)",
            "trackio.SQLiteStorage.get_logs('p', name)",
        )
        second = measure(theirs, options.rows, options.parallel, None)
    print("| | gonogo's tracker, W&B's client | trackio |\n|---|---|---|")
    for title, value in first.items():
        print(f"| {title} | {value} | {second[title]} |")


if __name__ == "__main__":
    main()
