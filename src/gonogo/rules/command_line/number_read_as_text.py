"""CLI105."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from gonogo.analysis.interpreter.base import Value
from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.state import Path
from gonogo.analysis.interpreter.trace import Call, Mistyped, Trace
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.project.program_starts import ProgramStart
from gonogo.analysis.python.modules import Module
from gonogo.documents.yaml import parse_yaml
from gonogo.model.contract import Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.grouping import by_place

OPTIMIZERS = "torch.optim."
NUMBERS = frozenset({"lr", "weight_decay", "momentum", "eps", "rho", "alpha", "dampening"})
RATE_PLACE = 1  # every optimizer of torch takes `params, lr, …`


@rule("CLI105", "number-read-as-text", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def number_read_as_text(
    starts: list[ProgramStart], scripts: list[Trace], modules: dict[str, Module], experiment: Experiment
) -> Iterator[Violation]:
    """A number of a YAML file that PyYAML reads as a text is used as a number.

    What it does:
        Follows values of YAML files that the program reads with PyYAML to the optimizers of PyTorch, and to Python's own operators and
        `range` that refuse a text beside a number. To PyYAML, which follows YAML 1.1,
        `1e-3` and `1.0e3` are texts: a number with an exponent needs a dot and a sign (`1.0e-3`). Silent where the program makes a number
        of it (`float(…)`), and where another library reads the file.

    Why it matters:
        The optimizer compares its settings with numbers as it is made, and so does Python: the program ends in a `TypeError`.

    Instead:
        Write `1.0e-3`, or convert what was read: `float(config["lr"])`.

    References:
        https://yaml.org/type/float.html
    """
    if any("add_implicit_resolver" in module.text or "yaml_implicit_resolvers" in module.text for module in modules.values()):
        return  # the loader was taught what a number is
    traces = [*scripts, *(start.trace for start in starts)]
    yield from by_place(
        fault
        for trace in traces
        for fault in (
            *(fault for call in trace.calls for fault in _faults(call, experiment)),
            *(fault for event in trace.of(Mistyped) for fault in _refused(event, experiment)),
        )
    )


def _faults(call: Call, experiment: Experiment) -> Iterator[Violation]:
    if call.doubtful or not call.name.startswith(OPTIMIZERS):
        return
    given = [(name, value) for name, value in call.keywords.items() if name in NUMBERS]
    if len(call.arguments) > RATE_PLACE:
        given.append(("lr", call.arguments[RATE_PLACE]))
    for name, value in given:
        fault = _fault(name, value, call, experiment)
        if fault is not None:
            yield fault


def _fault(name: str, value: Value, call: Call, experiment: Experiment) -> Violation | None:
    scalar = settled(value)
    path = scalar.path if isinstance(scalar, Scalar) else None
    if path is None or path[0] != FILE_ROOT or not isinstance(scalar.constant(), str) or not _is_number(str(scalar.constant())):
        return None
    text = str(scalar.constant())
    said = f"{call.name} takes numbers only"
    return _violation(path, text, call.site.module.location(call.site.node), said, f"given to the optimizer as `{name}` here", experiment)


def _refused(event: Mistyped, experiment: Experiment) -> Iterator[Violation]:
    path = event.path
    if event.kind == "str" and path is not None and path[0] == FILE_ROOT and _is_number(event.value):
        here = event.site.module.location(event.site.node)
        yield _violation(path, event.value, here, "Python refuses it beside a number", "used as a number here", experiment)


def _violation(path: Path, text: str, here: Location, said: str, label: str, experiment: Experiment) -> Violation:
    """What is wrong with the text of a file, which stands at its place there."""
    file = path[1]
    place = parse_yaml(experiment.text(file) or "").places.get(path[2:])
    where = (
        here
        if place is None
        else Location(path=file, line=place.line, column=place.column, end_line=place.line, end_column=place.end_column)
    )
    return Violation(
        where,
        f"`{'.'.join(path[2:])}` is the text '{text}' to PyYAML, and {said}",
        _advice(text),
        () if place is None else (Related(location=here, label=label),),
    )


def _advice(text: str) -> str:
    """Say how the same number is written so that PyYAML reads a number, where PyYAML agrees."""
    mantissa, _, exponent = text.lower().partition("e")
    written = mantissa if "." in mantissa else f"{mantissa}.0"
    if exponent:
        written += f"e{exponent}" if exponent[0] in "+-" else f"e+{exponent}"
    convert = "convert what was read: `float(…)`"
    return f"write `{written}` here, without quotes, or {convert}" if isinstance(yaml.safe_load(written), float) else convert


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_PROGRAM = """import torch
import yaml

config = yaml.safe_load(open("config.yaml"))
optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=LR)
"""


def _of(lr: str, text: str) -> Tree:
    return Tree({"train.py": _PROGRAM.replace("LR", lr), "config.yaml": text}, at="config.yaml", alone=True)


def _reckons(text: str) -> Tree:
    program = 'import yaml\n\nconfig = yaml.safe_load(open("config.yaml"))\nprint(config["lr"] * 0.5)\n'
    return Tree({"train.py": program, "config.yaml": text}, at="config.yaml", alone=True)


_TAUGHT = """
import re

yaml.SafeLoader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[0-9]+e[-+]?[0-9]+$"), list("0123456789"))
"""
BAD = [_reckons("lr: 1e-3\n"), _of('config["lr"]', "lr: 1e-3\n"), _of('config["train"]["lr"]', "train:\n  lr: 1.0e3\n")]
GOOD = [
    _reckons("lr: 1.0e-3\n"),
    _of('config["lr"]', "lr: 1.0e-3\n"),
    _of('float(config["lr"])', "lr: 1e-3\n"),
    Tree({"train.py": _PROGRAM.replace("LR", 'config["lr"]').replace("\n\n", _TAUGHT, 1), "config.yaml": "lr: 1e-3\n"}, alone=True),
]
