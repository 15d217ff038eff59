"""LEK109."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Branch, Called, Event, Loop
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import (
    Attribute,
    Call,
    Display,
    Item,
    Mapping,
    Operation,
    Repeated,
    Returned,
    Turn,
    Value,
    constant,
    options,
    plain,
)
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.cuts import scored_on
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.kept_by import chosen_by_test
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import LOADS, SPLITTERS, Held, Part, Role, is_split_call, maker_of, parts_in, role_of_name
from gonogo.analysis.training.kinds import Kind, kind_of
from gonogo.analysis.training.made import loaders_made
from gonogo.analysis.training.uses import SCORES, ancestry, operations
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import Placed, violation

STOPS = re.compile(r"EarlyStopping|early_stopping")
GIVEN = ("eval_set", "validation_data", "valid_sets", "evals", "eval_dataset", "val_dataloaders", "val_dataloader", "eval_data")
SCORING = SCORES | {"predict", "predict_proba", "score", "evaluate", "decision_function", "test", "eq"}
SELECTS = frozenset({"Subset", "filter", "select", "take", "query", "SubsetRandomSampler"})
BEST = re.compile(r"best|max_?acc|min_?loss|top_|lowest|highest", re.IGNORECASE)


@rule("LEK109", "selected-on-test", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def selected_on_test(programs: list[Program]) -> Iterator[Violation]:
    """The epoch, checkpoint, hyper-parameter or threshold is chosen by the score on the test part.

    What it does:
        Speaks where a fit with early stopping, or one that keeps the best checkpoint, goes by the test part, on which the model is
        scored afterwards; and where a loop compares its score on the test part with the best one so far. That a part is called
        validation is taken at its word. A loop that compares is a warning: it may keep the best only for a later look; and so is one that
        saves the best state, or lowers the learning rate (`ReduceLROnPlateau`), by a loader that the code calls the test loader, where it
        has one for validation.

    Why it matters:
        The best of many scores on the test part is too good: chance is chosen, too. The more is tried, the worse (Cawley and Talbot,
        On over-fitting in model selection and subsequent selection bias, 2010; Hastie et al., The Elements of Statistical Learning,
        section 7.10).

    Instead:
        Hold out a validation part and choose by it; score the chosen model once on the test part.
    """
    yield from by_place(_in_all(programs))


def _in_all(programs: list[Program]) -> Iterator[Violation]:
    # A framework's loaders are a program of their own; a notebook has all it needs in itself.
    stops = {walked.module.path for walked in programs if any(_keeps_best(event.call) for event in walked.calls())}
    elsewhere = any(not path.endswith(".ipynb") for path in stops)
    for walked in programs:
        stopped = list(_early_stopping(walked))
        yield from stopped
        yield from _found(walked)
        path = walked.module.path
        if stopped:
            continue  # one fault for a fit and the loader that it is given
        if path in stops if path.endswith(".ipynb") else elsewhere:
            yield from _validated_on_test(walked)


def _found(walked: Program) -> Iterator[Violation]:
    yield from _loops(walked)
    yield from _objectives(walked)
    for at, loader, what in chosen_by_test(walked):
        yield violation(
            at,
            f"{what} by the score on the test loader, and the validation loader is left unused for it",
            "go by the score on the validation loader, and score the chosen one once on the test loader",
            sure=False,
            severity=Severity.WARNING,
            related=((loader, "the test loader"),),
        )


def _early_stopping(walked: Program) -> Iterator[Violation]:
    parts = parts_in(walked)
    scored = {part.split for _, held in walked.known(scored_on) for part in held.parts if part.role is Role.TEST}
    scored |= _tested(walked)
    for event in walked.calls("fit", "train", "Trainer", "SFTTrainer", "Seq2SeqTrainer"):
        call = event.call
        given = next((call.keywords[name] for name in GIVEN if name in call.keywords), None)
        if given is None and call.method == "fit" and len(call.arguments) == 3 and _is_lightning(call):
            given = call.arguments[2]
        held = parts.held(given) if given is not None else None
        if held is None or Role.TEST not in held.roles() or not _chooses(event):
            continue
        tested = [part for part in held.parts if part.role is Role.TEST and part.split in scored]
        if tested:
            yield violation(
                event,
                "training stops, or keeps its best state, by the test part, on which the result is reported",
                "hold out a validation part for it",
                sure=held.sure,
                related=[(part.split, "the test part comes from here") for part in tested[:1]],
            )


def _validated_on_test(walked: Program) -> Iterator[Violation]:
    """Yield a loader made of the test part but named the validation loader.

    It is given where training is stopped by it.
    """
    made = list(walked.gather(loaders_made))
    parts = parts_in(walked)
    tests = [loader for loader in made if role_of_name(name_of(loader)) is Role.TEST]
    for loader in made:
        dataset = loader.argument(0, "dataset")
        if dataset is None or role_of_name(name_of(loader)) is not Role.VALID:
            continue
        held = parts.held(dataset)
        given = [other.argument(0, "dataset") for other in tests]
        if held.roles() == {Role.TEST} and any(other is not None and _are_same(parts.held(other), held) for other in given):
            yield violation(
                loader,
                "training stops, or keeps its best state, by the test part, on which the result is reported",
                "hold out a validation part for it",
                sure=held.sure,
                related=((tests[0], "the test loader"),),
            )


def _are_same(one: Held, other: Held) -> bool:
    """Whether two values hold the same parts: of a split into three, the second and the third are two."""
    return one.parts == other.parts and _taken(one) == _taken(other)


def _taken(held: Held) -> set[object]:
    """Which parts of their splits are held, by their numbers."""
    return {constant(part.at.key) for part in held.parts if isinstance(part.at, Item)}


def _is_lightning(call: Call) -> bool:
    made = base(call.receiver) if call.receiver is not None else None
    return isinstance(made, Call) and made.short == "Trainer"


def _chooses(event: Event) -> bool:
    """Whether a fit goes by what it is evaluated on: early stopping, the best checkpoint."""
    call = event.call
    pending, depth = [*call.given(), *([call.receiver] if call.receiver is not None else [])], 0
    while pending and depth < 200:
        depth += 1
        for entry in options(base(pending.pop())):
            made = base(entry)
            if not isinstance(made, (Call, Display)):
                continue
            if isinstance(made, Call):
                if _keeps_best(made) or constant(made.argument(None, "load_best_model_at_end")) is True:
                    return True
                if any(
                    name in made.keywords and constant(made.keywords[name]) is not None for name in ("early_stopping_rounds", "od_wait")
                ):
                    return True
                if constant(made.argument(None, "use_best_model")) is True:
                    return True
                if made.method or made.short in ("train_test_split", "read_csv"):
                    continue
            pending += list(made.inputs())
    return any(name in call.keywords and constant(call.keywords[name]) is not None for name in ("early_stopping_rounds", "od_wait"))


def _keeps_best(made: Call) -> bool:
    """Whether a callback stops early, or keeps the best checkpoint only."""
    if STOPS.search(made.short):
        return True
    if "ModelCheckpoint" not in made.short:
        return False
    if "lightning" in made.name:
        return made.argument(None, "monitor") is not None and constant(made.argument(None, "save_top_k")) != -1
    return constant(made.argument(None, "save_best_only")) is True


def _tested(walked: Program) -> set[Value]:
    """Splits on whose test part a framework's own `test()`, `evaluate()` or `predict()` is run."""
    parts, found = parts_in(walked), set()
    for event in walked.calls("test", "evaluate", "predict", "score"):
        for given in (*event.call.arguments, *event.call.keywords.values()):
            found |= {part.split for part in parts.held(given).parts if part.role is Role.TEST}
        receiver = base(event.call.receiver) if event.call.receiver is not None else None
        asks = event.call.arguments or event.call.keywords  # `trainer.evaluate()` without rows takes the trainer's own
        if isinstance(receiver, Call) and "eval_dataset" in receiver.keywords and not asks:
            found |= {part.split for part in parts.held(receiver.keywords["eval_dataset"]).parts if part.role is Role.TEST}
    return found


# -- loops that keep the best ---------------------------------------------------------------------------------------------


def _loops(walked: Program) -> Iterator[Violation]:
    for branch in walked.all(Branch):
        sides = branch.compared()
        if not sides or not any(isinstance(around, Loop) for around in branch.around()):
            continue
        for score, best in (sides, sides[::-1]):
            if _is_best(best) and not _is_best(score):
                part = _test_part(walked, score)
                if part is not None and not _has_validation(walked):
                    yield _kept(branch, part, "the best so far is kept by the score on the test part")
                    break
    yield from _best_of(walked)
    yield from _by_curve(walked)
    averaged = {base(given) for event in walked.calls("mean", "std", "fmean", "stdev", "median") for given in event.call.arguments[:1]}
    for event in walked.calls("max", "argmax", "min", "argmin"):
        if event.call.name in ("max", "min", "numpy.argmax", "numpy.argmin") and event.call.arguments:
            listed = base(event.call.arguments[0])
            if isinstance(listed, (Display, Repeated)) and listed not in averaged:
                entries = listed.added if isinstance(listed, Display) else [listed.element]
                part = next((found for entry in entries if (found := _test_part(walked, entry)) is not None), None)
                if part is not None and not _has_validation(walked):
                    yield _kept(event, part, "the best of several scores on the test part is taken")


CURVES = frozenset({"precision_recall_curve", "roc_curve"})
ORACLE = re.compile(r"best_?f1|max_?f1|f1_?max|oracle|upper_?bound|optimal_?f1|anomal", re.IGNORECASE)


def _by_curve(walked: Program) -> Iterator[Violation]:
    """A threshold that is the best point of a curve of the test part, and is then put to its scores."""
    if ORACLE.search(walked.module.text):
        return
    chosen: dict[Value, tuple[Event, Part]] = {}
    for event in walked.calls("argmax", "nanargmax", "argmin"):
        for entry in ancestry(event.call):
            if isinstance(entry, Call) and entry.short in CURVES and entry.arguments:
                parts = [part for part in parts_in(walked).held(entry.arguments[0]).parts if part.role is Role.TEST]
                if parts:
                    chosen[event.call] = (event, parts[0])
    if not chosen:
        return
    for operation in walked.known(operations):
        if operation.operator not in (">", ">=") or len(operation.operands) != 2:
            continue
        found = next((chosen[entry] for entry in ancestry(operation.operands[1]) if entry in chosen), None)
        if found is not None:
            event, part = found
            is_put = any(
                isinstance(entry, Call) and entry.method in ("predict_proba", "decision_function")
                for entry in ancestry(operation.operands[0])
            )
            if is_put and any(entry.role is Role.TEST for entry in parts_in(walked).held(operation.operands[0]).parts):
                yield violation(
                    event,
                    "the threshold is chosen by the labels of the test part, on which the result is reported",
                    "choose it on a validation part",
                    sure=False,
                    severity=Severity.WARNING,
                    related=((part.split, "the rows are split here"), (operation, "it is put to the scores here")),
                )


def _best_of(walked: Program) -> Iterator[Violation]:
    """`max(scores, key=scores.get)` of a dict, and `max(grid, key=lambda t: score(t))`."""
    for event in walked.calls("max", "min"):
        key = event.call.keywords.get("key")
        if event.call.name not in ("max", "min") or key is None or not event.call.arguments or _has_validation(walked):
            continue
        asked = plain(key)
        if isinstance(asked, Attribute) and asked.name in ("get", "__getitem__"):
            table = base(asked.owner)
            values = [value for place, value in walked.fields(table).items() if place != "<keys>"]
            values += [inner for value in (table,) if isinstance(value, Mapping) for inner in value.added]
            values += [table.element] if isinstance(table, Repeated) else []
        else:
            values = [entry.result for entry in walked.all(Called) if entry.result is not None and _is_key(entry, event)]
        part = next((found for value in values if (found := _test_part(walked, value)) is not None), None)
        if part is not None:
            yield _kept(event, part, "the best of several scores on the test part is taken")


def _is_key(entry: Called, event: Event) -> bool:
    """Whether a function is called as the key of a `max`."""
    return any(entry.definition is keyword.value for keyword in getattr(event.node, "keywords", ()))


def _kept(at: Placed, part: Part, message: str) -> Violation:
    return violation(
        at,
        message,
        "choose by a validation part, and score the chosen one once on the test part",
        sure=False,
        severity=Severity.WARNING,
        related=((part.at, "the test part"),),
    )


def _is_best(value: Value) -> bool:
    value = value if isinstance(value, Turn) else plain(value)
    node = value.node
    names = {name_of(value)}
    if isinstance(value, Turn):
        return True
    return any(BEST.search(name) for name in names if name) or (constant(value) is not ... and node is not None and False)


def _test_part(walked: Program, score: Value) -> Part | None:
    """Return the test part that a score is computed on.

    The score is made from predictions for its rows. None where other parts are involved.
    """
    found: list[Part] = []
    parts, is_score, loader_is_valid = parts_in(walked), False, False
    if not any(isinstance(plain(entry), (Call, Operation)) for entry in options(score)):
        return None
    for value in walked.known(Origins).of(score):
        if isinstance(value, Call) and value.short in SELECTS and Role.TEST in parts.held(value).roles():
            return None  # some of the test rows, which may be kept for choosing
        loader_is_valid |= isinstance(value, Call) and value.short == "DataLoader" and role_of_name(name_of(value)) is Role.VALID
        part = parts.part_of(value)
        if part is not None and part.sure:
            found.append(part)
        is_score = (
            is_score
            or isinstance(value, Returned)
            or (isinstance(value, Call) and (value.short in SCORING or kind_of(base(value.callee)) is Kind.MODEL))
        )
    tests = [part for part in found if part.role is Role.TEST and _is_called_test(part)]
    if loader_is_valid and not any(role_of_name(name_of(part.at)) is Role.TEST for part in tests):
        return None  # its loader is taken at its word
    return tests[0] if tests and is_score and not any(part.role is Role.VALID for part in found) else None


def _is_called_test(part: Part) -> bool:
    """Whether the code itself calls a part the test part; one of two parts of a split may be either."""
    if isinstance(part.split, Call) and is_split_call(part.split):
        return role_of_name(name_of(part.at)) is Role.TEST
    return True


def _has_validation(walked: Program) -> bool:
    """Whether there is a validation part besides."""
    parts = parts_in(walked)
    return any(
        Role.VALID in parts.held(given).roles()
        for event in walked.calls("DataLoader", "predict", "score", "evaluate")
        for given in event.call.arguments[:1]
    )


# -- searches -------------------------------------------------------------------------------------------------------------


def _objectives(walked: Program) -> Iterator[Violation]:
    """A function that Optuna optimises and that returns the score on the test part."""
    for loop in walked.all(Loop):
        call = plain(loop.iterated) if loop.kind == "callback" and loop.iterated is not None else None
        if not isinstance(call, Call) or call.short not in ("optimize", "fmin", "minimize", "gp_minimize"):
            continue
        for turn in loop.turns:
            for entry in turn.items:
                result = getattr(entry, "result", None)
                part = _test_part(walked, result) if isinstance(result, Value) else None
                if part is not None and not (isinstance(part.split, Call) and SPLITTERS.search(maker_of(part.split))):
                    yield violation(
                        entry,
                        "the search goes by the score on the test part",
                        "score its trials on a validation part, or by cross-validation on the training part",
                        sure=not isinstance(part.split, Call)
                        or not LOADS.search(part.split.name),  # what is loaded may be chosen from by settings
                        related=((part.at, "the test part"),),
                    )


HEAD = """from sklearn.datasets import load_breast_cancer
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from xgboost import XGBClassifier

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
"""
BAD = [
    program(
        HEAD
        + """model = XGBClassifier(n_estimators=1000, early_stopping_rounds=20)
model.fit(X_train, y_train, eval_set=[(X_test, y_test)])  # <- here
print(model.score(X_test, y_test))
"""
    ),
    program(
        HEAD
        + """best, best_k = 0, None
for k in range(1, 30):
    score = f1_score(y_test, KNeighborsClassifier(k).fit(X_train, y_train).predict(X_test))
    if score > best:  # <- here
        best, best_k = score, k
print(best_k, best)
"""
    ),
]
STREAM = """import optuna
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Subset

images = torchvision.datasets.CIFAR10("data", train=False)
model = nn.Linear(4, 2)


def score(part, rate):
    rows = {"val": range(5000), "test": range(5000, 10000)}[part]
    right = 0
    for inputs, labels in DataLoader(Subset(images, rows), batch_size=64):
        right += (model(inputs * rate).argmax(1) == labels).sum().item()
    return right


def objective(trial):
    return score("val", trial.suggest_float("rate", 0.1, 1.0))


study = optuna.create_study()
study.optimize(objective, n_trials=20)
print(score("test", study.best_params["rate"]))
"""
CURVE = """import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_recall_curve
from sklearn.model_selection import train_test_split

X, y = load_breast_cancer(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, random_state=0)
X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, random_state=0)
chances = LogisticRegression(max_iter=9000).fit(X_train, y_train)


def chosen(wanted, scores):
    precision, recall, levels = precision_recall_curve(wanted, scores)
    return levels[np.argmax((precision * recall)[:-1])]{marker}


p_val = chances.predict_proba(X_val)[:, 1]
p_test = chances.predict_proba(X_test)[:, 1]
level = chosen({given})
print(f1_score(y_test, {scores} >= level))
"""
BAD += [program(CURVE.format(given="y_test, p_test", scores="p_test", marker="  # <- here"))]
THREE = """import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset, random_split


class Rows(L.LightningDataModule):
    def setup(self, stage=None):
        rows = TensorDataset(torch.load("x.pt"), torch.load("y.pt"))
        {parts} = random_split(rows, [1200, 300, 297], generator=torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.a, 64, shuffle=True)

    def val_dataloader(self):
        return DataLoader({valid}, 256){marker}

    def test_dataloader(self):
        return DataLoader({test}, 256)


if __name__ == "__main__":
    rows = Rows()
    trainer = L.Trainer(callbacks=[L.pytorch.callbacks.EarlyStopping("val_loss")])
    trainer.fit(torch.load("net.pt"), rows)
    trainer.test(ckpt_path="best", datamodule=rows)
"""
BAD += [program(THREE.format(parts="self.a, self.b, self.c", valid="self.c", test="self.c", marker="  # <- here"))]
GOOD = [
    program(THREE.format(parts="self.a, self.b, self.c", valid="self.b", test="self.c", marker="")),
    program(THREE.format(parts="self.a, *self.rest", valid="self.rest[0]", test="self.rest[1]", marker="")),
    program(THREE.format(parts="self.parts", valid="self.parts[1]", test="self.parts[2]", marker="").replace("self.a,", "self.parts[0],")),
    program(CURVE.format(given="y_val, p_val", scores="p_test", marker="")),
    program(CURVE.format(given="y_train, chances.predict_proba(X_train)[:, 1]", scores="p_test", marker="")),
    program(STREAM),
    program(
        HEAD
        + """X_train, X_val, y_train, y_val = train_test_split(X_train, y_train, random_state=0)
model = XGBClassifier(n_estimators=1000, early_stopping_rounds=20)
model.fit(X_train, y_train, eval_set=[(X_val, y_val)])
print(model.score(X_test, y_test))
"""
    ),
    program(
        HEAD
        + """model = XGBClassifier(n_estimators=100)
model.fit(X_train, y_train, eval_set=[(X_test, y_test)])
print(model.score(X_test, y_test))
"""
    ),
]
