"""The runs of an experiment: what the plan lists and what the run configs say."""

from __future__ import annotations

from dataclasses import dataclass, field

from gonogo.documents.yaml import YamlDocument, parse_yaml
from gonogo.model.contract import Contract
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location
from gonogo.model.plan import PlannedRun


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: as the plan gives it, else the run config's file name without suffix.
        path: of the run config in the experiment, or where it belongs if only the plan has it; None if there is no config at all.
        text: the YAML.
        planned: the plan's entry.
        from_plan: the config's text comes from the plan, not from a file of the experiment.
        unread: the document of a file that could not be read; its error says why.
    """

    id: str
    path: str | None
    text: str
    planned: PlannedRun | None
    from_plan: bool
    unread: YamlDocument | None = field(default=None, compare=False)

    @property
    def document(self) -> YamlDocument:
        """The run config as YAML."""
        return self.unread or parse_yaml(self.text)

    def section(self, name: str) -> tuple[str, ...]:
        """Return where a section stands in this file.

        It is at the top, or under the one top-level key that wraps the file (`run:`).
        """
        value = self.document.value
        if isinstance(value, dict) and len(value) == 1 and name not in value:
            key, inner = next(iter(value.items()))
            if isinstance(inner, dict):
                return (str(key), name)
        return (name,)

    def locate(self, path: tuple[str | int, ...]) -> Location:
        """Where a key stands in the run config; the nearest enclosing key if it is absent."""
        file = self.path or "plan"
        places = self.document.places
        while path:
            place = places.get(path)
            if place:
                return Location(path=file, line=place.line, column=place.column, end_line=place.line, end_column=place.end_column)
            path = path[:-1]
        return Location(path=file)


def collect_runs(experiment: Experiment, contract: Contract) -> list[Run]:
    """The runs of the plan in its order, then run configs of the tree that it does not list."""
    paths = {run_id: path for path in sorted(experiment.files) if (run_id := contract.run_id_of(path)) is not None}
    found = []
    for planned in experiment.plan.runs if experiment.plan else []:
        path = paths.pop(planned.run_id, None)
        if path is not None:
            found.append(_run_of(experiment, planned.run_id, path, planned))
        elif planned.config_yaml is not None:
            path = f"{_run_dir(experiment, contract)}/{planned.run_id}.yaml"
            found.append(Run(planned.run_id, path, planned.config_yaml, planned, from_plan=True))
        else:
            found.append(Run(planned.run_id, None, "", planned, from_plan=False))
    found.extend(_run_of(experiment, run_id, path, None) for run_id, path in paths.items())
    return found


def _run_of(experiment: Experiment, run_id: str, path: str, planned: PlannedRun | None) -> Run:
    """A run with a config of its own in the tree."""
    text = experiment.text(path)
    return Run(run_id, path, text or "", planned, from_plan=False, unread=experiment.yaml(path) if text is None else None)


def _run_dir(experiment: Experiment, contract: Contract) -> str:
    for folder in contract.hydra.run_dirs:
        if any(path.startswith(folder + "/") for path in experiment.files):
            return folder
    return contract.hydra.run_dirs[0]
