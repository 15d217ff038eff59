"""CLI103."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.options import Filled
from gonogo.analysis.python.modules import Module
from gonogo.documents.yaml import Place, parse_yaml
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_message

YAML = (".yaml", ".yml")


@rule("CLI103", "option-refused", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def option_refused(scripts: list[Trace], modules: dict[str, Module], experiment: Experiment) -> Iterator[Violation]:
    """A file or a text of the program gives an option that its defaults refuse.

    What it does:
        Follows each program to the defaults that it writes down, and to the files that are merged into them: with `yacs`, a key that the
        defaults do not have, or one of another type. Reads the file where the code names it. Silent where other code may have added to
        the defaults, and where they allow new keys.

    Why it matters:
        The program ends as it starts: yacs raises a `KeyError` for an unknown key, and a `ValueError` for another type.

    Instead:
        Give the key a default, or write it as the defaults do.
    """
    yield from by_message(fault for trace in scripts for event in trace.of(Filled) for fault in _faults(event, experiment))


def _faults(event: Filled, experiment: Experiment) -> Iterator[Violation]:
    here = event.site.module.location(event.site.node)
    if event.data is not None:
        for _, message in event.accepts.refusals(event.data):
            yield Violation(here, message, "write it as the defaults do, or give it a default")
    elif event.path is not None and PurePosixPath(event.path).suffix in YAML:
        document = parse_yaml(experiment.text(event.path) or "")
        for path, message in event.accepts.refusals(document.value) if document.error is None else ():
            place = document.places.get(path, Place(1, 1, 1))
            where = Location(path=event.path, line=place.line, column=place.column, end_line=place.line, end_column=place.end_column)
            yield Violation(
                where, message, "write it as the defaults do, or give it a default", related=(Related(location=here, label="read here"),)
            )


_PROGRAM = """from yacs.config import CfgNode as CN

_C = CN()
_C.MODEL = CN()
_C.MODEL.NAME = "resnet"
_C.SOLVER = CN()
_C.SOLVER.LR = 0.1
cfg = _C.clone()
{merge}
print(cfg.MODEL.NAME, cfg.SOLVER.LR)
"""
BAD = [program(_PROGRAM.format(merge="cfg.merge_from_list(['MODEL.NAM', 'vgg'])  # <- here"))]
GOOD = [program(_PROGRAM.format(merge="cfg.merge_from_list(['MODEL.NAME', 'vgg'])"))]
