"""From a request for verdicts on many paths to reports and an exit code; for `gonogo check`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from gonogo.cli.options import STDIN, check_paths
from gonogo.cli.output import Amount, Destination, opened
from gonogo.cli.repositories import cloned, is_repository
from gonogo.model.check_options import CheckOptions
from gonogo.model.errors import UsageError
from gonogo.pool.pool import Listener, Pool, Result, Task, default_jobs
from gonogo.report import formats, plain


@dataclass(frozen=True)
class Request:
    """What is to be judged, and how and where it is told.

    Attributes:
        paths: folders, bundles and repositories; `-` is standard input.
        paths_from: a file with more of them, one a line.
        plans: files of plans, none or one for each path.
        on: `local` or `ray`.
        address: of a Ray cluster.
        jobs: processes, None for the usual number.
        reports: where the verdicts go.
        amount: how much of them is shown.
        exit_zero: NO-GO is told by the report alone, not by the exit code.
        write_baseline: a file that lists the findings.
    """

    paths: tuple[str, ...]
    paths_from: str | None
    plans: tuple[str, ...]
    on: str
    address: str | None
    jobs: int | None
    reports: tuple[Destination, ...]
    amount: Amount
    exit_zero: bool
    write_baseline: str | None
    debug: bool


def judge(request: Request, options: CheckOptions, pool: Pool) -> int:
    """Judge and report; the exit code.

    Raises:
        UsageError: a path that is not there, or options that do not go together.
        StageError: the processes that judge don't start.
    """
    with pool, ExitStack() as clones:
        request = replace(request, paths=(*request.paths, *_listed(request.paths_from)))
        tasks = _tasks(request, options, pool, clones)
        started = time.perf_counter()
        with opened(request.reports, sys.stdout, len(tasks), request.amount) as reports:
            codes = []
            for result in _checked(_with_progress(_judged(request, options, tasks, pool), request, tasks), request):
                if request.write_baseline is not None:
                    _write_baseline(request.write_baseline, result)
                reports.add(result.verdict, result.sources)
                codes.append(result.verdict.outcome.exit_code)
            reports.finish(time.perf_counter() - started)
        if request.exit_zero:
            codes = [0 if code == 1 else code for code in codes]
        return 1 if 1 in codes else max(codes)


def _judged(request: Request, options: CheckOptions, tasks: list[Task], pool: Pool) -> Iterator[Result]:
    if request.on == "ray":
        if STDIN in request.paths:
            raise UsageError("A bundle on standard input is judged on this machine: leave out --on ray.")
        try:
            from gonogo.pool.ray import RayPool
        except ImportError as error:
            raise UsageError("--on ray needs more packages: install gonogo[ray].") from error
        pool.close()
        return RayPool(request.jobs, request.address).run([_absolute(task) for task in tasks], options)
    # An experiment that is run takes the whole machine: one at a time, unless the caller knows better.
    usual = 1 if options.to.runs_code else default_jobs(len(tasks))
    pool.grow(min(request.jobs, len(tasks)) if request.jobs else usual)
    return pool.run(tasks, options, _listener(options, tasks))


def _absolute(task: Task) -> Task:
    """With paths that hold in whatever folder a process of the cluster runs."""
    return replace(task, source=os.path.abspath(task.source), plan=os.path.abspath(task.plan) if task.plan else None)  # noqa: PTH100


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


def _listener(options: CheckOptions, tasks: list[Task]) -> Listener | None:
    """What shows how the stages go that take long."""
    if not options.to.runs_code and options.ai.mode == "off":
        return None
    from gonogo.report.live import Live

    return Live(sys.stderr, names=[task.name for task in tasks]).hear


def _tasks(request: Request, options: CheckOptions, pool: Pool, clones: ExitStack) -> list[Task]:
    if not request.paths:
        raise UsageError(f"{request.paths_from} lists no PATH.")
    if request.address is not None and request.on != "ray":
        raise UsageError("--address is a Ray cluster's: it goes with --on ray.")
    check_paths(*(path for path in request.paths if not is_repository(path)), *request.plans)
    if request.paths.count(STDIN) > 1 or STDIN in request.plans:
        raise UsageError("Standard input can be read once, and only as a bundle.")
    if request.plans and len(request.plans) != len(request.paths):
        raise UsageError(
            f"{len(request.paths)} PATHs take as many plans, not {len(request.plans)}: give --plan once for each PATH, in the same order, "
            "or put each plan into its experiment's folder as plan.yaml, or beside it as <folder>.plan.yaml."
        )
    if (options.baseline or request.write_baseline) and len(request.paths) != 1:
        raise UsageError("A baseline belongs to one experiment: give one PATH with it.")
    plans = request.plans or (None,) * len(request.paths)
    tasks = [_task(path, plan, pool, clones) for path, plan in zip(request.paths, plans, strict=True)]
    shows_configs = any(formats.load(report.format).configs for report in request.reports)
    return [replace(task, configs=True) for task in tasks] if shows_configs else tasks


def _task(path: str, plan: str | None, pool: Pool, clones: ExitStack) -> Task:
    if is_repository(path):
        return Task(cloned(path, clones), path, plan)
    if path != STDIN:
        return Task(path, os.fsencode(path).decode("utf-8", "replace"), plan)
    from gonogo.model.experiment import read_stdin

    return Task(pool.keep(read_stdin()), "standard input", plan)


def _checked(results: Iterator[Result], request: Request) -> Iterator[Result]:
    """Yield the results, and treat a path that is no experiment.

    It is wrong usage if it was the only one asked about, and undecided among others.
    """
    for result in results:
        if result.usage and len(request.paths) == 1:
            raise UsageError(result.usage)
        if result.traceback and request.debug:
            print(plain.block(result.traceback), file=sys.stderr)
        yield result


def _with_progress(results: Iterator[Result], request: Request, tasks: list[Task]) -> Iterator[Result]:
    """Show a progress bar on a terminal.

    Where the report goes to the same terminal, it waits until the bar is gone.
    """
    if len(tasks) < 2 or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    waiting = []
    shown = sys.stdout.isatty() and any(entry.path is None for entry in request.reports)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(tasks))
        for result in results:
            progress.advance(bar)
            if shown:
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
            stream.write(plain.to_json(baseline.model_dump(mode="json", exclude={"where"}), indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}.") from error
    count = len(baseline.findings)
    print(f"gonogo: {count} finding{'' if count == 1 else 's'} written to {path}.", file=sys.stderr)
