"""A column or a row of a pandas table of which all entries are known, each with its label.

Of an entry at least this much is known: which run it comes from. What is not modelled gives something unknown.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable, Iterable
from collections.abc import Sequence as PlainSequence

from gonogo.analysis.interpreter.base import UNKNOWN, AccessKind, Arguments, Items, Spread, Value, Walk, let_go
from gonogo.analysis.interpreter.sentinels import NO_DEFAULT, NOT_KNOWN, UNHANDLED, NoDefault, Unhandled
from gonogo.analysis.interpreter.values.bound import BoundMethod
from gonogo.analysis.interpreter.values.mapping import Mapping
from gonogo.analysis.interpreter.values.scalar import COMPARE, Scalar, slice_of, truth_value
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.tracked import FromRuns, gathered

REDUCED = frozenset({"mean", "median", "max", "min", "sum", "item"})
SAME = frozenset({"copy", "dropna", "fillna", "astype", "round", "to_numpy", "infer_objects"})
OTHER = frozenset({"name", "dtype", "shape", "T", "plot", "dt", "cat", "ndim", "hist"})  # members that are no methods
LISTED = frozenset({"tolist", "to_list"})
PLACED = frozenset({"iloc", "iat"})
LABELLED = frozenset({"loc", "at"})
TESTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
}
PLAIN_PATTERN = frozenset(r".^$*+?{}[]\|()")  # characters that mean something in a regular expression


class Column(Value):
    """Entries with their labels.

    Attributes:
        entries: in order.
        labels: of each entry; those of a row are the names of the columns.
    """

    __slots__ = ("entries", "labels")
    inert = immutable = True

    def __init__(self, entries: Iterable[Value], labels: Iterable[Value] | None = None) -> None:
        self.entries = tuple(entries)
        self.labels = tuple(labels) if labels is not None else tuple(Scalar(place) for place in range(len(self.entries)))

    def truth(self) -> bool | None:
        """pandas refuses to say."""
        return None

    def identity(self) -> Hashable:
        """The same entries under the same labels are the same."""
        return (Column, *(entry.identity() for entry in (*self.entries, *self.labels)))

    def length(self, walk: Walk) -> int:
        """How many entries it has."""
        return len(self.entries)

    def iterate(self, walk: Walk) -> Items:
        """Its entries."""
        return Items(self.entries, True)

    def unpack(self, count: int) -> PlainSequence[Value] | None:
        """Its entries, if there are as many."""
        return self.entries if len(self.entries) == count else None

    def contains(self, walk: Walk, item: Value, at: ast.AST) -> bool | None:
        """Whether something is among its labels, as pandas has it."""
        return has_constant(self.labels, item)

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """The entries that a mask keeps, or the one under a label."""
        if isinstance(key, Column):
            return self.kept(key)
        place = place_of(self.labels, key)
        return UNKNOWN if place is None else self.entries[place]

    def slice(self, walk: Walk, bounds: PlainSequence[Value | None]) -> Value:
        """A part of it."""
        places = slice_of(bounds)
        return UNKNOWN if places is None else Column(self.entries[places], self.labels[places])

    def kept(self, mask: Column) -> Value:
        """The entries for which a mask is true; unknown where the mask is not known for all."""
        chosen = chosen_by(mask, len(self.entries))
        return UNKNOWN if chosen is None else Column([self.entries[each] for each in chosen], [self.labels[each] for each in chosen])

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """What pandas has, or the entry of a row."""
        if name == "values":
            return Column(self.entries)
        if name in ("index", "array"):
            return Column(self.labels if name == "index" else self.entries)
        if name in ("size", "empty"):
            return Scalar(len(self.entries) if name == "size" else not self.entries)
        if name == "str":
            return Texts(self)
        if name in PLACED | LABELLED:
            return Located(self, name in LABELLED)
        place = place_of(self.labels, Scalar(name))
        if place is not None:
            return self.entries[place]
        return UNKNOWN if name in OTHER else BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """A method of a series."""
        let_go(walk, given)
        if name in SAME:
            return Column(self.entries, None if name == "to_numpy" else self.labels)
        if name == "reset_index":
            return Column(self.entries) if given.keywords.get("drop", UNKNOWN).constant() is True else UNKNOWN
        if name in LISTED:
            return Sequence(self.entries)
        if name in REDUCED:
            return self._reduced(name)
        if name == "unique":
            return distinct(self.entries)
        if name in ("isna", "isnull", "notna", "notnull"):
            known = [None if entry.is_none() is None or isinstance(entry, FromRuns) else entry.is_none() for entry in self.entries]
            return _mask([None if each is None else each is name.startswith("is") for each in known], self.labels)
        if name == "isin":
            wanted = given.get(0, "values")
            return _mask([wanted.contains(walk, entry, at) for entry in self.entries], self.labels)
        if name == "get":
            place = place_of(self.labels, given.get(0, "key"))
            return UNKNOWN if place is None else self.entries[place]
        if name == "items":
            return Sequence([Sequence(pair, kind="tuple") for pair in zip(self.labels, self.entries, strict=True)])
        if name == "to_dict":
            return mapping_of(self.labels, self.entries)
        return UNKNOWN

    def _reduced(self, name: str) -> Value:
        if len(self.entries) == 1:
            return self.entries[0]
        return UNKNOWN if name == "item" else gathered(list(self.entries)) or UNKNOWN

    def compared(self, walk: Walk, op: ast.cmpop, other: Value) -> Value:
        """The comparison of each entry with another value: a mask."""
        if isinstance(other, Column) or type(op) not in COMPARE:
            return UNKNOWN
        return _mask([entry.compare(walk, op, other) for entry in self.entries], self.labels)

    def binary(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """Two masks become one; numbers are computed entry by entry."""
        pairs = self.beside(other)
        if pairs is None:
            return UNKNOWN
        if isinstance(op, (ast.BitAnd, ast.BitOr)):
            return _mask([_joined(op, left.truth(), right.truth()) for left, right in pairs], self.labels)
        entries = [_computed(walk, left, op, right) for left, right in pairs]
        return Column(entries, self.labels)

    def reflected(self, walk: Walk, op: ast.operator, other: Value) -> Value | Unhandled:
        """A number on the left."""
        return Column([_computed(walk, other, op, entry) for entry in self.entries], self.labels)

    def negated(self, op: ast.unaryop) -> Value:
        """`~mask`, `-numbers`."""
        if isinstance(op, ast.Invert):
            answers = [entry.truth() for entry in self.entries]
            return _mask([None if answer is None else not answer for answer in answers], self.labels)
        return Column([entry.negated(op) for entry in self.entries], self.labels)

    def beside(self, other: Value) -> list[tuple[Value, Value]] | None:
        """Return each entry with what stands beside it in another column.

        The other column has the same labels, or is one value.
        """
        if not isinstance(other, Column):
            return [(entry, other) for entry in self.entries]
        ours, theirs = ([label.constant() for label in column.labels] for column in (self, other))
        return list(zip(self.entries, other.entries, strict=True)) if ours == theirs and NOT_KNOWN not in ours else None


class Texts(Value):
    """`column.str`."""

    __slots__ = ("owner",)
    inert = immutable = True

    def __init__(self, owner: Column) -> None:
        self.owner = owner

    def member(
        self, walk: Walk, name: str, at: ast.AST, default: Value | NoDefault = NO_DEFAULT, kind: AccessKind = AccessKind.ATTRIBUTE
    ) -> Value:
        """A method of the texts."""
        return BoundMethod(self, name)

    def call_method(self, walk: Walk, name: str, given: Arguments, at: ast.AST) -> Value:
        """The method for each text."""
        if name in TESTS:
            return self._tested(name, given)
        if name in ("lower", "upper", "strip", "removeprefix", "removesuffix"):
            return Column([entry.call_method(walk, name, given, at) for entry in self.owner.entries], self.owner.labels)
        return UNKNOWN

    def _tested(self, name: str, given: Arguments) -> Value:
        wanted = given.get(0, "pat").constant()
        options = set(given.keywords) - {"pat", "na", "case", "regex"}
        case, regex = given.get(1, "case", Scalar(True)).constant(), given.get(3, "regex", Scalar(True)).constant()
        if not isinstance(wanted, str) or options or (name != "contains" and len(given.positional) > 1):
            return UNKNOWN
        if name == "contains" and (not isinstance(case, bool) or (regex is not False and PLAIN_PATTERN & set(wanted))):
            return UNKNOWN
        answers: list[bool | None] = []
        for entry in self.owner.entries:
            text = entry.constant()
            if not isinstance(text, str):
                answers.append(None)
            elif name == "contains" and case is False:
                answers.append(wanted.lower() in text.lower())
            else:
                answers.append(TESTS[name](text, wanted))
        return _mask(answers, self.owner.labels)


class Located(Value):
    """`column.loc` and `column.iloc`."""

    __slots__ = ("by_label", "owner")
    inert = immutable = True

    def __init__(self, owner: Column, by_label: bool) -> None:
        self.owner = owner
        self.by_label = by_label

    def item(self, walk: Walk, key: Value, at: ast.AST) -> Value:
        """An entry by its label or place, or those that a mask keeps."""
        if isinstance(key, Column) or self.by_label:
            return self.owner.item(walk, key, at)
        place = key.constant()
        there = type(place) is int and -len(self.owner.entries) <= place < len(self.owner.entries)
        return self.owner.entries[place] if there else UNKNOWN  # type: ignore[index]

    def slice(self, walk: Walk, bounds: PlainSequence[Value | None]) -> Value:
        """A part by places; labels are not modelled."""
        return UNKNOWN if self.by_label else self.owner.slice(walk, bounds)


def place_of(labels: PlainSequence[Value], key: Value) -> int | None:
    """Return the place of the one label that surely is a key.

    None where there are none or several, or where a label is not known.
    """
    wanted, known = key.constant(), [label.constant() for label in labels]
    if wanted is NOT_KNOWN or NOT_KNOWN in known:
        return None
    places = [place for place, label in enumerate(known) if label == wanted and type(label) is type(wanted)]
    return places[0] if len(places) == 1 else None


def has_constant(values: PlainSequence[Value], item: Value) -> bool | None:
    """Whether a plain value is among some; None where that is not known."""
    wanted, known = item.constant(), [value.constant() for value in values]
    if wanted is NOT_KNOWN:
        return None
    return True if wanted in known else None if NOT_KNOWN in known else False


def chosen_by(mask: Column, count: int) -> list[int] | None:
    """The places that a mask keeps; None where it is not known for all, or is no mask of as many entries."""
    answers = [entry.constant() for entry in mask.entries]
    if len(answers) != count or not all(isinstance(answer, bool) for answer in answers):
        return None
    return [place for place, answer in enumerate(answers) if answer]


def distinct(entries: PlainSequence[Value]) -> Value:
    """Each plain value once, in the order in which it first comes; unknown where one is none."""
    known = [entry.constant() for entry in entries]
    if NOT_KNOWN in known:
        return UNKNOWN
    return Column([Scalar(value) for value in dict.fromkeys(known)])  # type: ignore[arg-type]


def mapping_of(keys: PlainSequence[Value], values: PlainSequence[Value]) -> Value:
    """A dict of plain keys; unknown where one is not known."""
    known = [key.constant() for key in keys]
    return UNKNOWN if NOT_KNOWN in known else Mapping(Spread(dict(zip(known, values, strict=True))))  # type: ignore[arg-type]


def _mask(answers: PlainSequence[bool | None], labels: PlainSequence[Value]) -> Value:
    return Column([truth_value(answer) for answer in answers], labels)


def _joined(op: ast.operator, left: bool | None, right: bool | None) -> bool | None:
    decisive = isinstance(op, ast.BitOr)  # the answer that settles it alone
    if decisive in (left, right):
        return decisive
    return None if None in (left, right) else not decisive


def _computed(walk: Walk, left: Value, op: ast.operator, right: Value) -> Value:
    result = left.binary(walk, op, right)
    if result is UNHANDLED:
        result = right.reflected(walk, op, left)
    return UNKNOWN if result is UNHANDLED else result
