"""HYD116."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.libraries.absent import near_name
from gonogo.analysis.libraries.table import Ways, library_table
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.analysis.project.targets import KEY, RESERVED, Path, find_target, lacking, namesake, refused_keys, signature_of, targets
from gonogo.analysis.python.symbols import Definition, Symbols
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, quoted, rule


@rule("HYD116", "unknown-target", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA, certainty=Certainty.PROVEN)
def unknown_target(traces: list[Trace], symbols: Symbols, config_places: ConfigPlaces, experiment: Experiment) -> Iterator[Violation]:
    """A `_target_` of the config that is not there, takes no such key, or is not given what it needs.

    What it does:
        Looks up every `_target_` of every composed config that names something of the project's own, or of a common library. Where the
        code was seen to hand the mapping to `hydra.utils.instantiate`, its keys and what the call adds are held against the signature
        too; where it was not, so that it may never be instantiated, a missing name is a warning. A package counts as missing where
        nothing but configs speaks of it, and the project has something of that name elsewhere. Names of installed packages, star imports,
        `**kwargs`, decorated and inherited constructors are unknown, and a partial may lack arguments.

    Why it matters:
        `hydra.utils.instantiate` fails as soon as it comes to it: with an ImportError for the name, with a TypeError for the arguments.

    Instead:
        Write the dotted name as an import would have it, only keys that are parameters, and every parameter without a default.
    """
    meant: dict[str, str | None] = {}
    for trace in traces:
        composition = trace.composition
        for path, node in targets(composition.config) if composition is not None else ():
            name, target = node[KEY], find_target(node[KEY], symbols)
            if target is None and (near := near_name(name)) is not None:
                yield _missing(trace, path, f"`{name}` is not there; did you mean `{near}`?", config_places, Certainty.DERIVED)
            elif target is None and (known := library_table().callable(name)) is not None:
                yield from _refused(trace, path, node, known[1], config_places)
            elif target is None:
                if name not in meant:
                    meant[name] = namesake(name, symbols, experiment)
                if meant[name] is not None:
                    message = f"`{name}` is not there: nothing but configs speaks of such a package; did you mean `{meant[name]}`?"
                    yield _missing(trace, path, message, config_places, Certainty.DERIVED)
            elif target.missing is not None:
                owner, member = target.missing
                yield _missing(trace, path, f"`{name}` is not there: `{owner}` has no `{member}`", config_places)
            elif target.definition is not None and path in trace.instantiated:
                yield from _misfits(trace, path, node, target.definition, symbols, config_places)


def _refused(trace: Trace, path: Path, node: dict[str, Any], ways: Ways, places: ConfigPlaces) -> Iterator[Violation]:
    """The keys that no known version of a library's function or class takes."""
    given = trace.instantiated.get(path)
    if given is None or not given.keys or any(way.signature.takes_any_keyword for way, _ in ways):
        return
    known = {name for way, _ in ways for name in (*way.signature.positional[way.signature.positional_only :], *way.signature.keyword_only)}
    for key in node:
        if key not in RESERVED and key not in known and key in given.keys and key.isidentifier():
            message = f"`{node[KEY]}` has no parameter `{key}`"
            action = f"take `{key}` out, or write the name that it has there"
            yield Violation(_place(trace, (*path, key), places), message, action, runs=(trace.run_id,), evidence=_shown(path))


def _missing(trace: Trace, path: Path, message: str, places: ConfigPlaces, certainty: Certainty | None = None) -> Violation:
    return Violation(
        _place(trace, (*path, KEY), places),
        message,
        "name a function or class that is there",
        runs=(trace.run_id,),
        evidence=_shown(path),
        severity=None if path in trace.instantiated else Severity.WARNING,
        certainty=certainty,
    )


def _misfits(
    trace: Trace, path: Path, node: dict[str, Any], definition: Definition, symbols: Symbols, places: ConfigPlaces
) -> Iterator[Violation]:
    """The keys that a target does not take, and the parameters that nothing is given for."""
    signature, given = signature_of(definition, symbols), trace.instantiated[path]
    if signature is None or not given.keys:
        return
    defined = definition.module.location(definition.node)
    head = Location(path=defined.path, line=defined.line, column=defined.column, end_line=defined.line)
    related, runs, shown = (Related(location=head, label="it is defined here"),), (trace.run_id,), _shown(path)
    for key in refused_keys(node, signature):
        if key in given.keys:
            place = _place(trace, (*path, key), places)
            yield Violation(
                place, f"`{node[KEY]}` has no parameter `{key}`", f"take `{key}` out, or give it a parameter", related, runs, shown
            )
    missing = lacking(given.keys, given.places, signature) if given.is_complete else []
    if missing:
        message = f"`{node[KEY]}` is instantiated without {' and '.join(quoted(missing))}, which it needs"
        yield Violation(
            _place(trace, (*path, KEY), places), message, "give it in the config or the call, or a default", related, runs, shown
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
BAD += [
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscorer:\n  _target_: src.model.mean_of  # <- here"),
            "src/model.py": Edit(
                "import torch\n", "import torch\n\n\ndef mean_of(values):\n    return sum(values) / max(len(values), 1)\n"
            ),
            "src/train.py": _CALLED,
        }
    ),
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", "trial_mode: false\nscorer:\n  _target_: scores_of_old.build_model  # <- here"),
            "src/train.py": _CALLED,
        }
    ),
]
_OPTIMIZER = "trial_mode: false\noptimizer:\n  _target_: torch.optim.{name}\n  {key}: 0.1"
_MADE = Edit(_READ, f"    print(hydra.utils.instantiate(cfg.optimizer, params=model.parameters()))\n{_READ}")
BAD += [
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false", _OPTIMIZER.format(name=name, key=key)),
            "src/train.py": _MADE,
        }
    )
    for name, key in (("AdamWW  # <- here", "lr"), ("AdamW", "learning_rate: 1  # <- here\n  eps"))
]
GOOD = [
    *(
        Tree({"config/config.yaml": Edit("trial_mode: false", _OPTIMIZER.format(name=name, key=key)), "src/train.py": _MADE})
        for name, key in (("AdamW", "lr"), ("SGD", "momentum"))
    ),
    Tree(
        {
            "config/config.yaml": Edit(
                "trial_mode: false", "trial_mode: false\nscorer:\n  _target_: src.model.build_model\n  _partial_: true"
            ),
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
