"""The gate, then every run, then the evaluation: for `gonogo launch`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.engine.running import chosen
from gonogo.execution.environment import Environment, of_experiment
from gonogo.launch.credentials import has_credentials, uses_wandb
from gonogo.launch.job import Event, Executor, Job, carry_out, last_line
from gonogo.launch.lock import refuse_if_held
from gonogo.launch.results import Folder, content_of, data_of, keep_verdict, kept_verdict
from gonogo.launch.table import Board
from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.contract import Contract
from gonogo.model.errors import StageError, UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run, collect_runs
from gonogo.model.verdict import Outcome, Verdict
from gonogo.pool.pool import Pool, Task
from gonogo.report import plain

EVALUATION = "evaluation"
INTERRUPTED = 130
GATE_SECONDS = 120.0


@dataclass(frozen=True)
class Request:
    """What is to be launched, and how.

    Attributes:
        path: the folder of the experiment.
        plan: a file.
        executor: carries the runs.
        results: the folder of the results.
        force: launch it whatever the gate says.
        tracker: log to a local tracker.
        overrides: more Hydra overrides for every run.
        execution: how the gate's rehearsal is run; its `runs` are those that are launched.
    """

    path: str
    plan: str | None
    executor: Executor
    results: str
    force: bool
    tracker: bool
    overrides: tuple[str, ...]
    execution: ExecutionOptions


def launch(request: Request, pool: Pool) -> int:
    """Launch the runs.

    The exit code is 0 if every run and the evaluation ended well, 1 on NO-GO or where one failed, 3 where the gate can't decide.

    Raises:
        UsageError: a path, run or engine that is not there.
        StageError: the environment can't be made.
    """
    if not Path(request.path).is_dir():
        raise UsageError(f"{request.path} is no folder: write a bundle's files into one to launch it.")
    plan = plans.load(Path(request.plan)) if request.plan else None
    experiment = experiments.load(request.path, plan)
    contract, _ = contracts.detect(experiment)
    runs = chosen(collect_runs(experiment, contract), request.execution.runs)
    if not runs:
        raise UsageError(f"{request.path} has no runs: give the plan with --plan, or add the run configs.")
    folder_path = Path(request.results).resolve()
    refuse_if_held(folder_path)
    tracked = _tracker_wanted(request, experiment)
    with pool:
        verdict = _gate(request, experiment, pool)
    _say(f"gate: {verdict.outcome}")
    if verdict.outcome is not Outcome.GO:
        for issue in verdict.code_issue.splitlines():
            _say(issue)
        if not request.force:
            _say("Nothing was launched: mend that, or launch it all the same with --force.")
            return verdict.outcome.exit_code
    environment = _environment(request, experiment)
    folder = Folder(folder_path)
    try:
        with folder.held() as left:
            if left:
                _say(f"An earlier launch had left these running; they were ended: {', '.join(left)}.")
            content = content_of(experiment, *request.overrides, results=folder.path)
            folder.write_provenance(verdict, experiment, environment.interpreter, _configs(experiment, runs), sys.argv[1:])
            with _tracking(tracked, folder) as variables:
                return _carry(_Launch(request, experiment, contract, runs, environment, folder, content, variables))
    except KeyboardInterrupt:
        _say("Stopped; the same command goes on from here.")
        return INTERRUPTED


@dataclass(frozen=True)
class _Launch:
    request: Request
    experiment: Experiment
    contract: Contract
    runs: list[Run]
    environment: Environment
    folder: Folder
    content: str
    variables: dict[str, str]

    def job(self, label: str, module: str, arguments: list[str], gpus: int = 0) -> Job:
        """A command of the experiment as a job."""
        argv = (str(self.environment.interpreter.python), "-u", "-m", module, *arguments)
        return Job(label, argv, str(self.experiment.root), self.variables, self.folder.log(label), gpus, self.folder.record(label))


def _carry(launch: _Launch) -> int:
    """The runs that are not finished, then the evaluation of all that are."""
    folder, command = launch.folder, launch.contract.commands["full"]
    finished = folder.finished(launch.content, data_of(launch.experiment.root))
    results = str(folder.path)
    jobs = [
        launch.job(run.id, command.module, [*command.arguments(run.id, results), *launch.request.overrides], _gpus(run))
        for run in launch.runs
        if run.id not in finished
    ]
    labels = [run.id for run in launch.runs]
    failed: list[str] = []
    with Board(sys.stderr, [*labels, EVALUATION], lambda label: last_line(folder.log(label))) as board:
        for label in labels:
            if label in finished:
                board.hear(Event(label, "skipped", reason="it has finished before"))
        for event in launch.request.executor.run(jobs) if jobs else ():
            board.hear(event)
            folder.note(event.label, event.state, launch.content, seconds=round(event.seconds, 1), reason=event.reason)
            if event.state == "failed":
                failed.append(event.label)
            elif event.state == "done":
                folder.note_data(data_of(launch.experiment.root))
        if failed or not launch.contract.evaluation.module:
            board.hear(Event(EVALUATION, "skipped", reason="not every run ended well" if failed else "the contract has none"))
        else:
            values = {"{results_dir}": results, "{run_ids}": json.dumps(labels, ensure_ascii=False)}
            arguments = [_filled(part, values) for part in launch.contract.evaluation.arguments]
            board.hear(Event(EVALUATION, "running"))
            ended = carry_out(launch.job(EVALUATION, launch.contract.evaluation.module, arguments))
            board.hear(ended)
            folder.note(EVALUATION, ended.state, launch.content, seconds=round(ended.seconds, 1), reason=ended.reason)
            failed += [EVALUATION] if ended.state != "done" else []
    for label in failed:
        _say(f"{label} failed; the end of {folder.log(label)}: {last_line(folder.log(label))}")
    _say(f"results: {results}" + (f" ({len(failed)} failed)" if failed else ""))
    return 1 if failed else 0


def _gate(request: Request, experiment: Experiment, pool: Pool) -> Verdict:
    """A verdict through the rehearsal: one of the same content that is kept, else a new one."""
    data = json.dumps(data_of(experiment.root), sort_keys=True)
    content = content_of(experiment, request.execution.model_dump_json(), data, results=Path(request.results).resolve())
    kept = kept_verdict(content)
    if kept is not None:
        _say("gate: a verdict of the same content is kept")
        return kept
    from gonogo.report.live import Live

    options = CheckOptions(to=Stage.REHEARSAL, execution=request.execution, timeout=GATE_SECONDS)
    live = Live(sys.stderr, [request.path])
    (result,) = pool.run([Task(request.path, request.path, request.plan)], options, live.hear)
    if result.usage:
        raise UsageError(result.usage)
    if result.verdict.outcome is not Outcome.UNDECIDED:
        keep_verdict(content, result.verdict)
    return result.verdict


def _environment(request: Request, experiment: Experiment) -> Environment:
    found = of_experiment(experiment, request.execution)
    if not isinstance(found, Environment):
        raise StageError(f"the environment can't be made: {found.reason}")
    return found


def _tracker_wanted(request: Request, experiment: Experiment) -> bool:
    """Whether the runs log to a tracker of gonogo's own: asked for, or since they could not log to W&B.

    Raises:
        UsageError: they could log nowhere.
    """
    if request.tracker or not uses_wandb(experiment) or has_credentials():
        return request.tracker
    lacking = "There are no credentials for W&B (WANDB_API_KEY, or what `wandb login` writes)"
    if not request.executor.is_here:
        raise UsageError(f"{lacking}, and a tracker on this machine can't be reached from others: set WANDB_API_KEY or WANDB_MODE.")
    _say(f"{lacking}: the runs log to gonogo's own tracker, as with --tracker.")
    return True


@contextmanager
def _tracking(wanted: bool, folder: Folder) -> Iterator[dict[str, str]]:
    """Provide the environment variables that point the client to a local tracker.

    There are none where no local tracker is wanted. The tracker's data stay with the results.
    """
    if not wanted:
        yield {}
        return
    from gonogo.tracker import running

    client, data = folder.own / "wandb", folder.own / "tracker"
    client.mkdir(exist_ok=True)
    with running(data) as tracker:
        _say(f"tracker: {tracker.url}/login?key={tracker.api_key} while this lasts, then: gonogo tracker --data {shlex.quote(str(data))}")
        yield {**tracker.environment(client), "WANDB_SILENT": "true"}


def _configs(experiment: Experiment, runs: list[Run]) -> dict[str, Any]:
    """The config of each run as the process that trains composes it."""
    from gonogo.analysis.interpreter.trace import composed_configs
    from gonogo.compose.client import Composer
    from gonogo.engine.pipeline import facts_of

    wanted = {run.id for run in runs}
    with Composer() as composer, facts_of(experiment, CheckOptions(select=("STR101",)), composer) as (facts, _):
        return {label: config for label, config in composed_configs(facts.get("traces")).items() if label in wanted}


def _gpus(run: Run) -> int:
    value = run.document.value
    hardware = value.get("hardware") if isinstance(value, dict) else None
    gpus = hardware.get("gpus") if isinstance(hardware, dict) else None
    return gpus if isinstance(gpus, int) and gpus > 0 else 0


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _say(line: str) -> None:
    print(plain.line(line), file=sys.stderr, flush=True)
