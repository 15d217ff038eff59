"""LEK108."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, Span, Value, constant, number, plain, text
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.numbers.shown import shown
from gonogo.analysis.numbers.splits import training_loaders
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, last_name, text_of
from gonogo.analysis.rows.cuts import INNER, cuts, model_fits, scored_on
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.learners import SEARCHES, Fit, learner_of
from gonogo.analysis.rows.overlaps import overlaps
from gonogo.analysis.rows.parts import TORCH_DATASETS, Role, parts_in, role_of_loader
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

METRICS = ("accuracy_score", "f1_score", "r2_score", "mean_squared_error", "mean_absolute_error", "classification_report", "roc_auc_score")


@rule("LEK108", "same-rows-scored", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def same_rows_scored(programs: list[Program]) -> Iterator[Violation]:
    """The rows that a model is scored on are among those that it was fitted to.

    What it does:
        Speaks where a model is fitted to all rows, or to both parts together, and is then scored on the test part; where the loader
        that is called the test loader is made of the training set itself, or of one that is made in the same words; where the score on the
        training part is printed as that of the test; where two slices that are called train and test overlap. Where a
        script holds nothing out, its score on the training rows is a warning, unless it says that it is one.
        A last fit to all rows after the score is right, and so is a score on the training part beside one on the test part.

    Why it matters:
        The score says how well the model remembers, not how well it predicts (Kapoor and Narayanan, Leakage and the reproducibility
        crisis in machine-learning-based science, 2023: no test set, duplicates in both parts).

    Instead:
        Fit on the training part; keep the parts apart.
    """
    yield from by_place(
        (
            *(found for walked in programs for found in _found(walked)),
            *(found for module in dict.fromkeys(walked.module for walked in programs) for found in _written_out(module)),
            *(found for module in dict.fromkeys(walked.module for walked in programs) for found in _called_by_name(module)),
        )
    )


def _found(walked: Program) -> Iterator[Violation]:
    yield from _fitted_to_all(walked)
    loaders = list(_loaders(walked))
    yield from loaders
    yield from _slices(walked)
    yield from _never_held_out(walked)
    yield from _called_test(walked)
    known = {found.location for found in loaders}
    yield from (found for found in _shown(walked) if not any(other.location in known for other in found.related))


def _fitted_to_all(walked: Program) -> Iterator[Violation]:
    order, parts = walked.known(Order), parts_in(walked)
    listed = walked.known(model_fits)
    for event, held in walked.known(scored_on):
        receiver = event.call.receiver
        fit = _last_fit(listed, learner_of(receiver), order.place(event), order) if receiver is not None else None
        if fit is None or fit.event is event:
            continue
        given = parts.held(fit.data)
        splits = {part.split for part in held.parts if part.role is Role.TEST}
        both = {part.split for part in given.parts if part.role is Role.TEST} & splits
        cut = next(
            (cut for cut in walked.known(cuts) if cut.split in splits and not given.parts and given.whole & parts.held(cut.data).whole),
            None,
        )
        if (both and Role.TRAIN in given.roles()) or (cut is not None and cut.sure and not parts.held(cut.data).parts):
            yield violation(
                event,
                "the model is scored on rows that it was fitted to",
                "fit it on the training part only",
                sure=held.sure and (cut is not None or given.sure),
                related=((fit.event, "it is fitted to them here"),),
            )


def _never_held_out(walked: Program) -> Iterator[Violation]:
    """A classifier or regressor whose only score is the one on the rows that it was fitted to."""
    if bool(walked.known(cuts)) or bool(walked.known(scored_on)) or not walked.is_script or walked.has(*INNER, "load_dataset", "split"):
        return
    order, parts = walked.known(Order), parts_in(walked)
    for event in walked.calls("score", *METRICS):
        call = event.call
        if call.short == "score":
            receiver, data = call.receiver, call.argument(0, "X")
        else:
            receiver, data = _predicted(call.argument(1, "y_pred"))
        fit = _last_fit(walked.known(model_fits), learner_of(receiver), order.place(event), order) if receiver is not None else None
        if fit is None or data is None or fit.name in SEARCHES or "train" in _said(event).lower():
            continue
        given = parts.held(data)
        if base(data) is base(fit.data) and not given.parts and isinstance(base(data), (Call, Item)):
            yield violation(
                event,
                "the only score is the one on the rows that the model was fitted to",
                "hold out a test part, or cross-validate",
                sure=False,
                related=((fit.event, "it is fitted to them here"),),
            )


def _predicted(value: Value | None) -> tuple[Value | None, Value | None]:
    """The model and the rows that predictions are of."""
    made = base(value) if value is not None else None
    if isinstance(made, Call) and made.method in ("predict", "predict_proba"):
        return made.receiver, made.argument(0, "X")
    return None, None


def _said(event: Event) -> str:
    """The statement that a call stands in."""
    for parent in ancestors(event.module, event.node):
        if isinstance(parent, ast.stmt):
            return ast.unparse(parent) if not isinstance(parent, (ast.FunctionDef, ast.ClassDef)) else ""
    return ""


def _last_fit(listed: list[Fit], learner: Value, place: int, order: Order) -> Fit | None:
    """The fit of a model that holds at some place."""
    before = [fit for fit in listed if fit.learner is learner and order.place(fit.event) < place]
    return before[-1] if before else None


def _loaders(walked: Program) -> Iterator[Violation]:
    made = list(walked.gather(loaders_made))
    named = [(role_of_loader(loader), loader) for loader in made if not _selects(loader)]
    for role, loader in named:
        dataset = loader.argument(0, "dataset")
        if role not in (Role.TEST, Role.VALID) or dataset is None or "train" in name_of(loader).lower():
            continue
        twin = next((other for kind, other in named if kind is Role.TRAIN and _same(other.argument(0, "dataset"), dataset)), None)
        twin = twin or next((other for kind, other in named if kind is Role.TRAIN and _are_twins(other, dataset)), None)
        inner = parts_in(walked).held(dataset)
        if twin is not None:
            yield violation(
                loader,
                f"`{name_of(loader) or ast.unparse(loader.node)}` is made of the training set itself",
                "make it of rows that are held out",
                related=((twin, "the training loader"),),
            )
        elif (
            role is Role.TEST
            and inner.parts
            and inner.roles() == {Role.TRAIN}
            and inner.sure
            and all(part.at is base(dataset) for part in inner.parts)
        ) and any(kind is Role.TRAIN and parts_in(walked).held(other).parts == inner.parts for kind, other in named):
            yield violation(loader, f"`{name_of(loader)}` holds the training part", "make it of rows that are held out")


def _selects(loader: Call) -> bool:
    return any(loader.argument(None, name) is not None for name in ("sampler", "batch_sampler")) or loader.is_open


def _same(one: Value | None, other: Value) -> bool:
    return (one is not None and base(one) is base(other) and isinstance(base(one), (Call, Item))) or (
        one is not None and base(one) is base(other) and bool(name_of(base(one)))
    )


def _are_twins(loader: Call, other: Value) -> bool:
    """Whether two data sets of a library are made in the same words: the training part, read twice."""
    one = loader.argument(0, "dataset")
    first, second = base(one) if one is not None else None, base(other)
    if not isinstance(first, Call) or not isinstance(second, Call) or first is second or first.is_open or second.is_open:
        return False
    asked = constant(second.argument(None, "train")) is True or (text(second.argument(None, "split")) or "").startswith("train")
    return asked and TORCH_DATASETS.match(second.name) is not None and ast.unparse(first.node) == ast.unparse(second.node)


# Metrics of scikit-learn that are given the truth first and predictions second.
METRICS = (
    "accuracy_score",
    "f1_score",
    "balanced_accuracy_score",
    "r2_score",
    "mean_absolute_error",
    "mean_squared_error",
    "roc_auc_score",
)
TEST = re.compile(r"(?:^|[^a-z-])test(?:ing)?(?:[^a-z]|$)")


def _called_test(walked: Program) -> Iterator[Violation]:
    """`print("test accuracy", model.score(X_train, y_train))`, and the same by a metric.

    Under a key or in an f-string.
    """
    parts = parts_in(walked)
    for event in walked.calls("score", *METRICS):
        is_metric = event.call.method != "score"
        data = event.call.argument(0, "y_true" if is_metric else "X")
        if is_metric and not (event.call.name.startswith("sklearn.metrics.") and _is_predicted(event.call)):
            continue
        held = parts.held(data) if data is not None else None
        if held is None or held.roles() != {Role.TRAIN} or not held.sure:
            continue
        labels = [label.lower() for label in _labels(event.module, event.node)]
        if any(TEST.search(label) and "train" not in label for label in labels):
            yield violation(event, "this is called the test score, and is the score on the training part", "score the test part", sure=True)


def _shown(walked: Program) -> Iterator[Violation]:
    """A score that is printed as the test's, of a loader that holds the training part."""
    for printed in walked.known(shown) if walked.is_script else ():
        loaders = training_loaders(walked, printed.label, printed.value)
        if loaders:
            yield Violation(
                printed.at.module.location(printed.node),
                "this is called the test score, and is the score on the training part",
                "score the test part",
                certainty=Certainty.DERIVED,
                related=(Related(location=loaders[0].module.location(loaders[0].node), label="the loader of the training part"),),
            )


LOADER = re.compile(r"^(?:tr|train|training)_?(?:data)?_?(?:loader|dl|set|ds|iter)$")
SCORES = re.compile(r"eval|test|acc|score|valid", re.IGNORECASE)


def _called_by_name(module: Module) -> Iterator[Violation]:
    """`print("test accuracy", evaluate(net, train_loader))`.

    A function of the file scores what is called the training loader.
    """
    own = {entry.name for entry in module.of(ast.FunctionDef) if SCORES.search(entry.name)}
    for call in module.of(ast.Call):
        if not (isinstance(call.func, ast.Name) and call.func.id in own):
            continue
        names = [entry.id for entry in call.args if isinstance(entry, ast.Name)]
        if not any(LOADER.match(name) for name in names) or any(TEST.search(name.replace("_", " ")) or "val" in name for name in names):
            continue
        if any(TEST.search(label.lower()) and "train" not in label.lower() for label in _labels(module, call)):
            yield Violation(
                module.location(call),
                "this is called the test score, and is the score on the training part",
                "score the test part",
                severity=Severity.WARNING,
                certainty=Certainty.LIKELY,
            )


def _is_predicted(call: Call) -> bool:
    """Whether the second argument of a metric comes from a model's own predictions.

    Not from a cross-validation.
    """
    given = call.argument(1, "y_pred", "y_score")
    made = base(plain(given)) if given is not None else None
    if isinstance(made, Item):
        made = base(plain(made.owner))
    return isinstance(made, Call) and made.method in ("predict", "predict_proba", "decision_function")


def _labels(module: Module, node: ast.AST, depth: int = 0) -> Iterator[str]:
    """What a number is called where it is shown or kept: the text before it, its key, its name."""
    inner, parent = node, module.parents.get(node)
    while isinstance(parent, ast.BinOp) or (isinstance(parent, ast.Call) and last_name(parent.func) in ("round", "float", "str")):
        inner, parent = parent, module.parents.get(parent)
    if isinstance(parent, ast.Call) and inner in parent.args:
        place = parent.args.index(inner)
        if place and isinstance(label := parent.args[place - 1], ast.Constant) and isinstance(label.value, str):
            yield label.value
    elif isinstance(parent, ast.Dict):
        yield from (text_of(key) or "" for key, value in zip(parent.keys, parent.values, strict=True) if value is inner and key is not None)
    elif isinstance(parent, ast.FormattedValue) and isinstance(whole := module.parents.get(parent), ast.JoinedStr):
        place = whole.values.index(parent)
        before = whole.values[place - 1] if place else None
        yield re.split(r"[,;|\n]", str(before.value))[-1] if isinstance(before, ast.Constant) else ""
    elif isinstance(parent, ast.Assign) and depth == 0:
        target = parent.targets[0]
        yield (text_of(target.slice) or "") if isinstance(target, ast.Subscript) else last_name(target).replace("_", " ")
        stored = [use for use in module.named.get(last_name(target), ()) if isinstance(use.ctx, ast.Store)]
        if isinstance(target, ast.Name) and len(stored) == 1:
            for use in module.named[target.id]:
                if isinstance(use.ctx, ast.Load):
                    yield from _labels(module, use, depth + 1)


def _slices(walked: Program) -> Iterator[Violation]:
    """`train = X[:800]` and `test = X[700:]`."""
    order, parts, fits = walked.known(Order), parts_in(walked), walked.known(model_fits)
    seen: set[Item] = set()
    for event, _ in walked.known(scored_on):
        receiver = event.call.receiver
        fitted = _last_fit(fits, learner_of(receiver), order.place(event), order) if receiver is not None else None
        found: dict[Value, list[tuple[Role, Item, float | None, float | None]]] = {}
        for given in event.call.arguments[:1]:
            _collect(found, parts.held(given).parts)
        for fit in [fitted] if fitted is not None else fits:
            _collect(found, parts.held(fit.data).parts)
        yield from _overlapping(found, seen)


def _overlapping(found: dict[Value, list[tuple[Role, Item, float | None, float | None]]], seen: set[Item]) -> Iterator[Violation]:
    """The test slices that overlap what their own model was fitted to.

    Other folds have these rows rightly.
    """
    for listed in found.values():
        for role, item, start, _ in listed:
            for other, before, begin, stop in listed:
                if (
                    role is Role.TEST
                    and other is Role.TRAIN
                    and start is not None
                    and stop is not None
                    and 0 <= (begin or 0) <= start < stop
                    and item not in seen
                ):
                    seen.add(item)
                    yield violation(
                        item,
                        "the test slice overlaps the training slice",
                        "begin it where the training slice ends",
                        related=((before, "the training slice"),),
                    )


def _written_out(module: Module) -> Iterator[Violation]:
    """`train, test = order[:400], order[300:]`: rows or their numbers, whoever learns from them."""
    for test, train in overlaps(module):
        yield Violation(
            module.location(test.node),
            "the test slice overlaps the training slice",
            "begin it where the training slice ends",
            (Related(location=module.location(train.node), label="the training slice"),),
        )


def _collect(found: dict[Value, list[tuple[Role, Item, float | None, float | None]]], parts: frozenset[object]) -> None:
    for part in parts:
        at = getattr(part, "at", None)
        key = plain(at.key) if isinstance(at, Item) else None
        if isinstance(at, Item) and isinstance(key, Span) and key.step is None:
            start, stop = _bound(key.start), _bound(key.stop)
            listed = found.setdefault(base(at.owner), [])
            if all(at is not item for _, item, _, _ in listed):
                listed.append((part.role, at, start if key.start is not None else 0, stop))  # type: ignore[attr-defined]


def _bound(value: Value | None) -> float | None:
    known = number(value) if value is not None and constant(value) is not None else None
    return known if known is not None and known >= 0 else None


HEAD = """from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = SVC()
"""
LOADERS = """import torch
from torch.utils.data import DataLoader, TensorDataset, random_split

data = TensorDataset(torch.randn(100, 4), torch.randint(2, (100,)))
{split}
train_loader = DataLoader({train}, batch_size=8, shuffle=True)
test_loader = DataLoader({test}, batch_size=8){marker}
print(len(train_loader), len(test_loader))
"""
METRIC = "from sklearn.metrics import accuracy_score\nmodel.fit(X_train, y_train)\nacc = accuracy_score(y_train, model.predict(X_train))"
BAD = [
    program(HEAD + METRIC + '  # <- here\nprint(f"Test accuracy: {acc:.3f}")\n'),
    program(HEAD + METRIC.replace("acc = ", 'scores = {"test_acc": ') + "}  # <- here\nprint(scores)\n"),
    program(HEAD + "model.fit(X, y)\nprint(model.score(X_test, y_test))  # <- here\n"),
    program(LOADERS.format(split="torch.manual_seed(0)", train="data", test="data", marker="  # <- here")),
    program(
        HEAD + "X_train, X_test = X[:1000], X[900:]  # <- here\nmodel.fit(X_train, y[:1000])\nprint(model.score(X_test, y[900:]))\n",
    ),
]
_NUMBERS = "import numpy as np\n\norder = np.random.default_rng(0).permutation(500)\n"
BAD += [
    program(_NUMBERS + "train, test = order[:400], order[300:]  # <- here\nprint(train, test)\n"),
    program(
        _NUMBERS
        + "def split(rows):\n    x_train = rows[:80]\n    x_test = rows[60:]  # <- here\n    return x_train, x_test\n\n\nsplit(1)\n"
    ),
]
SCORED = (
    LOADERS.split("print")[0].replace("{marker}", "")
    + """

def evaluate(net, loader):
    return sum((net(rows).argmax(1) == labels).sum().item() for rows, labels in loader)


print({shown}, evaluate(torch.nn.Linear(4, 2), {loader})){marker}
"""
)
_APART = {"split": "train, test = random_split(data, [80, 20])", "train": "train", "test": "test"}
BAD += [program(SCORED.format(**_APART, shown='"test"', loader="train_loader", marker="  # <- here"))]
GOOD = [
    program(SCORED.format(**_APART, shown='"train"', loader="train_loader", marker="")),
    program(SCORED.format(**_APART, shown='"test"', loader="test_loader", marker="")),
    program(HEAD + METRIC + '\nprint(f"Train accuracy: {acc:.3f}, test accuracy: {model.score(X_test, y_test)}")\n'),
    program(HEAD + METRIC + '\nprint("train/test gap", acc - model.score(X_test, y_test))\n'),
    program(_NUMBERS + "train, test = order[:400], order[400:]\nprint(train, test)\n"),
    program(_NUMBERS + "train = order[:400]\norder = order[400:]\ntest = order[:50]\nprint(train, test)\n"),
    program(_NUMBERS + "train, test = order[100:], order[:100]\nprint(train, test)\n"),
    program(HEAD + "model.fit(X_train, y_train)\nprint(model.score(X_test, y_test))\nmodel.fit(X, y)\n"),
    program(LOADERS.format(split="train, test = random_split(data, [80, 20])", train="train", test="test", marker="")),
    program(HEAD + "X_train, X_test = X[:1000], X[1000:]\nmodel.fit(X_train, y[:1000])\nprint(model.score(X_test, y[1000:]))\n"),
]
