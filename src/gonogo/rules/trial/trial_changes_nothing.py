"""TRI109."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Process, Site, Trace
from gonogo.analysis.project.config_places import ConfigPlaces, paths_of, value_at
from gonogo.compose.client import Composition
from gonogo.model.contract import Contract
from gonogo.model.finding import Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule("TRI109", "trial-changes-nothing", criterion=9, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("trial",))
def trial_changes_nothing(traces: list[Trace], contract: Contract, config_places: ConfigPlaces) -> Iterator[Violation]:
    """Trial mode does not reach the process that trains.

    What it does:
        Composes the config of the training process for the full command and for the trial command, and asks which of the values that
        differ the code reads there. Settings of the tracking server do not count.

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
        if effective or (launched is None and trial.is_used((contract.trial.key,))):
            continue
        seen = ", ".join(".".join(path) for path in different) or "nothing"
        yield Violation(
            _place(launched, config_places, contract),
            f"trial mode bounds nothing: `{other[0].module}` reads no setting that the trial changes",
            f"pass `{contract.trial.key}` on to it, and let it stop after {contract.trial.max_batches} batches of one epoch there",
            runs=(run_id,),
            evidence=f"what differs between trial and full in its config: {seen}",
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


def _place(site: Site | None, places: ConfigPlaces, contract: Contract) -> Location:
    if site is not None:
        return site.module.location(site.node)
    return places.locate((contract.trial.key,)) or at(places.shared_path)


BAD = Tree(
    {
        "src/main.py": (
            Edit('    overrides.append(f"trial_mode={cfg.trial_mode}")\n', ""),
            Edit("    subprocess.run(command, check=True)", "    subprocess.run(command, check=True)  # <- here"),
        )
    }
)
GOOD = Tree(
    {
        "src/main.py": Edit(
            '    overrides.append(f"trial_mode={cfg.trial_mode}")', '    overrides.append(f"trial_mode={str(cfg.trial_mode).lower()}")'
        )
    }
)
