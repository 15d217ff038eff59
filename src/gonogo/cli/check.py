"""`gonogo check`: from a request on the command line to a report and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from gonogo.model.errors import UsageError
from gonogo.pool.pool import Listener, Pool, Result, Task, default_jobs

if TYPE_CHECKING:
    from gonogo.model.policy import Policy
    from gonogo.pool.ray import RayPool
    from gonogo.report.parquet import ParquetFile

STDIN = "-"


@dataclass(frozen=True)
class Request:
    """What the command line asks for; the fields are its arguments and options."""

    ai: dict[str, Any]
    to: str
    trial: dict[str, Any]
    paths: tuple[str, ...]
    paths_from: str | None
    on: str
    address: str | None
    plans: tuple[str, ...]
    contract: str | None
    entries: tuple[str, ...]
    config: str | None
    baseline: str | None
    write_baseline: str | None
    trust_repo: bool
    format: str
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    jobs: int | None
    timeout: float
    output: str | None
    debug: bool

    def options(self) -> dict[str, object]:
        """The options of the pipeline.

        Raises:
            UsageError: the policy or the baseline can't be used.
        """
        policy = loaded_policy(self.config)
        baseline = None
        if self.baseline is not None:
            from gonogo.engine.policy import load_baseline

            baseline = load_baseline(self.baseline).model_dump(mode="json")
        return {
            "contract": self.contract,
            "entries": self.entries,
            "select": self.select,
            "ignore": self.ignore,
            "timeout": self.timeout,
            "policy": policy.model_dump(mode="json") if policy is not None else None,
            "baseline": baseline,
            "trust_repo": self.trust_repo,
            "to": self.to,
            "execution": self.trial_options() if self.to != "compose" or self.trial.get("keep_going") else {},
            "ai": ai_options(policy, self.ai),
        }

    def trial_options(self) -> dict[str, Any]:
        """The options of the stages that run the experiment.

        Raises:
            UsageError: one of them can't be used.
        """
        return checked_trial_options(self.trial)


def loaded_policy(path: str | None) -> Policy | None:
    """The caller's policy: of the file that is named, else of the user's own, if there is one.

    Raises:
        UsageError: it can't be used.
    """
    config = path or user_config()
    if config is None:
        return None
    from gonogo.engine.policy import load_policy

    return load_policy(config)


def ai_options(policy: Policy | None, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of the AI reviewer: the policy's, with what the command line says in their place.

    Raises:
        UsageError: they can't be used.
    """
    own = policy.ai.model_dump() if policy is not None and policy.ai is not None else {}
    if not own and not given:
        return {"mode": "off", "model": None}
    from pydantic import ValidationError

    from gonogo.model.options import AiOptions

    try:
        settings = AiOptions.model_validate(own | given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"The settings of the AI reviewer are not valid at {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    if settings.templates is not None and not os.path.isdir(settings.templates):  # noqa: PTH112
        raise UsageError(f"There is no folder {settings.templates}, which should have the reviewer's templates.")
    return settings.model_dump(mode="json")


def checked_trial_options(given: dict[str, Any]) -> dict[str, Any]:
    """Options of the stages that run the experiment, with paths that are there, and absolute: the process that runs it is elsewhere.

    Raises:
        UsageError: one of them can't be used.
    """
    found = dict(given)
    for name, what in (("python", "--python"), ("stand_in_plugins", "--stand-in-plugins")):
        if found.get(name) is not None:
            found[name] = _existing(found[name], what)
    found["data_roots"] = [_existing(path, "--data-root") for path in found.get("data_roots") or ()]
    if found.get("sandbox") == "none" and found.get("require_sandbox"):
        raise UsageError("--sandbox none and --require-sandbox contradict each other: leave one out.")
    return found


def _existing(path: str, option: str) -> str:
    if not os.path.exists(path):  # noqa: PTH110
        raise UsageError(f"There is no {path}, which {option} names.")
    return os.path.abspath(path)  # noqa: PTH100


def user_config() -> str | None:
    """The user's own policy file, None if there is none."""
    import typer

    path = os.path.join(typer.get_app_dir("gonogo"), "config.toml")  # noqa: PTH118
    return path if os.path.isfile(path) else None  # noqa: PTH113


def run(request: Request, pool: Pool) -> int:
    """Judge and report; the exit code.

    Raises:
        UsageError: a path that is not there, or options that do not go together.
        StageError: the processes that judge don't start.
    """
    with pool:
        request = replace(request, paths=(*request.paths, *_listed(request.paths_from)))
        options = request.options()
        tasks = _tasks(request, pool)
        results = _judged(request, tasks, options, pool)
        if request.format == "parquet":
            with _parquet_file(request.output) as file:
                return _report(request, _checked(_with_progress(results, tasks, sys.stdout), request), sys.stdout, file)
        with _output(request.output) as stream:
            return _report(request, _checked(_with_progress(results, tasks, stream), request), stream)


def _judged(request: Request, tasks: list[Task], options: dict[str, Any], pool: Pool) -> Iterator[Result]:
    if request.on == "ray":
        ray_pool = _ray_pool(request)
        pool.close()
        return ray_pool.run([_absolute(task) for task in tasks], options)
    # An experiment that is run takes the whole machine: one at a time, unless the caller knows better.
    usual = default_jobs(len(tasks)) if request.to == "compose" else 1
    pool.grow(min(request.jobs, len(tasks)) if request.jobs else usual)
    return pool.run(tasks, options, _listener(request, tasks))


def _absolute(task: Task) -> Task:
    """With paths that hold in whatever folder a process of the cluster runs."""
    return replace(task, source=os.path.abspath(task.source), plan=os.path.abspath(task.plan) if task.plan else None)  # noqa: PTH100


def _ray_pool(request: Request) -> RayPool:
    if STDIN in request.paths:
        raise UsageError("A bundle on standard input is judged on this machine: leave out --on ray.")
    try:
        from gonogo.pool.ray import RayPool
    except ImportError as error:
        raise UsageError("--on ray needs more packages: install gonogo[ray].") from error
    return RayPool(request.jobs, request.address)


def _listed(path: str | None) -> list[str]:
    """The paths in a file, one a line.

    Raises:
        UsageError: it can't be read.
    """
    if path is None:
        return []
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return [line for line in file.read().splitlines() if line.strip()]
    except OSError as error:
        raise UsageError(f"{path}, which should list PATHs, can't be read: {error.strerror or error}.") from error


def _parquet_file(path: str | None) -> ParquetFile:
    if path is None:
        raise UsageError("--format parquet is a file's: name it with --output.")
    try:
        from gonogo.report.parquet import ParquetFile
    except ImportError as error:
        raise UsageError("--format parquet needs more packages: install gonogo[parquet].") from error
    try:
        return ParquetFile(path)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}.") from error


def _listener(request: Request, tasks: list[Task]) -> Listener | None:
    """Who shows how the stages go that run the experiment."""
    if request.to == "compose" and not request.ai:
        return None
    from gonogo.report.live import Live

    return Live(sys.stderr, names=[task.name for task in tasks]).hear


def _tasks(request: Request, pool: Pool) -> list[Task]:
    if not request.paths:
        raise UsageError(f"{request.paths_from} lists no PATH.")
    if request.address is not None and request.on != "ray":
        raise UsageError("--address is a Ray cluster's: it goes with --on ray.")
    check_paths([*request.paths, *request.plans])
    if request.paths.count(STDIN) > 1 or STDIN in request.plans:
        raise UsageError("Standard input can be read once, and only as a bundle.")
    if request.plans and len(request.plans) != len(request.paths):
        raise UsageError(
            f"{len(request.paths)} PATHs take as many plans, not {len(request.plans)}: give --plan once for each PATH, in the same order, "
            "or put each plan into its experiment's folder as plan.yaml, or beside it as <folder>.plan.yaml."
        )
    if (request.baseline or request.write_baseline) and len(request.paths) != 1:
        raise UsageError("A baseline belongs to one experiment: give one PATH with it.")
    plans = request.plans or (None,) * len(request.paths)
    return [_task(path, plan, pool) for path, plan in zip(request.paths, plans, strict=True)]


def check_paths(paths: list[str]) -> None:
    """Make sure that paths are there.

    Raises:
        UsageError: one is not.
    """
    missing = [path for path in dict.fromkeys(paths) if path != STDIN and not os.path.lexists(path)]
    if missing:
        raise UsageError(f"There is no {', no '.join(missing)}.")


def _task(path: str, plan: str | None, pool: Pool) -> Task:
    if path != STDIN:
        return Task(path, os.fsencode(path).decode("utf-8", "replace"), plan)
    from gonogo.model.experiment import read_stdin

    return Task(pool.keep(read_stdin()), "standard input", plan)


def _checked(results: Iterator[Result], request: Request) -> Iterator[Result]:
    """The results; what is no experiment is wrong usage if it was the only one asked about, and undecided among others."""
    for result in results:
        if result.usage and len(request.paths) == 1:
            raise UsageError(result.usage)
        if result.traceback and request.debug:
            print(result.traceback, file=sys.stderr)
        yield result


@contextlib.contextmanager
def _output(path: str | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        # Opened, and so emptied, before the work: an old verdict must not be taken for the new one if that is never written.
        stream = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}.") from error
    with stream:
        yield stream


def _with_progress(results: Iterator[Result], tasks: list[Task], stream: TextIO) -> Iterator[Result]:
    """Show a progress bar on a terminal. Where the report goes to the same terminal, it waits until the bar is gone."""
    if len(tasks) < 2 or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    waiting = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(tasks))
        for result in results:
            progress.advance(bar)
            if stream.isatty():
                waiting.append(result)
            else:
                yield result
    yield from waiting


def _write_baseline(path: str, result: Result) -> None:
    """List what was found. A verdict that came to no end would leave out what it did not see.

    Raises:
        UsageError: the file can't be written.
    """
    from gonogo.engine.policy import make_baseline

    if not result.verdict.stages or any(stage.status != "ran" for stage in result.verdict.stages):
        print("gonogo: No baseline was written, for not everything was checked.", file=sys.stderr)
        return
    baseline = make_baseline(result.verdict)
    try:
        with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(baseline.model_dump_json(exclude={"where"}, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}.") from error
    count = len(baseline.findings)
    print(f"gonogo: {count} finding{'' if count == 1 else 's'} written to {path}.", file=sys.stderr)


def _report(request: Request, results: Iterator[Result], stream: TextIO, file: ParquetFile | None = None) -> int:
    from gonogo.report import json

    started = time.perf_counter()
    verdicts = []
    printer = None
    for result in results:
        verdicts.append(result.verdict)
        if request.write_baseline is not None:
            _write_baseline(request.write_baseline, result)
        if file is not None:
            file.write(result.verdict)
        elif request.format == "jsonl":
            print(json.line(result.verdict), file=stream, flush=True)
        elif request.format == "text":
            from gonogo.report.console import ReportConsole
            from gonogo.report.text import Report

            if printer is None:
                printer = Report(ReportConsole(stream))
            elif len(request.paths) > 1:
                print(file=stream)
            sources = {path: text.splitlines() for path, text in result.sources.items()}
            printer.print(result.verdict, sources.get, details=request.debug)
    if request.format == "json":
        print(json.document(verdicts), file=stream)
    elif request.format == "agent":
        from gonogo.report import agent

        print("\n\n".join(agent.text(verdict) for verdict in verdicts), file=stream)
    elif printer is not None and len(verdicts) > 1:
        printer.overview(verdicts, time.perf_counter() - started)
    codes = [verdict.outcome.exit_code for verdict in verdicts]
    return 1 if 1 in codes else max(codes)
