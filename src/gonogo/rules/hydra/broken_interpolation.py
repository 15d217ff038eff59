"""HYD115."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.model.contract import Scope
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
def broken_interpolation(traces: list[Trace], config_places: ConfigPlaces) -> Iterator[Violation]:
    """An interpolation names a key that the composed config does not have.

    What it does:
        Resolves every `${a.b}` of every run's composed config. Those that need a resolver (`${oc.env:…}`, `${now:…}`) are left alone.

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
            location = config_places.locate(path, run, composition) or at(config_places.primary(composition))
            yield Violation(
                location,
                f"`{entry.text}` does not resolve: {entry.message}",
                "name an existing key by its whole path",
                runs=(trace.run_id,),
                evidence=f"{'.'.join(path)}: {entry.text}",
            )


BAD = Tree({"config/config.yaml": Edit("  project: golden-digits", "  project: ${run.project_name}  # <- here")})
GOOD = Tree({"config/config.yaml": Edit("  project: golden-digits", "  project: ${run.dataset.name}")})
