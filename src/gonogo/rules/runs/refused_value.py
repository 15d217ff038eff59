"""RUN105."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.trace import Raised, Read, Trace
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.analysis.project.refusals import deciding_reads, known_values
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.search.space_signature_mismatch import SPACE

MOST = 4
KNOWN = (str, int, float, bool)


@rule("RUN105", "refused-value", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE)
def refused_value(traces: list[Trace], runs: list[Run], config_places: ConfigPlaces) -> Iterator[Violation]:
    """The code refuses a value of the run config.

    What it does:
        Follows each run through the program and reports a `raise` or a failing `assert` that is reached although every condition on the
        way there is decided by the run's config alone; a value of the config looked up in a dict that is written out in the code and does
        not have it; and a division of one number by zero. Names the settings that the conditions look at, and the values that they know.

    Why it matters:
        The run ends in the experiment's own error message, or in a `KeyError`: a name is spelled one way in the config and another way in
        the code.

    Instead:
        Use the spelling that the code knows, or teach the code the value.
    """
    for trace in traces:
        if any(process.failing for process in trace.processes):
            continue  # with an override refused, the values are not the run's: HYD103 and HYD106 come first
        for raised in trace.raised:
            if any(SPACE in path for path in raised.loops):
                continue  # OPT103 speaks of search spaces
            if raised.key is not None and raised.key not in _texts(_configs(trace, runs)):
                continue
            yield _violation(raised, trace, {run.id: run for run in runs}, config_places)


def _violation(raised: Raised, trace: Trace, runs: dict[str, Run], places: ConfigPlaces) -> Violation:
    """One refusal, with the settings that decided it and where they stand."""
    node, run = raised.site.node, runs.get(trace.run_id)
    shown = " ".join(ast.unparse(node).split())[:300]
    if raised.error:
        message = f"this surely raises `{raised.error}`, and nothing behind it is reached"
    elif raised.key is not None:
        message = f"the run config says `{raised.key}`, which is not among the keys that `{shown}` looks it up in: a `KeyError`"
    else:
        message = f"with the values of the run config, the code ends in its own `{_exception(raised)}`"
    reads = deciding_reads(raised.site, trace) if raised.key is None and not raised.error else []
    decided = [f"`{_key(read)}`{f' is {read.value!r}' if isinstance(read.value, KNOWN) else ''}" for read in reads[:MOST]]
    known = [f"`{text}`" for text in known_values(raised.site)[:MOST]] if decided else []
    action = "take it out, or correct the values" if raised.error else "make the run config and the code agree on the value"
    if decided:
        message = f"{message}: {', '.join(decided)}"
        action = f"make the run config and the code agree on {', '.join(each.split(' is ')[0] for each in decided)}"
    located = [(read, places.locate(read.path, run, trace.composition)) for read in reads[:MOST]]
    related = [Related(location=place, label=f"`{_key(read)}` stands here") for read, place in located if place is not None]
    return Violation(
        raised.site.module.location(node),
        message,
        f"{action}: it knows {', '.join(known)}" if known else action,
        tuple(related),
        (trace.run_id,),
        shown,
    )


def _key(read: Read) -> str:
    """A setting as its file writes it, or as it stands in the composed config."""
    return ".".join(read.path[2:] if read.path[0] == FILE_ROOT else read.path)


def _exception(raised: Raised) -> str:
    node = raised.site.node
    if isinstance(node, ast.Assert):
        return "AssertionError"
    error = node.exc if isinstance(node, ast.Raise) else None
    return ast.unparse(error.func if isinstance(error, ast.Call) else error) if error is not None else "raise"


def _configs(trace: Trace, runs: list[Run]) -> list[Any]:
    """What Hydra made of a run, and what its file says."""
    return [trace.composition and trace.composition.config, *(run.document.value for run in runs if run.id == trace.run_id)]


def _texts(value: Any) -> Iterator[str]:
    """Every text among plain data, or in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _texts(entry)


_SGD = Edit("    return torch.optim.SGD(\n", '    return {"sgd": torch.optim.SGD}[name](\n')
_UNCHECKED = Edit(
    '    if name != "sgd":\n        raise ValueError(f"unknown optimizer {name!r}: only \'sgd\' is implemented")\n',
    "",
)
_FIRST = Edit(
    "    run_dir = Path(cfg.results_dir) / cfg.run.run_id\n", "    1 / 0  # <- here\n    run_dir = Path(cfg.results_dir) / cfg.run.run_id\n"
)
_ASSERTED = '    assert cfg.run.optuna.n_trials > 1_000, "more trials"  # <- here\n'
_UPPER = Edit("  optimizer: sgd", "  optimizer: SGD")

BAD = [
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _UPPER,
            "src/model.py": Edit("only 'sgd' is implemented\")", "only 'sgd' is implemented\")  # <- here"),
        }
    ),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _UPPER,
            "src/model.py": (_UNCHECKED, Edit(_SGD.old, _SGD.new.replace("\n", "  # <- here\n"))),
        }
    ),
    Tree({"src/train.py": _FIRST}),
    Tree({"src/train.py": Edit(_FIRST.old, _ASSERTED + _FIRST.old)}),
]
GOOD = [
    Tree({"src/train.py": Edit(_FIRST.old, "    try:\n        1 / 0\n    except ZeroDivisionError:\n        pass\n" + _FIRST.old)}),
    Tree({"src/train.py": Edit(_FIRST.old, _ASSERTED.replace("> 1_000", "> 0").replace("  # <- here", "") + _FIRST.old)}),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _UPPER,
            "src/model.py": Edit('if name != "sgd"', 'if name.lower() != "sgd"'),
        }
    ),
    Tree(
        {
            "config/run/proposed-mlp-digits.yaml": _UPPER,
            "src/model.py": (_UNCHECKED, Edit(_SGD.old, _SGD.new.replace("name", "name.lower()"))),
        }
    ),
]
