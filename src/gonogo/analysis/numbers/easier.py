"""Scores that count more answers as right than one right answer a row, or fewer rows than there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Choice,
    Const,
    Display,
    Element,
    Item,
    Operation,
    Parameter,
    Ref,
    Span,
    Unknown,
    Value,
    constant,
    number,
    plain,
)
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.numbers.same import same
from gonogo.analysis.numbers.spine import made_of
from gonogo.analysis.training.ops import op_of

MOST = 120
MOST_DEEP = 12
# What counts or averages comparisons, and what gives them another form.
_THROUGH = words(
    """
    mean sum any item float double int cpu numpy detach tolist astype to view reshape squeeze flatten count_nonzero round append
    """
)
_FORMS = words("cpu numpy detach tolist view reshape squeeze flatten long int to astype t contiguous expand_as unsqueeze clone")
_SURENESS = words("softmax log_softmax sigmoid max exp entropy topk quantile std sort argsort norm logsumexp")


@dataclass(frozen=True, eq=False)
class Easier:
    """What makes a score easier than its name.

    Attributes:
        kind: `several`, `groups`, `near`, `sure` or `also`.
        at: where it is computed.
        what: of a message, after "counts".
    """

    kind: str
    at: Value
    what: str


def easier(value: Value) -> Easier | None:
    """What makes a share of right answers easier to reach; None where nothing surely does."""
    for entry in _counted(value):
        found = _of_function(entry) or _of_also(entry) or _of_comparison(entry) or _of_part(entry)
        if found is not None:
            return found
    return None


def _counted(value: Value) -> Iterator[Value]:
    """The comparisons that a number counts, and the values on the way to them."""
    pending, seen = [value], set[Value]()
    while pending and len(seen) < MOST:
        entry = plain(pending.pop(0))
        if entry in seen:
            continue
        seen.add(entry)
        yield entry
        op = op_of(entry)
        if isinstance(entry, Choice):
            pending += entry.options
        elif op is not None and op.name in _THROUGH:
            pending += op.operands[:1]
        elif isinstance(entry, Operation) and entry.operator in ("/", "-"):
            pending += entry.operands[:1]
        elif isinstance(entry, Operation) and (entry.operator in ("*", "|") or (entry.operator == "+" and not _adds_up(entry))):
            pending += entry.operands
        elif isinstance(entry, Item) and not _is_one_rank(entry.key):
            pending.append(entry.owner)
        elif isinstance(entry, Display) and entry.kind == "list" and not entry.items and len(entry.added) == 1:
            pending += entry.added  # the answers of each batch, gathered in a list
        elif isinstance(entry, Element):
            pending.append(entry.owner)


def _adds_up(total: Operation) -> bool:
    """Whether both parts of a sum count answers, each its own: together they may be those of all rows."""
    counted = [{entry for entry in made_of(part) if _compared(entry) is not None} for part in total.operands]
    return len(counted) == 2 and bool(counted[0] - counted[1]) and bool(counted[1] - counted[0])


def _is_one_rank(key: Value) -> bool:
    """Whether one place is taken of several: `hits[:, 0]`, `hits[:1]`."""
    key = plain(key)
    for part in key.items if isinstance(key, Display) else (key,):
        known = constant(part)
        if isinstance(known, int) and not isinstance(known, bool):
            return True
        if isinstance(part, Span) and (part.start is None or constant(part.start) == 0) and constant(part.stop) == 1:
            return True
    return False


def _of_function(value: Value) -> Easier | None:
    """A metric of a library that takes several answers for one."""
    if not isinstance(value, Call) or value.is_open:
        return None
    if value.short == "top_k_accuracy_score":
        several = number(value.keywords["k"]) if "k" in value.keywords else 2.0
    elif value.short in ("accuracy", "multiclass_accuracy") and value.name.startswith("torchmetrics."):
        several = number(value.keywords.get("top_k"))
    else:
        return None
    return _several(value, several) if several is not None and several > 1 else None


def _several(at: Value, count: float) -> Easier:
    return Easier("several", at, f"an answer as right if the label is among {count:g} that the network may give")


def _of_comparison(value: Value) -> Easier | None:
    """A comparison of predictions with labels that holds for more than the one right answer."""
    pair = _compared(value)
    if pair is not None:
        for side in pair:
            count = _answers(side)
            if count is not None and count > 1:
                return _several(value, count)
        size = _grouped(*pair)
        if size:
            return Easier("groups", value, f"an answer as right if it is in the label's {size}")
        chosen = _of_chosen_rows(*pair)
        if chosen:
            return Easier("sure", value, f"only {chosen}")
    if isinstance(value, Operation) and value.operator in ("<=", "<") and len(value.operands) == 2 and _is_near(value):
        return Easier("near", value, "an answer as right if it is near the label")
    return None


def _of_also(value: Value) -> Easier | None:
    """Right answers, and rows that count as right for what the network puts out, whatever their labels."""
    parts = _either(value)
    pairs = {part: pair for part in parts if (pair := _compared(_unwrapped(part))) is not None and any(map(_predicts, pair))}
    for pair in pairs.values():
        outputs = set(_outputs(next(filter(_predicts, pair))))
        if any(other not in pairs and _is_of(other, outputs) for other in parts):
            return Easier("also", value, "rows as right for the network's outputs alone, whatever their labels are")
    return None


def _is_of(value: Value, outputs: set[Value], depth: int = 0) -> bool:
    """Whether a value is made of outputs and constants, and of nothing else.

    What asks for padding or a second label is not.
    """
    entry = plain(value)
    if entry in outputs:
        return True
    if depth > MOST_DEEP or isinstance(entry, (Choice, Parameter, Element, Unknown)):
        return False
    data = [part for part in entry.inputs() if not _is_fixed(plain(part))]
    return bool(data) and all(_is_of(part, outputs, depth + 1) for part in data)


def _is_fixed(value: Value) -> bool:
    """Whether a value is a constant, a function of a library, or made of nothing else."""
    if isinstance(value, (Const, Ref)):
        return True
    return isinstance(value, (Span, Display, Operation)) and all(_is_fixed(plain(part)) for part in value.inputs())


def _either(value: Value) -> list[Value]:
    """The conditions of which one is enough: `a | b`, `a or b`, `logical_or(a, b)`, `where(a, True, b)`."""
    value = plain(value)
    op = op_of(value)
    if isinstance(value, Operation) and value.operator in ("|", "or"):
        parts = list(value.operands)
    elif op is not None and op.name in ("logical_or", "bitwise_or", "logical_or_", "maximum") and len(op.operands) == 2:
        parts = list(op.operands)
    elif op is not None and op.name == "where" and len(op.operands) == 3 and constant(op.operands[1]) == 1:
        parts = [op.operands[0], op.operands[2]]
    elif op is not None and op.name in ("masked_fill", "masked_fill_") and len(op.operands) == 3 and constant(op.operands[2]) == 1:
        parts = [op.operands[1], op.operands[0]]
    else:
        return []
    return [inner for part in parts for inner in (_either(_unwrapped(part)) or [part])]


def _compared(value: Value) -> tuple[Value, Value] | None:
    """The two values that are held against each other row by row."""
    if isinstance(value, Operation) and value.operator in ("==", "in") and len(value.operands) == 2:
        return value.operands[0], value.operands[1]
    op = op_of(value)
    if op is not None and op.name in ("eq", "isin", "equal") and len(op.operands) >= 2:
        return op.operands[0], op.operands[1]
    if op is not None and op.name == "accuracy_score" and op.library == "sklearn":
        true, predicted = op.operand(0, "y_true"), op.operand(1, "y_pred")
        return (true, predicted) if true is not None and predicted is not None else None
    return None


def _unwrapped(value: Value) -> Value:
    """A value in the form in which it was computed."""
    for _ in range(MOST):
        value = plain(value)
        if isinstance(value, Call) and value.method in _FORMS and value.receiver is not None:
            value = value.receiver
        elif isinstance(value, Attribute) and value.name in ("indices", "T", "data"):  # noqa: SIM114
            value = value.owner
        elif isinstance(value, Item) and (constant(value.key) == 1 or _only_adds_a_dimension(value.key)):
            value = value.owner
        else:
            return value
    return value


def _only_adds_a_dimension(key: Value) -> bool:
    key = plain(key)
    parts = key.items if isinstance(key, Display) else (key,)
    return all(constant(part) is None or (isinstance(part, Span) and not list(part.inputs())) for part in parts)


def _answers(value: Value) -> float | None:
    """How many of the most likely classes of each row a value holds."""
    value = _unwrapped(value)
    op = op_of(value)
    if op is not None and op.name == "topk":
        count = op.operand(1, "k")
        return number(count) if count is not None else None
    if not isinstance(value, Item):
        return None
    inner = op_of(value.owner)
    key = plain(value.key)
    last = key.items[-1] if isinstance(key, Display) and key.items else key
    if inner is None or inner.name != "argsort" or not isinstance(last, Span) or last.step is not None:
        return None
    start, stop = constant(last.start), constant(last.stop)
    if isinstance(start, int) and start < 0 and last.stop is None:
        return -start
    return stop if isinstance(stop, int) and stop > 0 and last.start is None else None


def _grouped(one: Value, other: Value) -> str:
    """How classes are taken together before they are compared; nothing where they are not.

    A table that leaves more than half of them apart may be of classes that two data sets name differently.
    """
    one, other = _unwrapped(one), _unwrapped(other)
    if isinstance(one, Operation) and isinstance(other, Operation) and one.operator == other.operator and len(one.operands) == 2:
        sizes = number(one.operands[1]), number(other.operands[1])
        if one.operator in ("//", "%") and sizes[0] is not None and sizes[0] == sizes[1] and sizes[0] > 1 and _is_answer(one, other):
            return f"group of classes (`{one.operator} {sizes[0]:g}`)"
    if isinstance(one, Item) and isinstance(other, Item) and one.key is not other.key and same(one.owner, other.owner):
        table = _table(one.owner)
        if 2 * len(set(table)) <= len(table) and table and _is_answer(one, other):
            return f"group of classes ({len(set(table))} for {len(table)})"
    return ""


def _is_answer(*values: Value) -> bool:
    """Whether one of some values is the class that is the most likely."""
    return any((op := op_of(entry)) is not None and op.name == "argmax" for value in values for entry in made_of(value))


def _table(value: Value) -> list[object]:
    """The literals of a list, or of a tensor or array that is made of one."""
    value = plain(value)
    if isinstance(value, Call) and value.short in ("tensor", "array", "asarray", "as_tensor") and value.arguments:
        value = plain(value.arguments[0])
    if not isinstance(value, Display) or value.is_open or value.added:
        return []
    known = [constant(entry) for entry in value.items]
    return known if all(isinstance(entry, (int, str)) for entry in known) else []


def _is_near(value: Operation) -> bool:
    """Whether the class that is the most likely may be off by one."""
    bound = number(value.operands[1])
    op = op_of(_unwrapped(value.operands[0]))
    if bound is None or op is None or op.name != "abs" or not op.operands or bound < 1 or (value.operator == "<" and bound == 1):
        return False
    difference = _unwrapped(op.operands[0])
    if not isinstance(difference, Operation) or difference.operator != "-":
        return False
    return any((inner := op_of(_unwrapped(part))) is not None and inner.name == "argmax" for part in difference.operands)


def _of_part(value: Value) -> Easier | None:
    """A part of the comparisons that the network's sureness chooses."""
    if not isinstance(value, Item):
        return None
    pair = next((pair for entry in _counted(value.owner) if (pair := _compared(entry)) is not None), None)
    if pair is None:
        return None
    outputs = {entry for side in pair if _predicts(side) for entry in _outputs(side)}
    chosen = _chooses(value.key, outputs)
    return Easier("sure", value, f"only {chosen}") if chosen else None


def _of_chosen_rows(one: Value, other: Value) -> str:
    """Which rows both sides of a comparison are of, where the network's own outputs chose them."""
    parts = [(side, entry) for side in (one, other) if (entry := _part(side)) is not None]
    if len(parts) != 2 or parts[0][1].key is not parts[1][1].key:
        return ""
    predicted = (part for side, part in parts if _predicts(side))
    return next((chosen for part in predicted if (chosen := _chooses(part.key, set(_outputs(part.owner))))), "")


def _predicts(side: Value) -> bool:
    """Whether a side of a comparison is the classes that are the most likely, and not the labels."""
    side = _unwrapped(side)
    op = op_of(_unwrapped(side.owner) if isinstance(side, Item) else side)
    return op is not None and op.name in ("argmax", "max")


def _part(value: Value) -> Item | None:
    """The selection of rows behind predictions or labels."""
    for _ in range(6):
        value = _unwrapped(value)
        op = op_of(value)
        if isinstance(value, Item):
            return value
        if op is None or op.name not in ("argmax", "softmax", "max") or not op.operands:
            return None
        value = op.operands[0]
    return None


def _outputs(value: Value) -> Iterator[Value]:
    """What a prediction was made of before its largest entry was taken."""
    for _ in range(6):
        value = _unwrapped(value)
        yield value
        op = op_of(value)
        if op is None or op.name not in ("argmax", "softmax", "max") or not op.operands:
            return
        value = op.operands[0]


def _chooses(key: Value, outputs: set[Value]) -> str:
    """Which rows are chosen by how sure, or how right, their own outputs are; nothing where they are not."""
    key = plain(key)
    if isinstance(key, Span) or constant(key) is not ...:
        return ""
    made = list(made_of(key))
    names = {op.name for entry in made if (op := op_of(entry)) is not None}
    compares = any(isinstance(entry, Operation) and entry.operator in (">", ">=", "<", "<=") for entry in made)
    cut = any(isinstance(entry, Item) and isinstance(plain(entry.key), Span) for entry in made)
    orders = "topk" in names or (names & {"argsort", "sort"} and cut)
    if not any(entry in outputs for entry in made):
        return ""
    if any((pair := _compared(entry)) is not None and any(_is_answer(side) for side in pair) for entry in made):
        return "rows that are chosen by whether they are right"
    return "the rows of which the network is sure" if names & _SURENESS and (compares or orders) else ""
