"""EVA115."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import last_name, text_of
from gonogo.analysis.tracking.asked_keys import AskedKey
from gonogo.analysis.tracking.logged_keys import LoggedKeys
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.scores import SPLITS, WRAPPING


@rule("EVA115", "score-of-other-split", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def score_of_other_split(asked_keys: list[AskedKey], logged_keys: LoggedKeys) -> Iterator[Violation]:
    """The evaluation reports the score of another split under the name of a test score.

    What it does:
        Follows what the evaluation asks of a run's summary to the name that it gives it. Speaks where it asks for the score of the
        validation or training split, calls it that of the test split, and the runs log the test score of the same kind as well. What it
        asks for where another key is missing is left alone.

    Why it matters:
        The validation split has chosen the settings and the epoch: its score is too good.

    Instead:
        Ask for the test score.
    """
    for asked in asked_keys:
        if asked.instead_of or asked.otherwise:
            continue
        own, kind = _words(asked.key)
        name = _name(asked.module, asked.written)
        named, named_kind = _words(name)
        if own in ("validation", "training") and named == "test" and kind == named_kind and logged_keys.has(name) is True:
            yield Violation(
                asked.module.location(asked.written),
                f"`{asked.key}`, of the {own} split, is reported as `{name}`, which the runs log as well",
                f"ask for `{name}`",
            )


def _words(name: str) -> tuple[str, tuple[str, ...]]:
    """The split that a name speaks of, if it is one, and its other words."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    splits = {SPLITS[word] for word in words if word in SPLITS}
    return (splits.pop() if len(splits) == 1 else ""), tuple(sorted(word for word in words if word not in SPLITS))


def _name(module: Module, node: ast.AST) -> str:
    """The name that a value, perhaps converted, is given."""
    parent = module.parents.get(node)
    while isinstance(parent, (ast.Subscript, ast.Attribute)) or (isinstance(parent, ast.Call) and _converts(parent, node)):
        node, parent = parent, module.parents.get(parent)
    if isinstance(parent, ast.Dict):
        return next((text_of(key) or "" for key, value in zip(parent.keys, parent.values, strict=True) if value is node and key), "")
    if isinstance(parent, ast.Assign) and parent.value is node and len(parent.targets) == 1:
        target = parent.targets[0]
        return text_of(target.slice) or "" if isinstance(target, ast.Subscript) else last_name(target)
    return (parent.arg or "") if isinstance(parent, ast.keyword) else ""


def _converts(call: ast.Call, node: ast.AST) -> bool:
    """Whether a call gives the same number, or is that by which the key is asked for."""
    return call.func is node or (last_name(call.func) in WRAPPING | {"get"} and node in call.args)


_OLD = 'float(run.summary["test_accuracy"])'
_ENTRY = f'        "test_accuracy": {_OLD},\n'
BAD = [
    Tree({"src/evaluate.py": Edit(_ENTRY, _ENTRY.replace('test_accuracy"])', 'val_accuracy"])').replace("\n", "  # <- here\n"))}),
    Tree({"src/evaluate.py": Edit(_ENTRY, '        "test_accuracy": round(float(run.summary.get("val_accuracy")), 4),  # <- here\n')}),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(_ENTRY, f'{_ENTRY}        "val_accuracy": float(run.summary["val_accuracy"]),\n')}),
    Tree({"src/evaluate.py": Edit(_OLD, 'float(run.summary.get("test_accuracy", run.summary["val_accuracy"]))')}),
    Tree({"src/evaluate.py": Edit(_ENTRY, f'{_ENTRY}        "test_gap": {_OLD} - float(run.summary["val_accuracy"]),\n')}),
]
