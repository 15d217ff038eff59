"""Shapes of tensors and arrays, as far as the code alone tells them."""

from __future__ import annotations

from collections.abc import Callable

from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Display,
    Element,
    Item,
    Operation,
    Parameter,
    Repeated,
    Returned,
    Span,
    Value,
    constant,
    is_none,
    number,
    options,
    plain,
    text,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.ops import Op, op_of

#: One entry for each axis: its length, or "" where it is not known. None: not even the number of axes is known.
Shape = tuple[int | str, ...]
ROWS = ""
MAX_DEPTH = 100
_SAME = words(
    """
    to float long double int clone detach cpu cuda numpy relu sigmoid tanh dropout contiguous softmax from_numpy as_tensor asarray
    array astype abs exp log log_softmax FloatTensor LongTensor gelu half requires_grad_ bool tensor Tensor type round copy
    fit_transform transform leaky_relu batch_norm1d layer_norm elu softplus silu to_numpy identity Variable clip ascontiguousarray
    ravel_ type_as values
    """
)
_REDUCE = frozenset({"mean", "sum", "std", "var", "norm", "prod", "median", "logsumexp", "argmax", "argmin", "max", "min", "all", "any"})
_MADE = frozenset({"randn", "rand", "zeros", "ones", "empty", "normal_", "standard_normal"})
_TARGETS = words(
    """
    load_diabetes load_iris load_breast_cancer load_wine load_digits fetch_california_housing load_boston
    """
)
_GENERATED = frozenset({"make_regression", "make_classification", "make_moons", "make_circles", "make_blobs", "make_friedman1"})


class Shapes:
    """Answers for the values of one program."""

    def __init__(self, program: object) -> None:
        self._known: dict[Value, Shape | None] = {}
        self._depth = 0

    def of(self, value: Value | None) -> Shape | None:
        """The shape of a value."""
        if value is None:
            return None
        if value not in self._known:
            if self._depth > MAX_DEPTH:
                return None
            self._depth += 1
            self._known[value] = None
            self._known[value] = self._read(value)
            self._depth -= 1
        return self._known[value]

    def _read(self, value: Value) -> Shape | None:
        value = plain(value) if not isinstance(value, Returned) else value.value
        reader = _READERS.get(type(value))
        return reader(self, value) if reader is not None else None

    def _choice(self, value: Value) -> Shape | None:
        found = {self.of(option) for option in options(value) if not is_none(option)}
        return found.pop() if len(found) == 1 else None

    def _element(self, value: Value) -> Shape | None:
        assert isinstance(value, Element)
        owner = plain(value.owner)
        loader = owner.owner if isinstance(owner, Item) else owner
        if value.sample is not None and kind_of(loader if not isinstance(loader, Element) else loader.owner) is Kind.LOADER:
            inner = self.of(value.sample)
            return (ROWS, *inner) if inner is not None else None
        whole = self.of(owner)
        return whole[1:] if whole else None

    def _item(self, value: Value) -> Shape | None:
        assert isinstance(value, Item)
        owner = plain(value.owner)
        key = plain(value.key)
        known = constant(key)
        if isinstance(owner, Call) and isinstance(known, int):
            if owner.short == "train_test_split":
                source = known // 2
                return self._of_rows(self.of(owner.arguments[source])) if source < len(owner.arguments) else None
            if owner.short in _GENERATED or (owner.short in _TARGETS and "return_X_y" in owner.keywords):
                return (ROWS,) if known == 1 else (ROWS, "")
        if isinstance(known, str):
            return (ROWS,) if is_frame(owner) else None
        if isinstance(key, Display) and key.kind == "list" and is_frame(owner):
            return (ROWS, len(key.items)) if all(text(entry) is not None for entry in key.items) else None
        return _selected(self.of(owner), key)

    def _of_rows(self, shape: Shape | None) -> Shape | None:
        return (ROWS, *shape[1:]) if shape else None

    def _attribute(self, value: Value) -> Shape | None:
        assert isinstance(value, Attribute)
        owner = plain(value.owner)
        if value.name == "target" and isinstance(owner, Call) and owner.short in _TARGETS:
            return (ROWS,)
        if value.name == "data" and isinstance(owner, Call) and owner.short in _TARGETS:
            return (ROWS, "")
        if value.name in ("values", "data"):
            return self.of(owner)
        whole = self.of(owner)
        return whole[::-1] if value.name == "T" and whole else None

    def _operation(self, value: Value) -> Shape | None:
        assert isinstance(value, Operation)
        shapes = [(self.of(operand), number(operand)) for operand in value.operands]
        known = [shape for shape, literal in shapes if literal is None]
        if None in known or not known:
            return None
        return max((shape for shape in known if shape is not None), key=len)

    def _call(self, value: Value) -> Shape | None:
        op = op_of(value)
        if op is None:
            return None
        if op.maker is not None:
            return self._of_layer(op)
        reader = _CALLS.get(op.name)
        if reader is not None:
            return reader(self, op)
        if op.name in _SAME and op.operands:
            return self.of(op.operands[0])
        return None

    def _of_layer(self, op: Op) -> Shape | None:
        given = self.of(op.operands[0]) if op.operands else None
        maker = op.maker
        assert maker is not None
        if maker.short == "Linear" and given:
            width = number(maker.argument(1, "out_features"))
            return (*given[:-1], int(width) if width is not None else "")
        if op.name == "flatten" and given and maker.argument(0, "start_dim") is None:
            return (given[0], "") if len(given) > 1 else given
        return given if op.name in _SAME else None

    def _reduce(self, op: Op) -> Shape | None:
        given = self.of(op.operands[0]) if op.operands else None
        axis = op.option(0, "dim", "axis")
        if axis is None:
            return ()
        place = number(axis)
        if given is None or place is None or not -len(given) <= place < len(given):
            return None
        index = int(place) % len(given)
        kept = constant(op.option(1, "keepdim", "keepdims")) is True
        return (*given[:index], *((1,) if kept else ()), *given[index + 1 :])

    def _squeeze(self, op: Op) -> Shape | None:
        given = self.of(op.operands[0]) if op.operands else None
        if given is None:
            return None
        axis = op.option(0, "dim", "axis")
        if axis is None:
            return tuple(length for length in given if length != 1)
        place = number(axis)
        if place is None or not -len(given) <= place < len(given):
            return None
        index = int(place) % len(given)
        return given[:index] + given[index + 1 :] if given[index] == 1 else given if given[index] != "" else None

    def _unsqueeze(self, op: Op) -> Shape | None:
        given = self.of(op.operands[0]) if op.operands else None
        place = number(op.option(0, "dim", "axis"))
        if given is None or place is None:
            return None
        index = int(place) % (len(given) + 1)
        return (*given[:index], 1, *given[index:])

    def _view(self, op: Op) -> Shape | None:
        lengths = list(op.operands[1:])
        if len(lengths) == 1 and isinstance(plain(lengths[0]), Display):
            lengths = list(plain(lengths[0]).inputs())
        known = [number(length) for length in lengths]
        return tuple(ROWS if length is None or length == -1 else int(length) for length in known) if known else None

    def _flatten(self, op: Op) -> Shape | None:
        start = op.option(0, "start_dim")
        if start is None:
            return (ROWS,)
        return (ROWS, "") if number(start) == 1 else None

    def _made(self, op: Op) -> Shape | None:
        lengths = list(op.operands if op.library else op.operands[1:])
        size = op.call.keywords.get("size")
        if size is not None or (len(lengths) == 1 and isinstance(plain(lengths[0]), Display)):
            lengths = list(plain(size if size is not None else lengths[0]).inputs())
        known = [number(length) for length in lengths]
        return tuple("" if length is None else int(length) for length in known) if known else None

    def _randint(self, op: Op) -> Shape | None:
        sizes = [plain(entry) for entry in (*op.operands, *op.call.keywords.values())]
        shape = next((entry for entry in sizes if isinstance(entry, Display)), None)
        return tuple("" if (length := number(entry)) is None else int(length) for entry in shape.items) if shape is not None else None


def _selected(whole: Shape | None, key: Value) -> Shape | None:
    """What a subscript leaves of a shape."""
    keys = list(key.items) if isinstance(key, Display) and key.kind == "tuple" else [key]
    if whole is None or len(keys) > len(whole):
        return None
    found: list[int | str] = []
    axes = list(whole)
    for entry in keys:
        entry = plain(entry)
        if is_none(entry):
            found.append(1)
            continue
        length = axes.pop(0)
        if isinstance(entry, Span):
            found.append(length if entry.start is None and entry.stop is None else "")
        elif isinstance(constant(entry), int) or _is_place_of_row(entry):
            continue
        elif isinstance(entry, (Operation, Display, Repeated)):
            found.append("")
        else:
            return None if len(keys) > 1 else ((*found, *axes) if isinstance(entry, (Element, Call)) and not _is_many(entry) else None)
    return (*found, *axes)


def _is_place_of_row(entry: Value) -> bool:
    """Whether an index is what a loader hands to `__getitem__` of a data set: the place of one row."""
    return isinstance(entry, Parameter) and getattr(entry.function, "name", "") == "__getitem__"


def _is_many(entry: Value) -> bool:
    """Whether an index may be an array of many."""
    return not (isinstance(entry, Element) and isinstance(plain(entry.owner), Call) and plain(entry.owner).short in ("range", "enumerate"))  # type: ignore[attr-defined]


def is_frame(value: Value) -> bool:
    """Return whether a value surely is a pandas data frame.

    It is read from a file, or made from one by methods that return data frames.
    """
    for _ in range(20):
        value = plain(value)
        if isinstance(value, Item) and isinstance(plain(value.owner), Call) and plain(value.owner).short == "train_test_split":  # type: ignore[attr-defined]
            index = constant(value.key)
            split = plain(value.owner)
            assert isinstance(split, Call)
            if not isinstance(index, int) or index // 2 >= len(split.arguments):
                return False
            value = split.arguments[index // 2]
            continue
        if not isinstance(value, Call):
            return False
        if value.name.startswith("pandas.") and (
            value.short.startswith("read_") or value.short in ("DataFrame", "concat", "merge", "get_dummies")
        ):
            return True
        if value.method in (
            "drop",
            "dropna",
            "copy",
            "fillna",
            "reset_index",
            "sample",
            "head",
            "sort_values",
            "merge",
            "assign",
            "drop_duplicates",
        ):
            assert value.receiver is not None
            value = value.receiver
            continue
        return False
    return False


_READERS: dict[type[Value], Callable[[Shapes, Value], Shape | None]] = {
    Choice: Shapes._choice,
    Element: Shapes._element,
    Item: Shapes._item,
    Attribute: Shapes._attribute,
    Operation: Shapes._operation,
    Call: Shapes._call,
}
_CALLS: dict[str, Callable[[Shapes, Op], Shape | None]] = {
    **dict.fromkeys(_REDUCE, Shapes._reduce),
    **dict.fromkeys(_MADE, Shapes._made),
    "randint": Shapes._randint,
    "squeeze": Shapes._squeeze,
    "unsqueeze": Shapes._unsqueeze,
    "expand_dims": Shapes._unsqueeze,
    "view": Shapes._view,
    "reshape": Shapes._view,
    "flatten": Shapes._flatten,
    "ravel": Shapes._flatten,
}
