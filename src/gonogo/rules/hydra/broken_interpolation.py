"""HYD115."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Path, Replaced, Trace, Unresolved
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.analysis.project.resolvers import Resolvers, asked_resolvers
from gonogo.analysis.python.imports import Import
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Interpolation, keys_of
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Certainty, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule(
    "HYD115",
    "broken-interpolation",
    criterion=2,
    severity=Severity.ERROR,
    stage=Stage.COMPOSE,
    scope=Scope.HYDRA,
    certainty=Certainty.PROVEN,
    settles=("config-key", "composition"),
)
def broken_interpolation(
    traces: list[Trace], config_places: ConfigPlaces, contract: Contract, modules: dict[str, Module], outside_imports: list[Import]
) -> Iterator[Violation]:
    """An interpolation names a key that the config lacks, or a resolver that nothing registers.

    What it does:
        Resolves every `${a.b}` and `${.b}` of every run's composed config. What a resolver gives (`${oc.env:…}`, `${now:…}`) is unknown;
        one that neither OmegaConf nor Hydra has, that no code speaks of and no unknown library may bring, is reported. Left alone is
        what the code may have replaced, or whose target it may have written, before it reads it. Where no contract lists the runs it is
        an error only if the code was seen to read it, a warning else.

    Why it matters:
        OmegaConf resolves late: the run ends when the value is first read, or when the config is stored or logged.

    Instead:
        Write the key's whole path from the root of the composed config: `${run.training.learning_rate}`.
    """
    resolvers = Resolvers(modules, outside_imports)
    for trace in traces:
        composition = trace.composition
        run = config_places.runs.get(trace.run_id)
        for path, entry in composition.interpolations.items() if composition else ():
            unknown = (
                next((name for name in asked_resolvers(entry.text) if not resolvers.may_have(name)), None) if path[0] != "hydra" else None
            )
            if entry.status != "broken" and unknown is None:
                continue
            is_read = any(event.path == path for event in trace.of(Unresolved)) or (unknown is not None and path in trace.used)
            if (not is_read or unknown is not None) and _may_be_replaced(path, entry, trace):
                continue
            location = config_places.locate(path, run, composition) or at(config_places.primary(composition))
            yield Violation(
                location,
                f"`{entry.text}` does not resolve: {entry.message if unknown is None else f'nothing registers a resolver `{unknown}`'}",
                "name an existing key by its whole path" if unknown is None else "register it before Hydra composes, or write the value",
                runs=(trace.run_id,),
                evidence=f"{'.'.join(path)}: {entry.text}",
                severity=None if is_read or contract.scope is Scope.RUNS else Severity.WARNING,
                certainty=None if unknown is None else Certainty.DERIVED,
            )


def _may_be_replaced(path: Path, entry: Interpolation, trace: Trace) -> bool:
    """Whether the code writes to an interpolation, to what holds it, or to what it refers to."""
    written = trace.written | {event.path for event in trace.of(Replaced)}
    targets = [keys_of(reference, path) for reference in entry.references]
    return any(
        place == path[: len(place)] or any(place == target[: len(place)] or target == place[: len(target)] for target in targets)
        for place in written
    )


_PROJECT = "  project: golden-digits"
BAD = [
    Tree({"config/config.yaml": Edit(_PROJECT, "  project: ${run.project_name}  # <- here")}),
    Tree({"config/config.yaml": Edit(_PROJECT, "  project: ${lower:${run.dataset.name}}  # <- here")}),
]
GOOD = [
    Tree({"config/config.yaml": Edit(_PROJECT, "  project: ${run.dataset.name}")}),
    Tree({"config/config.yaml": Edit(_PROJECT, "  project: ${oc.env:WANDB_PROJECT,digits}-${now:%Y}")}),
    Tree(
        {
            "config/config.yaml": Edit(_PROJECT, "  project: ${lower:${run.dataset.name}}"),
            "src/train.py": Edit("\n\n@hydra.main", "\nOmegaConf.register_new_resolver('lower', str.lower)\n\n\n@hydra.main"),
        }
    ),
]
