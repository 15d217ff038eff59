"""TRI109."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Process, Site, Trace
from gonogo.analysis.project.config_places import ConfigPlaces, paths_of, value_at
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name
from gonogo.compose.client import Composition
from gonogo.model.contract import Contract
from gonogo.model.finding import Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule

# What says how rows are gone through, and not how many; and steps on one batch, unless batches are taken one by one.
SIZE = re.compile(r"batch_size$|^n_trials$|^num_workers$|^learning_rate$|^lr$")
STEPS = re.compile(r"^(?:inner|adaptation|tta|adapt)_steps$|^steps_per_batch$")


@rule("TRI109", "trial-changes-nothing", criterion=9, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("trial",))
def trial_changes_nothing(
    traces: list[Trace], contract: Contract, config_places: ConfigPlaces, modules: dict[str, Module]
) -> Iterator[Violation]:
    """Trial mode does not reach the process that trains.

    What it does:
        Composes the config of the training process for the full command and for the trial command, and asks which of the values that
        differ the code reads there. Settings of the tracking server do not count, nor those that bound no data: the size of a batch, the
        steps on each batch, the trials of a search, the learning rate.

    Why it matters:
        The trial then iterates over all data for all epochs: it costs what the full run costs, and proves nothing sooner.

    Instead:
        Hand the trial flag on to the training process, and let it bound epochs and batches there.
    """
    by_run: dict[str, dict[str, Trace]] = {}
    for trace in traces:
        by_run.setdefault(trace.run_id, {})[trace.command] = trace
    for run_id, commands in by_run.items():
        full, trial = commands.get("full"), commands.get("trial")
        if full is None or trial is None or not (full.complete and trial.complete) or full.loads_unknown:
            continue
        one, other = _trainer(full), _trainer(trial)
        if one is None or other is None or one[0].module != other[0].module or one[0].open or other[0].open:
            continue
        different = _different(one[1], other[1])
        effective = [path for path in different if path[0] not in ("wandb", "hydra") and (trial.is_used(path) or full.is_used(path))]
        launched = other[0].launched
        powerless = [path for path in effective if _bounds_no_batches(path, other[0].module, modules)]
        if len(effective) > len(powerless) or (launched is None and trial.is_used((contract.trial.key,))):
            continue
        seen = ", ".join(".".join(path) for path in different) or "nothing"
        yield Violation(
            _place(launched, config_places, contract),
            f"trial mode bounds nothing: `{other[0].module}` reads no setting that the trial changes"
            if not powerless
            else f"trial mode bounds nothing: what the trial changes, and `{other[0].module}` reads, bounds neither epochs nor batches",
            f"pass `{contract.trial.key}` on to it, and let it stop after {contract.trial.max_batches} batches of one epoch there",
            runs=(run_id,),
            evidence=f"what differs between trial and full in its config: {seen}"
            + (f"; what is read of it: {', '.join('.'.join(path) for path in powerless)}" if powerless else ""),
        )


def _trainer(trace: Trace) -> tuple[Process, Composition] | None:
    """The last process that composed: the one that trains, where a main process starts one."""
    for process in reversed(trace.processes):
        if process.assumed:
            return None
        for _, composition in reversed(process.compositions):
            if composition.ok:
                return process, composition
    return None


def _different(one: Composition, other: Composition) -> list[tuple[str, ...]]:
    paths = dict.fromkeys([*paths_of(one.config), *paths_of(other.config)])
    leaves = [path for path in paths if not isinstance(value_at(one.config, path), dict)]
    return [path for path in leaves if value_at(one.config, path) != value_at(other.config, path)]


def _bounds_no_batches(path: tuple[str, ...], name: str, modules: dict[str, Module]) -> bool:
    """Return whether a setting surely does not change how many rows are gone through, by its name.

    Steps may be that number where the code takes its batches one by one.
    """
    if SIZE.search(path[-1]):
        return True
    own = [module for module in modules.values() if module.name == name or module.name.rpartition(".")[0] == name.rpartition(".")[0]]
    one_by_one = any(last_name(call.func) in ("next", "islice", "take") for module in own for call in calls(module))
    return bool(STEPS.search(path[-1])) and not one_by_one


def _place(site: Site | None, places: ConfigPlaces, contract: Contract) -> Location:
    if site is not None:
        return site.module.location(site.node)
    return places.locate((contract.trial.key,)) or at(places.shared_path)


_HANDED_ON = '    overrides.append(f"trial_mode={cfg.trial_mode}")\n'
_SMALLER = '    if cfg.trial_mode:\n        overrides += ["run.dataset.batch_size=8", "run.optuna.n_trials=1"]\n'
_STARTED = "    subprocess.run(command, check=True)"
BAD = [
    Tree({"src/main.py": (Edit(_HANDED_ON, ""), Edit(_STARTED, f"{_STARTED}  # <- here"))}),
    Tree({"src/main.py": (Edit(_HANDED_ON, _SMALLER), Edit(_STARTED, f"{_STARTED}  # <- here"))}),
]
GOOD = [
    Tree({"src/main.py": Edit(_HANDED_ON, _HANDED_ON.replace("{cfg.trial_mode}", "{str(cfg.trial_mode).lower()}"))}),
    Tree({"src/main.py": Edit(_HANDED_ON, _SMALLER.replace("run.optuna.n_trials", "run.training.epochs"))}),
]
