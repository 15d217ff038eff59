"""What a check would take: its files, and its settings. Nothing is judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gonogo.analysis.project.narrowing import narrowed
from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model.check_options import CheckOptions
from gonogo.model.contract import Scope
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.policy import excluding
from gonogo.model.program_file import is_program, program_of
from gonogo.report import plain
from gonogo.rules.base import select

PAUSE = 0.5  # seconds between two looks at the files


def show_files(paths: Sequence[str], options: CheckOptions) -> int:
    """Print the files of each experiment that are read, one a line, and behind a tab why one is not.

    Raises:
        UsageError: a path can't be read.
    """
    for path in paths:
        experiment = _judged(path, options)
        for name, file in sorted(experiment.files.items()):
            unread = "" if file.text is not None or file.notebook is not None else "\tnot read: no text, or too big"
            pattern = excluding(name, (*options.exclude, *(options.policy.exclude if options.policy else ())))
            unread = unread or (f"\tread, but its findings don't count: {pattern}" if pattern else "")
            shown = name if len(paths) == 1 else f"{path.rstrip('/')}/{name}"
            print(f"{plain.line(shown)}{unread}")
    return 0


def _judged(path: str, options: CheckOptions) -> Experiment:
    """What would be read for a path: of a program, only what it may come to."""
    if is_program(path):
        program = program_of(path, options.contract, options.plan)
        experiment, options = program.experiment, program.applied_to(options)
    else:
        experiment = experiments.load(path, options.plan)
    is_one = options.entries and options.contract is not None and contracts.load(options.contract).scope is Scope.PROGRAM
    return narrowed(experiment, options.entries) if is_one else experiment


def show_settings(paths: Sequence[str], options: CheckOptions) -> int:
    """Print as JSON what would be asked of each experiment: contract, rules, options with values.

    Raises:
        UsageError: a path can't be read, or an option names nothing.
    """
    try:
        chosen = select(options.select or tuple(options.policy.select if options.policy else ()), options.ignore)
    except LookupError as error:
        raise UsageError(f"No rule matches '{error.args[0]}': `gonogo rules` lists them.") from error
    told = []
    for path in paths:
        experiment = _judged(path, options)
        name = options.contract or (options.policy.contract if options.policy else None)
        contract, reason = (contracts.load(name), "chosen") if name else contracts.detect(experiment)
        told.append(
            {
                "experiment": path,
                "contract": contract.name,
                "contract_reason": reason,
                "policy": options.policy.where if options.policy else None,
                "rules": [rule.id for rule in chosen if contract.covers(rule.id, rule.scope)],
                "options": options.model_dump(mode="json", exclude={"plan", "policy", "baseline"}),
            }
        )
    print(json.dumps(told, indent=2))
    return 0


def watch(paths: Sequence[str], act: Callable[[], int], sleep: Callable[[float], None] = time.sleep) -> int:
    """Judge, and again whenever a file of the experiments changes, until Ctrl-C.

    Args:
        paths: folders or files.
        act: judges.
        sleep: waits; ends the watch by an exception.

    Raises:
        UsageError: standard input can't be watched.
    """
    if "-" in paths:
        raise UsageError("--watch needs folders or files: standard input does not change.")
    seen: dict[str, tuple[float, int]] | None = None
    while True:
        now = _state(paths)
        if now != seen:
            seen = now
            act()
            print("watching: Ctrl-C ends it", flush=True)
        sleep(PAUSE)


def _state(paths: Sequence[str]) -> dict[str, tuple[float, int]]:
    """When each file was changed, and its size; folders that a check leaves out are left out here, too."""
    found = {}
    pending = [Path(path) for path in paths]
    while pending:
        path = pending.pop()
        try:
            if path.is_dir() and not path.is_symlink():
                pending += [entry for entry in path.iterdir() if entry.name not in experiments.SKIPPED_FOLDERS]
            elif path.is_dir():
                pending += list(path.iterdir()) if path in map(Path, paths) else []
            else:
                status = path.stat()
                found[str(path)] = (status.st_mtime, status.st_size)
        except OSError:
            continue  # it has gone in the meantime: the next look sees that
    return found
