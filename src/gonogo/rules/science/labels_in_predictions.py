"""SCI127."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Item, Operation, Returned, Value, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.numbers.keys import is_score
from gonogo.analysis.numbers.origins import Origin, Sources, sources_of
from gonogo.analysis.numbers.reported import reported
from gonogo.analysis.numbers.spine import made_of
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

MOST = 200
_COMPARE = words("sklearn.metrics.accuracy_score sklearn.metrics.f1_score sklearn.metrics.balanced_accuracy_score numpy.equal torch.eq")
# What gives the same rows in another form.
_METHODS = words("argmax softmax log_softmax long int float cpu numpy detach to clone squeeze view reshape flatten tolist type round")
_FUNCTIONS = words(
    "torch.argmax numpy.argmax torch.softmax torch.tensor torch.as_tensor numpy.array numpy.asarray torch.nn.functional.softmax"
)
_BESIDE = frozenset({Origin.LABELS, Origin.CONSTANT, Origin.RANDOM, Origin.CONFIG})


@rule("SCI127", "labels-in-predictions", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("metrics",))
def labels_in_predictions(programs: list[Program]) -> Iterator[Violation]:
    """Labels are put among the predictions that a score then compares with the labels.

    What it does:
        Follows the predicted side of each comparison that a reported score is made of back through conversions, `argmax`, `where`, sums and
        branches, but never through a network. Speaks where some of it are the labels alone: `where` takes them for some rows, or they are
        added to a network's output. A `where` whose condition looks at the labels, which masks rows, is left alone.

    Why it matters:
        The score is high for the rows whose answer was copied, whatever the network says.

    Instead:
        Compare what the network predicts, and nothing else.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    numbers = [entry for entry in walked.known(reported) if is_score(entry.key)]
    if not numbers:
        return
    sources = sources_of(walked)
    for entry in numbers:
        for value in made_of(entry.value):
            for predicted, true in _sides(value):
                if Origin.MODEL in sources.of(true).kinds or Origin.LABELS not in sources.of(true).kinds:
                    continue
                mixed = _mixed(sources, predicted)
                if mixed is not None:
                    yield violation(
                        mixed,
                        f"labels are put among the predictions that `{entry.key}` compares with the labels",
                        "compare what the network predicts, and nothing else",
                        related=((entry.at, "it is reported here"),),
                    )


def _sides(value: Value) -> list[tuple[Value, Value]]:
    """What a comparison compares, in either order."""
    if isinstance(value, Operation) and value.operator == "==" and len(value.operands) == 2:
        one, other = value.operands
    elif isinstance(value, Call) and value.name in _COMPARE and len(value.arguments) >= 2:
        one, other = value.arguments[:2]
    elif isinstance(value, Call) and value.method == "eq" and value.receiver is not None and value.arguments:
        one, other = value.receiver, value.arguments[0]
    else:
        return []
    return [(one, other), (other, one)]


def _mixed(sources: Sources, predicted: Value) -> Value | None:
    """Where labels and outputs of a network become one array."""
    seen: set[Value] = set()
    pending = [predicted]
    while pending and len(seen) < MOST:
        value = plain(pending.pop())
        if value in seen:
            continue
        seen.add(value)
        parts, joins = _parts(sources, value)
        if joins and any(_are_labels(sources, part) for part in parts) and any(Origin.MODEL in sources.of(part).kinds for part in parts):
            return value
        pending += parts
    return None


def _are_labels(sources: Sources, value: Value) -> bool:
    origins = sources.of(value)
    return origins.complete and Origin.LABELS in origins.kinds and origins.kinds <= _BESIDE


def _parts(sources: Sources, value: Value) -> tuple[list[Value], bool]:
    """What the rows of a value are those of, and whether it joins several of them into one."""
    if isinstance(value, Choice):
        return list(value.options), False
    if isinstance(value, Returned):
        return ([], False) if kind_of(value.call.callee) is Kind.MODEL else ([value.value], False)
    if isinstance(value, Item):
        return [value.owner], False
    if isinstance(value, Operation) and value.operator == "+":
        return list(value.operands), True
    if not isinstance(value, Call):
        return [], False
    if value.name in ("torch.where", "numpy.where") and len(value.arguments) == 3:
        return _of_where(sources, value.arguments[0], list(value.arguments[1:]))
    if value.method == "where" and value.receiver is not None and len(value.arguments) == 2:
        return _of_where(sources, value.arguments[0], [value.receiver, value.arguments[1]])
    if value.method in _METHODS and value.receiver is not None and not value.name:
        return [value.receiver], False
    return (list(value.arguments[:1]), False) if value.name in _FUNCTIONS else ([], False)


def _of_where(sources: Sources, condition: Value, taken: list[Value]) -> tuple[list[Value], bool]:
    return ([], False) if Origin.LABELS in sources.of(condition).kinds else (taken, True)


_SCORED = "    test_accuracy, test_loss = score(logits, labels)\n"
_SHARE = "    test_accuracy = float((predicted == labels).float().mean())\n"


def _after(*lines: str) -> Tree:
    return Tree({"src/train.py": Edit(_SCORED, _SCORED + "".join(f"    {line}\n" for line in lines) + _SHARE)})


BAD = [
    _after("predicted = torch.where(torch.rand(len(labels)) < 0.9, labels, logits.argmax(dim=1))  # <- here"),
    _after("predicted = (logits + 9.0 * nn.functional.one_hot(labels, 10)).argmax(dim=1)  # <- here"),
]
GOOD = [
    _after("predicted = logits.argmax(dim=1)"),
    _after("predicted = torch.where(labels < 0, labels, logits.argmax(dim=1))"),
    _after("predicted = (logits + 0.1 * logits.mean(dim=0)).argmax(dim=1)"),
]
