"""One session in the sandbox: every run of a stage, the evaluation where the stage has one, and what was seen of them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gonogo.execution import session_plan as orders
from gonogo.execution.interpreter_folders import Interpreter, locate
from gonogo.execution.observations import SessionSeen, Tracked
from gonogo.execution.recorder import Progress, Recorder
from gonogo.execution.sandbox import Box, Limits, Mechanism, Policy, Sandbox
from gonogo.execution.sandbox.model import GIBIBYTE
from gonogo.execution.session_plan import Session
from gonogo.model.contract import Contract
from gonogo.model.errors import StageError
from gonogo.model.experiment import Experiment
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run
from gonogo.system.children import command

EVALUATION = "(evaluation)"
RESULTS = "results"
CACHE = ".cache"
MOST_CACHE = GIBIBYTE
HOME = Path(__file__).resolve().parents[2]
MOST_JSON = 4 << 20
MOST_STRAY = 200
MARGIN = 60.0  # seconds besides those of the runs
_SYSTEM = ("/usr", "/bin", "/lib")  # every sandbox shows these


def carry_out(
    stage: Session,
    experiment: Experiment,
    runs: Sequence[Run],
    contract: Contract,
    interpreter: Interpreter,
    options: ExecutionOptions,
    progress: Progress | None = None,
) -> SessionSeen:
    """Run a stage in the sandbox.

    Args:
        stage: what to run.
        experiment: the experiment.
        runs: its runs, in order.
        contract: says how they are started.
        interpreter: the Python of the experiment's environment.
        options: the caller's choices.
        progress: hears of runs as they go.

    Raises:
        UsageError: no sandbox is wanted although one is required.
        StageError: no sandbox holds here, or the session could not be started.
    """
    if stage.tracker and find_spec("starlette") is None:
        raise StageError("the rehearsal needs the local tracker: install gonogo[tracker]")
    session = SessionSeen(stage.name)
    started = time.monotonic()
    policy = _policy(experiment.root, interpreter, options, _seconds(stage, runs, options))
    with Sandbox(policy, required=options.require_sandbox) as box:
        session.containment = str(box.containment)
        _fill(box, experiment, runs, session)
        before = set(_files(box.tree))
        _run(box, stage, runs, contract, interpreter, options, session, progress)
        _collect(box, session, before, contract)
    session.seconds = round(time.monotonic() - started, 3)
    return session


def _seconds(stage: Session, runs: Sequence[Run], options: ExecutionOptions) -> float:
    return options.run_timeout * (len(runs) + stage.tracker) + MARGIN


def _fill(box: Box, experiment: Experiment, runs: Sequence[Run], session: SessionSeen) -> None:
    """Put into the box's tree what is not copied with it: the files of a bundle, run configs that only the plan has, a small cache."""
    if experiment.root is None:
        for path, file in experiment.files.items():
            box.write(path, file.text or "")
    for run in runs:
        if run.from_plan and run.path is not None:
            box.write(run.path, run.text)
    cache = experiment.root / CACHE if experiment.root is not None else None
    if cache is None or not cache.is_dir():
        return
    size = sum(entry.lstat().st_size for entry in cache.rglob("*"))
    if size > MOST_CACHE:
        session.notes.append(
            f"Its {CACHE}/ has {size / GIBIBYTE:.1f} GiB and was left out: --data-root shows folders without copying them."
        )
    else:
        shutil.copytree(cache, box.tree / CACHE, symlinks=True, dirs_exist_ok=True)


def _policy(tree: Path | None, interpreter: Interpreter, options: ExecutionOptions, seconds: float) -> Policy:
    own = locate(Path(sys.executable))
    shown = [*interpreter.folders, *own.folders, HOME, *map(Path, options.data_roots)]
    if options.stand_in_plugins is not None:
        shown.append(Path(options.stand_in_plugins))
    limits = Limits(
        seconds=seconds,
        memory=int(options.memory_gib * GIBIBYTE),
        disk=int(options.disk_gib * GIBIBYTE),
    )
    mode = None if options.sandbox == "auto" else Mechanism(options.sandbox)
    given = set(map(Path, options.data_roots))
    folders = tuple(dict.fromkeys(folder for folder in shown if folder in given or not str(folder).startswith(_SYSTEM)))
    return Policy(tree=tree, mode=mode, read_only=folders, path=(interpreter.scripts,), limits=limits)


def _run(
    box: Box,
    stage: Session,
    runs: Sequence[Run],
    contract: Contract,
    interpreter: Interpreter,
    options: ExecutionOptions,
    session: SessionSeen,
    progress: Progress | None,
) -> None:
    work = Path(box.temporary) / "gonogo"
    work.mkdir()
    (work / "scratch").mkdir()
    probe_key, driver_key = secrets.token_hex(16), secrets.token_bytes(32)
    reading, writing = os.pipe()
    os.write(writing, driver_key)
    os.close(writing)
    os.set_inheritable(reading, True)
    try:
        order = orders.Order(box.tree, work, interpreter.python, probe_key, options)
        (work / "probe.json").write_text(json.dumps(order.probe(stage)), "utf-8")
        (work / "evaluation.json").write_text(json.dumps(order.probe(stage, mode="evaluation")), "utf-8")
        (work / "order.json").write_text(json.dumps(order.driver(stage, runs, contract, reading)), "utf-8")
        recorder = Recorder(session, probe_key.encode(), driver_key, EVALUATION, progress)
        driver = [*command("gonogo.execution.driver"), str(work / "order.json")]
        result = box.run(driver, env=order.environment(), on_event=recorder.hear, pass_fds=(reading,))
    finally:
        os.close(reading)
    session.peak_memory = result.peak_memory
    if result.limit is not None:
        session.problem = f"it was ended: {result.reason}"
    elif not recorder.driver_ended and not session.problem:
        session.problem = f"the sandbox ended before its time (exit code {result.exit_code}): {result.stderr.text.strip()[-500:]}"
    if stage.tracker:
        session.tracked = _tracked(work)


def _tracked(work: Path) -> list[Tracked] | None:
    """What the tracker was told; None where it is not known. The code could write this file too, as it could any event."""
    try:
        with os.fdopen(os.open(work / "tracked.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            found = json.loads(file.read(256 << 20))
        return [_tracked_run(entry) for entry in found]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tracked_run(entry: dict[str, Any]) -> Tracked:
    history = [json.loads(line) for line in entry["history"]]
    summary = json.loads(entry["summary"])
    return Tracked(entry["entity"], entry["project"], entry["id"], entry["state"], entry["rows"], summary, entry["keys"], history)


def _collect(box: Box, session: SessionSeen, before: set[str], contract: Contract) -> None:
    """What the code left in its copy of the tree."""
    stray = [path for path in _files(box.tree) if path not in before and not _is_expected(path, contract)]
    session.stray = stray[:MOST_STRAY]
    with tempfile.TemporaryDirectory(prefix="gonogo-results-") as name:
        collected = box.collect(RESULTS, Path(name))
        for path in collected.files:
            file = Path(name) / path
            session.results[path] = file.stat().st_size
            if path.endswith(".json") and session.results[path] <= MOST_JSON:
                session.texts[path] = file.read_text("utf-8", "replace")


def _is_expected(path: str, contract: Contract) -> bool:
    return path.startswith(f"{RESULTS}/") or contract.is_tolerated(path)


def _files(tree: Path) -> Iterator[str]:
    """Every file of a tree, following no link."""
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), tree)  # noqa: PTH118
