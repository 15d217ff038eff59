"""HYD115."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Path, Replaced, Trace, Unresolved
from gonogo.analysis.project.config_places import ConfigPlaces
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
def broken_interpolation(traces: list[Trace], config_places: ConfigPlaces, contract: Contract) -> Iterator[Violation]:
    """An interpolation names a key that the composed config does not have.

    What it does:
        Resolves every `${a.b}` and `${.b}` of every run's composed config. Those that need a resolver (`${oc.env:…}`, `${now:…}`) are left
        alone, and so are those that the code may have replaced, or whose target it may have written, before it reads them. Where no
        contract lists the runs it is an error only if the code was seen to read it, a warning else.

    Why it matters:
        OmegaConf resolves late: the run ends when the value is first read, or when the config is stored or logged.

    Instead:
        Write the key's whole path from the root of the composed config: `${run.training.learning_rate}`.
    """
    for trace in traces:
        composition = trace.composition
        run = config_places.runs.get(trace.run_id)
        for path, entry in composition.interpolations.items() if composition else ():
            if entry.status != "broken":
                continue
            is_read = any(event.path == path for event in trace.of(Unresolved))
            if not is_read and _may_be_replaced(path, entry, trace):
                continue
            location = config_places.locate(path, run, composition) or at(config_places.primary(composition))
            yield Violation(
                location,
                f"`{entry.text}` does not resolve: {entry.message}",
                "name an existing key by its whole path",
                runs=(trace.run_id,),
                evidence=f"{'.'.join(path)}: {entry.text}",
                severity=None if is_read or contract.scope is Scope.RUNS else Severity.WARNING,
            )


def _may_be_replaced(path: Path, entry: Interpolation, trace: Trace) -> bool:
    """Whether the code writes to an interpolation, to what holds it, or to what it refers to."""
    written = trace.written | {event.path for event in trace.of(Replaced)}
    targets = [keys_of(reference, path) for reference in entry.references]
    return any(
        place == path[: len(place)] or any(place == target[: len(place)] or target == place[: len(target)] for target in targets)
        for place in written
    )


BAD = Tree({"config/config.yaml": Edit("  project: golden-digits", "  project: ${run.project_name}  # <- here")})
GOOD = Tree({"config/config.yaml": Edit("  project: golden-digits", "  project: ${run.dataset.name}")})
