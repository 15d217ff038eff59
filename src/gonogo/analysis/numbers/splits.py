"""Which part of the data a loader goes through, by its names in the code.

The names are those that it is bound to and those that it is made from.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from enum import StrEnum

from gonogo.analysis.dataflow.blocks import Gives, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Item, Mapping, Value, constant, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.keys import is_measured, is_of_test
from gonogo.analysis.numbers.origins import loaders_of, sources_of
from gonogo.analysis.python.names import last_name


class Split(StrEnum):
    """A part of the data."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


_WORDS = {
    Split.TRAIN: re.compile(r"(?<![a-z])(?:train|training|trn|tr)(?![a-z])", re.IGNORECASE),
    Split.VALIDATION: re.compile(r"(?<![a-z])(?:val|valid|validation|dev|eval|held_?out|holdout|calib\w*)(?![a-z])", re.IGNORECASE),
    Split.TEST: re.compile(r"(?<![a-z])(?:test|testing|tst)(?![a-z])", re.IGNORECASE),
}


def split_named(name: str) -> Split | None:
    """The split that a name speaks of, None where it speaks of none or of several."""
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("_", " ")
    found = [split for split, pattern in _WORDS.items() if pattern.search(spread)]
    return found[0] if len(found) == 1 else None


class Splits:
    """The splits of a program's loaders."""

    def __init__(self, program: Program) -> None:
        self._bound: dict[Value, list[str]] = {}
        for write in program.all(Write):
            key = write.key if isinstance(write.key, str) else text(write.key) if write.key is not None else None
            if key is not None:
                self._bound.setdefault(base(write.value), []).append(key)

    def of(self, loader: Value) -> Split | None:
        """Return the split that a loader goes through.

        All names that mention a split must agree. None where no name does, or where they disagree.
        """
        loader = base(loader)
        if isinstance(loader, Choice):
            return None
        names = [*self._bound.get(loader, ()), *_names_of(loader)]
        found = {split for name in names if (split := split_named(name)) is not None}
        if not found and isinstance(loader, Call):
            found = _of_data(loader.argument(0, "dataset"))
            spoken = loader.node.args[0] if isinstance(loader.node, ast.Call) and loader.node.args else None
            named = split_named(last_name(spoken)) if spoken is not None else None
            if named is not None:
                found = {named}
        return next(iter(found)) if len(found) == 1 else None


def splits(program: Program) -> Splits:
    """The splits of a program's loaders."""
    return program.known(Splits)


def training_loaders(program: Program, label: str, value: Value) -> list[Value]:
    """The loaders of the training part that a number is made of, though it is called a test score.

    None where it has another name, or may be made of anything else.
    """
    if not (is_of_test(label) and is_measured(label)):
        return []
    origins = sources_of(program).of(value)
    loaders = loaders_of(origins)
    return loaders if origins.complete and all(splits(program).of(loader) is Split.TRAIN for loader in loaders) else []


def test_taken_for_train(program: Program) -> Iterator[Write | Value]:
    """Yield where something named the test split is put under the name of the train split.

    This is looked for in dicts that have both.
    """
    for write in program.all(Write):
        key = write.key if isinstance(write.key, str) else text(write.key) if write.key is not None else None
        statement = write.module.parents.get(write.node)
        if key is None or split_named(key) is not Split.TRAIN or not isinstance(write.node, ast.Subscript):
            continue
        given = statement.value if isinstance(statement, ast.Assign) else None
        if given is not None and split_named(_spoken(given)) is Split.TEST:
            yield write
    for gives in program.all(Gives):
        mapping = plain(gives.value) if gives.value is not None else None
        if not isinstance(mapping, Mapping) or not isinstance(mapping.node, ast.Dict):
            continue
        names = {split_named(text(key) or "") for key, _ in mapping.entries}
        for (name, _), node in zip(mapping.entries, mapping.node.values, strict=False):
            is_train = split_named(text(name) or "") is Split.TRAIN
            if is_train and Split.TEST in names and isinstance(node, ast.Name) and split_named(node.id) is Split.TEST:
                yield name


def _spoken(node: ast.expr) -> str:
    """What an expression is called: its last name, or the key of an entry."""
    key = node.slice if isinstance(node, ast.Subscript) else None
    return str(key.value) if isinstance(key, ast.Constant) else last_name(node)


def _names_of(value: Value) -> list[str]:
    """What a value is bound to where it is made: a name, the key of a dict, a keyword."""
    parents = value.module.parents
    parent = parents.get(value.node)
    if isinstance(parent, (ast.Assign, ast.AnnAssign)):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        return [last_name(target) for target in targets if isinstance(target, (ast.Name, ast.Attribute))]
    if isinstance(parent, ast.Dict):
        keys = [key for key, entry in zip(parent.keys, parent.values, strict=True) if entry is value.node]
        return [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    if isinstance(parent, ast.keyword) and parent.arg:
        return [parent.arg]
    if isinstance(parent, ast.Tuple) and isinstance(outer := parents.get(parent), ast.Assign) and isinstance(outer.targets[0], ast.Tuple):
        place = next((place for place, entry in enumerate(parent.elts) if entry is value.node), None)
        names = outer.targets[0].elts
        return [last_name(names[place])] if place is not None and place < len(names) else []
    return []


def _of_data(given: Value | None) -> set[Split]:
    """The split of a whole data set of a library; one that is divided further is left alone."""
    if given is None:
        return set()
    data = plain(given)
    if isinstance(data, Item):
        name = text(data.key)
        split = split_named(name) if name is not None else None
        return {split} if split is not None else set()
    if not isinstance(data, Call) or data.short in ("Subset", "random_split"):
        return set()
    is_train = constant(data.keywords.get("train"))
    if isinstance(is_train, bool):
        return {Split.TRAIN if is_train else Split.TEST}
    name = text(data.keywords.get("split"))
    split = split_named(name) if name is not None and "[" not in name else None
    return {split} if split is not None else set()
