"""RUN103."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.documents.yaml import YamlDocument
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, quoted, rule
from gonogo.rules.grouping import by_message


@rule("RUN103", "missing-section", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK)
def missing_section(runs: list[Run], shared_config: YamlDocument, contract: Contract) -> Iterator[Violation]:
    """A run config lacks a section that the contract asks for, or is no mapping at all.

    What it does:
        Looks for each section of the contract in each run config, at the top or under the one key that wraps the whole
        file. A section that the shared config fills for all runs counts as present. A run config with a defaults list
        of its own is not judged: the section may come from there.

    Why it matters:
        The run is not fully described by its config, so part of what it does is decided by the code, the same for every
        run.

    Instead:
        Write the section, with the values that the plan gives for this run.
    """
    yield from by_message(_find(runs, shared_config, contract))


def _find(runs: list[Run], shared_config: YamlDocument, contract: Contract) -> Iterator[Violation]:
    for run in runs:
        document = run.document
        if run.path is None or document.error is not None:
            continue
        if not isinstance(document.value, dict):
            kind = {type(None): "is empty", list: "is a list"}.get(type(document.value), "is a single value")
            yield Violation(
                at(run.path), f"the run config {kind}, not a mapping", "write the run's settings as keys and values", runs=(run.id,)
            )
            continue
        sections = contract.run_config.sections
        missing = [name for name in sections if not _is_present(run, name, sections) and not _is_shared(shared_config, name)]
        if missing and not _has_defaults(document):
            yield Violation(
                at(run.path),
                f"the run config lacks {', '.join(quoted(missing))}",
                "add what is missing, with the values that the plan gives for this run",
                runs=(run.id,),
            )


def _is_present(run: Run, name: str, sections: list[str]) -> bool:
    top = run.document.value
    return name in top or any(isinstance(inner, dict) and name in inner and _is_run(inner, sections) for inner in top.values())


def _is_run(value: dict[str, object], sections: list[str]) -> bool:
    """Whether a mapping within a run config is itself the run: it has most of a run's sections."""
    return 2 * sum(name in value for name in sections) > len(sections)


def _is_shared(shared_config: YamlDocument, name: str) -> bool:
    value = shared_config.get((name,))
    return value is not None and value not in ({}, [], "???")


def _has_defaults(document: YamlDocument) -> bool:
    """Whether Hydra may bring a section from another file."""
    defaults = document.get(("defaults",))
    return isinstance(defaults, list) and any(entry != "_self_" for entry in defaults)


BAD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("method: label-smoothing\n", "")}, at="config/run/proposed-mlp-digits.yaml"),
    Tree({"config/run/proposed-mlp-digits.yaml": "- run_id: proposed-mlp-digits\n"}, at="config/run/proposed-mlp-digits.yaml"),
]
GOOD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": Edit("method: label-smoothing\n", ""),
        "config/config.yaml": Edit("trial_mode: false\n", "trial_mode: false\nmethod: label-smoothing\n"),
    }
)
