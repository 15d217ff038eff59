"""One session in the sandbox.

It has every run of a stage, the evaluation where the stage has one, and what was observed of them.
"""

from __future__ import annotations

import json
import os
import posixpath
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from gonogo.execution import results, stacks
from gonogo.execution.causes import cut_unevenly
from gonogo.execution.interpreter_folders import Interpreter
from gonogo.execution.observations import SessionSeen
from gonogo.execution.recorder import Progress, Recorder
from gonogo.execution.sandbox import Box, Limit, Limits, Mechanism, Policy, Sandbox, safe_files
from gonogo.execution.sandbox.model import GIBIBYTE, Containment
from gonogo.execution.session_plan import ACCELERATOR, AGAIN, EVALUATION, MISSING, PERTURBED, PROBE, RESULTS, Plan, Session, Start
from gonogo.execution.tracker_box import TrackerBox, socket_outside
from gonogo.model.contract import Contract
from gonogo.model.errors import StageError
from gonogo.model.experiment import SKIPPED_FOLDERS, Experiment
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run

CACHE = ".cache"
MOST_CACHE = GIBIBYTE
HOME = Path(__file__).resolve().parents[2]
MOST_STRAY = 200
MOST_DOUBTS = 20
MARGIN = 60.0  # seconds besides those of the runs
GRACE = 3.0  # seconds in which a run that is asked to end can say what it counted
_WRITTEN = SKIPPED_FOLDERS - {"__pycache__"}  # bytecode is code
_RESULTS = {RESULTS, *(f"{RESULTS}-{name}" for name in (AGAIN, PERTURBED, MISSING))}
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
        raise StageError(f"{stage.name} needs the local tracker: install gonogo[tracker]")
    if stage.seconds is not None:
        options = options.model_copy(update={"run_timeout": min(options.run_timeout, stage.seconds)})
    session = SessionSeen(stage.name)
    started = time.monotonic()
    policy = _policy(experiment.root, interpreter, options)
    with Sandbox(policy, required=options.require_sandbox) as box:
        session.containment = str(box.containment)
        session.held = _held(box.containment, policy.limits, options)
        _fill(box, experiment, runs, options, session)
        box.fix(_is_code if stage.program is None else _is_module)
        before = set(_files(box.tree))
        plan = Plan(box, interpreter, options)
        seconds = options.run_timeout * (len(runs) * (2 if stage.again else 1) + stage.tracker + len(stage.more)) + MARGIN
        _Runs(box, plan, stage, session, progress).carry_out(*plan.starts(stage, runs, contract), seconds)
        new = [path for path in _files(box.tree) if path not in before]
        stray = new if stage.program is not None else [path for path in new if not _is_expected(path, contract)]
        session.stray = stray[:MOST_STRAY]
        session.results, session.texts, too_much = results.collect(box, RESULTS)
        if too_much:
            session.doubts.append(f"not all results were looked at: {too_much}")
        for name, evaluated in session.more.items():
            evaluated.results, evaluated.texts, _ = results.collect(box, f"{RESULTS}-{name}")
    session.doubts[MOST_DOUBTS:] = [f"and {len(session.doubts) - MOST_DOUBTS} more"] if len(session.doubts) > MOST_DOUBTS else []
    session.seconds = round(time.monotonic() - started, 3)
    return session


def _fill(box: Box, experiment: Experiment, runs: Sequence[Run], options: ExecutionOptions, session: SessionSeen) -> None:
    """Put files into the box's tree that are not copied with it.

    They are the files of a bundle, run configs that only the plan has, and a small cache.
    """
    if experiment.root is None:
        for path, file in experiment.files.items():
            box.write(path, file.text or "")
    for run in runs:
        if run.from_plan and run.path is not None:
            box.write(run.path, run.text)
    _tell(box.copied, "", options, session)
    if experiment.root is None:
        return
    try:
        cache = safe_files.copy_tree(experiment.root, CACHE, box.tree / CACHE, MOST_CACHE)
    except safe_files.TooLargeError as error:
        box.remove(CACHE)
        session.notes.append(f"Its {CACHE}/ was left out, {error}: --data-root shows folders without copying them.")
        return
    _tell(cache, f"{CACHE}/", options, session)
    if not (cache.files or cache.links):
        box.remove(CACHE)


def _tell(copied: safe_files.Collected, prefix: str, options: ExecutionOptions, session: SessionSeen) -> None:
    """Say what the runs do not get of the experiment: what is no file, and what lies elsewhere."""
    for path, reason in copied.skipped.items():
        session.doubts.append(f"{prefix if path + '/' != prefix else ''}{path} was not given to the runs ({reason})")
    roots = [os.path.realpath(root) for root in options.data_roots]
    for path, target in copied.links.items():
        place = posixpath.normpath(posixpath.join(posixpath.dirname(prefix + path), target))
        outside = place.startswith(("/", "../")) or place == ".."
        if outside and not any(place == root or place.startswith(f"{root}/") for root in roots):
            told = f"{prefix}{path} is a link to {target}, out of the experiment's folder: only --data-root shows such places"
            session.doubts.append(told)


def _policy(tree: Path | None, interpreter: Interpreter, options: ExecutionOptions) -> Policy:
    shown = [*interpreter.folders, PROBE, *map(Path, options.data_roots)]
    if options.stand_in_plugins is not None:
        shown.append(Path(options.stand_in_plugins))
    limits = Limits(
        seconds=options.run_timeout,
        memory=int(options.memory_gib * GIBIBYTE),
        disk=int(options.disk_gib * GIBIBYTE),
        grace=GRACE,
    )
    mode = None if options.sandbox == "auto" else Mechanism(options.sandbox)
    given = set(map(Path, options.data_roots))
    folders = tuple(dict.fromkeys(folder for folder in shown if folder in given or not str(folder).startswith(_SYSTEM)))
    return Policy(tree=tree, mode=mode, read_only=folders, path=(interpreter.scripts,), limits=limits)


def _held(containment: Containment, limits: Limits, options: ExecutionOptions) -> dict[str, str]:
    """How code is held in, in words: what was achieved, not what was hoped for."""
    refused = [test.name for test in containment.tests if test.forbidden and test.passed]
    failed = [test.name for test in containment.tests if not test.passed]
    return {
        "sandbox": str(containment),
        "tried inside before the runs, and refused": "; ".join(refused) or "nothing was tried: there is no sandbox",
        "network": "cut off: a connection was tried, and refused"
        if any("connect" in name for name in refused)
        else "as this machine has it",
        **({"not held": "; ".join(failed)} if failed else {}),
        "limits of one run": f"{limits.seconds:g} s, {limits.memory / GIBIBYTE:g} GiB of memory, {limits.disk / GIBIBYTE:g} GiB on disk, "
        f"{limits.processes} processes",
        "real data shown to it": ", ".join(options.data_roots) or "none but what is in the experiment",
    }


class _Runs:
    """The runs of a session, each in a sandbox of its own around the one tree.

    Args:
        box: holds the tree.
        plan: what they are told.
        stage: what is run.
        session: filled in.
        progress: hears of them.
    """

    def __init__(self, box: Box, plan: Plan, stage: Session, session: SessionSeen, progress: Progress | None) -> None:
        self._box = box
        self._plan = plan
        self._stage = stage
        self._session = session
        self._recorder = Recorder(session, EVALUATION, progress)
        self._tracker: TrackerBox | None = None
        self._changed: set[str] = set()

    def carry_out(self, starts: Sequence[Start], evaluation: Start | None, seconds: float) -> None:
        """Run all, and end the tracker, where one is wanted.

        Args:
            starts: the runs.
            evaluation: follows them, where it is wanted.
            seconds: how long all may take.
        """
        with ExitStack() as stack:
            if self._stage.tracker:
                limits = replace(self._box.policy.limits, seconds=seconds)
                self._tracker = stack.enter_context(TrackerBox(self._box.containment, limits, HOME))
            try:
                self._run_all(starts, evaluation)
            except BaseException:
                self._box.cancel()
                raise
            if self._tracker is not None:
                self._session.tracked, problem = self._tracker.end()
                self._session.problem = self._session.problem or problem
                if self._session.evaluation is not None and (reason := cut_unevenly(self._session)):
                    self._session.evaluation.unsettled = self._session.evaluation.unsettled or reason
        if self._recorder.overflowed:
            self._session.doubts.append("its probes said more than can be kept: what came last was not looked at")

    def _run_all(self, starts: Sequence[Start], evaluation: Start | None) -> None:
        """Run the first alone, then the others several at a time, and last the evaluation.

        The first one fills the caches that the others share.
        """
        cores, jobs = os.cpu_count() or 1, self._plan.jobs()
        ended = [self._run(start, cores) for start in starts[:1]]
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            waiting = [pool.submit(self._run, start, max(1, cores // jobs)) for start in starts[1:]]
            try:
                ended += [future.result() for future in waiting]
            except BaseException:
                self._box.cancel()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        ended = [ok or self._once_more(start) for start, ok in zip(starts, ended, strict=True)]
        good = [start for start, ok in zip(starts, ended, strict=True) if ok]
        if evaluation is None or not good:
            return
        argv = [part.replace("{run_ids}", json.dumps([start.label for start in good], ensure_ascii=False)) for part in evaluation.argv]
        evaluation = replace(evaluation, argv=argv)
        if self._evaluate(evaluation, good, cores):
            self._evaluate_more(evaluation, [start.label for start in good], cores)

    def _evaluate(self, evaluation: Start, good: Sequence[Start], cores: int) -> bool:
        """Run the evaluation and return whether it ended well.

        Where it fails and some runs had a lowered config but others their own, it is repeated once all runs have had their own config.
        """
        if self._session.problem:
            return False
        ended_well = self._run(_into(evaluation, self._plan.results), cores)
        others = [start for start in good if start.label not in self._session.repeated]
        if ended_well or len(others) == len(good) or not others:
            return ended_well
        if all(self._unlowered(start) for start in others):
            return self._run(_into(evaluation, self._plan.results), cores)
        if self._session.evaluation is not None:
            self._session.evaluation.unsettled = "some runs had a lowered config and others their own"
        return False

    def _once_more(self, start: Start) -> bool:
        """Repeat a failed run with its config as it is.

        This is done where its failure may come from the lowered config. Returns whether it ended well.
        """
        first = self._session.runs.get(start.label)
        if self._session.problem or self._stage.again is None or first is None or not self._stage.again(first):
            return False
        return self._unlowered(start)

    def _unlowered(self, start: Start) -> bool:
        """Run one again with its config as it is, in place of the first time; whether that ended well."""
        first = self._session.runs[start.label]
        if self._tracker is not None:
            self._tracker.change({"forget": start.label})
        self._session.repeated.append(start.label)
        if self._run(self._plan.unlowered(start), os.cpu_count() or 1):
            return True
        second = self._session.runs[start.label]
        raised = second.failure() or []
        if second.late or any(each.type == "FileExistsError" for each in raised):  # the first time left something behind
            how = "its time was up" if second.late else "it found what the first time had left"
            first.unsettled = f"that is with a lowered config, and with its own one {how}"
            self._session.runs[start.label] = first
        return False

    def _evaluate_more(self, evaluation: Start, good: Sequence[str], cores: int) -> None:
        """Run the further evaluations, each with a results folder of its own.

        The tracker's data are changed for them, and not restored.
        """
        for name in self._stage.more:
            if self._tracker is None or self._session.problem or (name == MISSING and len(good) < 2):
                continue
            if name == PERTURBED:
                self._tracker.change({"perturb": True})
            elif name == MISSING:
                self._tracker.change({"remove": good[-1]})
            self._run(_into(evaluation, f"{self._plan.results}-{name}"), cores, name)

    def _run(self, start: Start, threads: int, more: str = "") -> bool:
        """Run one to its end, or to the end of its time; whether it ended well."""
        if self._session.problem:
            return False
        key = secrets.token_hex(16)
        recorder = self._recorder.begin(start.label, start.argv, key.encode(), round(time.time(), 3), more)
        environment = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "GONOGO_PROBE_KEY": key}
        recorder.run.lent, recorder.run.tree = self._plan.options.python is not None, str(self._box.tree)
        recorder.run.is_any_program, recorder.run.pretended = self._stage.program is not None, ACCELERATOR in self._stage.alter
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait would otherwise take the other runs' time
        folder = stacks.make_folder(self._box, secrets.token_hex(8))
        environment |= {"GONOGO_STACKS": str(folder)} if folder else {}
        attend, port = None, None
        if self._tracker is not None:
            attend, port = self._tracker.attend, self._tracker.port()
            if (outside := socket_outside(self._box.containment)) is not None:
                attend, port = None, outside.getsockname()[1]
                self._tracker.attend(outside)
            environment |= self._tracker.environment(port, self._plan.client)
        result = self._box.run(
            start.argv,
            cwd=start.folder,
            env={**start.environment, **environment},
            on_line=recorder.line,
            on_event=recorder.hear,
            on_socket=attend,
            port=port,
        )
        recorder.run.stacks = stacks.read(self._box, folder) if folder and result.limit in (Limit.TIME, Limit.MEMORY) else {}
        recorder.end(result)
        self._session.peak_memory = max(self._session.peak_memory, result.peak_memory)
        if result.limit not in (None, Limit.TIME, Limit.MEMORY):  # of these two others are none the worse
            self._session.problem = self._session.problem or f"{start.label} was ended: {result.reason}"
        self._look_for_changes(start.label)
        return recorder.run.ok

    def _look_for_changes(self, label: str) -> None:
        """Note what a run, or one beside it, made of the code under review; each change once."""
        for change in self._box.changes():
            if change not in self._changed:
                self._changed.add(change)
                self._session.doubts.append(f"{change} during {label}: later runs may not have been of the code that is judged")


def _into(evaluation: Start, folder: str) -> Start:
    """An evaluation that writes into a folder."""
    return replace(evaluation, argv=[part.replace("{results_dir}", folder) for part in evaluation.argv])


def _is_code(path: str) -> bool:
    """Whether a file lies where the experiment's own code may lie, and not where programs write."""
    *folders, _ = path.split("/")
    return not (folders and folders[0] in _RESULTS) and _WRITTEN.isdisjoint(folders)


def _is_module(path: str) -> bool:
    """Return whether a file is one of a program's modules.

    The program may overwrite what else is beside its modules, such as results of earlier runs.
    """
    return path.endswith((".py", ".pyx", ".so")) and _is_code(path)


def _is_expected(path: str, contract: Contract) -> bool:
    return path.partition("/")[0] in _RESULTS or contract.is_tolerated(path)


def _files(tree: Path) -> Iterator[str]:
    """Every file of a tree, following no link."""
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), tree)  # noqa: PTH118
