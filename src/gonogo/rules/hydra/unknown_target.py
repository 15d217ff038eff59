"""HYD116."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.analysis.project.targets import KEY, Path, find_target, refused_keys, signature_of, targets
from gonogo.analysis.python.symbols import Definition, Symbols
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule("HYD116", "unknown-target", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA, certainty=Certainty.PROVEN)
def unknown_target(traces: list[Trace], symbols: Symbols, config_places: ConfigPlaces) -> Iterator[Violation]:
    """A `_target_` of the config that the project does not have, or that takes no such key.

    What it does:
        Looks up every `_target_` of every composed config that names something of the project's own. Where the code was seen to hand the
        mapping to `hydra.utils.instantiate`, its keys are held against the signature too; where it was not, so that it may never be
        instantiated, a missing name is a warning. Names of installed packages, star imports, `**kwargs`, decorated and inherited
        constructors are unknown.

    Why it matters:
        `hydra.utils.instantiate` fails as soon as it comes to it: with an ImportError for the name, with a TypeError for the key.

    Instead:
        Write the dotted name as an import would have it, and only keys that are parameters.
    """
    for trace in traces:
        composition = trace.composition
        for path, node in targets(composition.config) if composition is not None else ():
            target = find_target(node[KEY], symbols)
            if target is not None and target.missing is not None:
                yield _missing(trace, path, node[KEY], target.missing, config_places)
            elif target is not None and target.definition is not None and trace.instantiated.get(path):
                yield from _refused(trace, path, node, target.definition, symbols, config_places)


def _missing(trace: Trace, path: Path, name: str, missing: tuple[str, str], places: ConfigPlaces) -> Violation:
    return Violation(
        _place(trace, (*path, KEY), places),
        f"`{name}` is not there: `{missing[0]}` has no `{missing[1]}`",
        "name a function or class that is there",
        runs=(trace.run_id,),
        evidence=_shown(path),
        severity=None if path in trace.instantiated else Severity.WARNING,
    )


def _refused(
    trace: Trace, path: Path, node: dict[str, Any], definition: Definition, symbols: Symbols, places: ConfigPlaces
) -> Iterator[Violation]:
    signature = signature_of(definition, symbols)
    given = trace.instantiated[path]
    for key in refused_keys(node, signature) if signature is not None else ():
        if key in given:
            defined = definition.module.location(definition.node)
            head = Location(path=defined.path, line=defined.line, column=defined.column, end_line=defined.line)
            yield Violation(
                _place(trace, (*path, key), places),
                f"`{node[KEY]}` has no parameter `{key}`",
                f"take `{key}` out, or give it a parameter",
                (Related(location=head, label="it is defined here"),),
                (trace.run_id,),
                _shown(path),
            )


def _place(trace: Trace, path: Path, places: ConfigPlaces) -> Location:
    run, composition = places.runs.get(trace.run_id), trace.composition
    return places.locate(path, run, composition) or places.locate(path[:-1], run, composition) or at(places.primary(composition))


def _shown(path: Path) -> str:
    return f"in the config at: {'.'.join(path)}" if path else ""


_READ = "    run.finish()"
_CALLED = Edit(_READ, f"    print(hydra.utils.instantiate(cfg.scorer))\n{_READ}")
BAD = [
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscorer:\n  _target_: src.model.scores  # <- here"),
            "src/train.py": _CALLED,
        }
    ),
    Tree(
        {
            "config/config.yaml": Edit(
                "trial_mode: false", "trial_mode: false\nscorer:\n  _target_: src.model.mean_of\n  weights: [1, 2]  # <- here"
            ),
            "src/model.py": Edit(
                "import torch\n", "import torch\n\n\ndef mean_of(values=()):\n    return sum(values) / max(len(values), 1)\n"
            ),
            "src/train.py": _CALLED,
        }
    ),
]
GOOD = [
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscorer:\n  _target_: src.model.build_model"),
            "src/train.py": _CALLED,
        }
    ),
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscorer:\n  _target_: torchmetrics.Accuracy"),
            "src/train.py": _CALLED,
        }
    ),
]
