"""HYD116."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.config_places import ConfigPlaces
from gonogo.code.flow.config import OPEN
from gonogo.code.flow.trace import Trace
from gonogo.code.modules import Module
from gonogo.code.symbols import Symbols
from gonogo.code.targets import KEY, Path, find_target, refused_keys, signature_of, targets
from gonogo.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, at, rule


@rule("HYD116", "unknown-target", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE)
def unknown_target(traces: list[Trace], symbols: Symbols, modules: dict[str, Module], config_places: ConfigPlaces) -> Iterator[Fault]:
    """A `_target_` of the config that the project does not have, or that takes no such key.

    What it does:
        Looks up every `_target_` of every composed config that names something of the project's own, and holds the keys beside it
        against the signature. Names of installed packages, star imports, `**kwargs`, decorated and inherited constructors are unknown.
        Where the code was not seen to hand the mapping on as a whole, so that it may never be instantiated, it is a warning.

    Why it matters:
        `hydra.utils.instantiate` fails as soon as it comes to it: with an ImportError for the name, with a TypeError for the key.

    Instead:
        Write the dotted name as an import would have it, and only keys that are parameters.
    """
    words: set[str] | None = None
    for trace in traces:
        composition = trace.composition
        run = config_places.runs.get(trace.run_id)
        for path, node in targets(composition.config) if composition is not None else ():
            name = node[KEY]
            target = find_target(name, symbols)
            if target is None or composition is None:
                continue
            severity = None if any(path[:length] in trace.used_whole for length in range(len(path) + 1)) else Severity.WARNING
            place = config_places.locate((*path, KEY), run, composition) or at(config_places.primary(composition))
            if target.missing is not None:
                owner, missing = target.missing
                message = f"`{name}` is not there: `{owner}` has no `{missing}`"
                action = "name a function or class that is there"
                yield Fault(place, message, action, runs=(trace.run_id,), evidence=_shown(path), severity=severity)
            elif target.definition is not None and OPEN not in node:
                signature = signature_of(target.definition, symbols)
                refused = refused_keys(node, signature) if signature is not None else []
                words = _words(modules) if words is None and refused else words
                for key in (key for key in refused if key not in (words or ())):
                    defined = target.definition.module.location(target.definition.node)
                    head = Location(path=defined.path, line=defined.line, column=defined.column, end_line=defined.line)
                    yield Fault(
                        config_places.locate((*path, key), run, composition) or place,
                        f"`{name}` has no parameter `{key}`",
                        f"take `{key}` out, or give it a parameter",
                        (Related(location=head, label="it is defined here"),),
                        (trace.run_id,),
                        _shown(path),
                        severity,
                    )


def _shown(path: Path) -> str:
    return f"in the config at: {'.'.join(path)}" if path else ""


def _words(modules: dict[str, Module]) -> set[str]:
    """Attributes and texts of the code: a key among them may be taken out of the config before it is instantiated."""
    found: set[str] = set()
    for module in modules.values():
        found |= {node.attr for node in module.of(ast.Attribute)}
        found |= {node.value for node in module.of(ast.Constant) if isinstance(node.value, str)}
    return found


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
