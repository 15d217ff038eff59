"""LEK102."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Item, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import in_one_block, last_name, last_names
from gonogo.analysis.rows.cuts import all_fits, scored_on
from gonogo.analysis.rows.learners import SEARCHES, Fit, Learns
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import Held, Role, parts_in, role_of_name
from gonogo.analysis.training.order import Order
from gonogo.model.contract import Scope
from gonogo.model.finding import Certainty, Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

CLASSES = re.compile(r"^y(?:$|_)|label|target|class", re.IGNORECASE)
PREPARES = (Learns.SCALE, Learns.FILL, Learns.CHOICE, Learns.AXES, Learns.WORDS, Learns.CATEGORIES, Learns.TARGETS)


@rule("LEK102", "fitted-on-test", criterion=None, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM)
def fitted_on_test(programs: list[Program], modules: dict[str, Module]) -> Iterator[Violation]:
    """A preprocessing step, a resampler, a search or a model is fitted to rows that were held out.

    What it does:
        Follows rows to the split that they come from. Speaks where a scaler, imputer, selector, projection, vectoriser or encoder is
        fitted (again) to the validation or test part, where the test part is resampled, where hyper-parameters are searched on the
        test part, and where a model is fitted to the part that it is scored on. An encoder of the classes to be predicted is a
        warning: where both parts have all classes, they come out the same.

    Why it matters:
        The test rows are then prepared in another way than the training rows: each is scaled by the others' statistics, columns may
        mean something else than the model learned, and the score says nothing of new rows, which come one at a time (scikit-learn,
        "Common pitfalls and recommended practices": never call `fit` on the test data).

    Instead:
        Call `transform` on held-out rows, never `fit` or `fit_transform`; leave their classes as unbalanced as they are.
    """
    again = (found for module in modules.values() for found in _fitted_again(module))
    yield from by_place([*(found for walked in programs for found in _found(walked)), *again])


ENCODERS = frozenset(
    {
        "LabelEncoder", "OrdinalEncoder", "OneHotEncoder", "StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler",
        "SimpleImputer",
        "TfidfVectorizer", "CountVectorizer", "PowerTransformer", "QuantileTransformer", "KBinsDiscretizer", "LabelBinarizer", "PCA",
    }
)  # fmt: skip


def _fitted_again(module: Module) -> Iterator[Violation]:
    """One encoder that is fitted to what is called the training part.

    And in the same block again to what is called the test part.
    """
    fits = [call for call in module.of(ast.Call) if last_name(call.func) in ("fit_transform", "fit") and call.args]
    for call in fits:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if last_name(call.func) != "fit_transform" or not isinstance(owner, ast.Name) or _role(call) is not Role.TEST:
            continue
        made = module.assigned.get(owner.id, [])
        if not made or any(not isinstance(value, ast.Call) or last_name(value.func) not in ENCODERS for value in made):
            continue
        for before in fits:
            same = isinstance(before.func, ast.Attribute) and isinstance(before.func.value, ast.Name) and before.func.value.id == owner.id
            between = [value for value in made if before.lineno < value.lineno <= call.lineno]
            if same and before.lineno < call.lineno and _role(before) is Role.TRAIN and in_one_block(module, before, call) and not between:
                yield Violation(
                    module.location(call),
                    f"`{owner.id}` is fitted again, to the test part: what a number means there is not what the model learned",
                    "only call `transform` here",
                    severity=Severity.WARNING,
                    certainty=Certainty.LIKELY,
                    related=(Related(location=module.location(before), label="fitted to the training part here"),),
                )
                break


def _role(call: ast.Call) -> Role | None:
    """What the data that something is fitted to is called."""
    given = call.args[0]
    while isinstance(given, (ast.Subscript, ast.Attribute)) or (isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute)):
        given = given.func.value if isinstance(given, ast.Call) else given.value  # type: ignore[attr-defined]
    return role_of_name(given.id) if isinstance(given, ast.Name) else None


def _is_called_training(fit: Fit) -> bool:
    """Return whether the code calls the data that something is fitted to the training part.

    Then its rows are not what they seem.

    What comes right out of a split is what it is, whatever it is called.
    """
    data = base(fit.data)
    if isinstance(data, Item) and isinstance(plain(data.owner), Call):
        return False
    node = fit.event.node
    given = node.args[:1] if isinstance(node, ast.Call) else []
    return any(isinstance(entry, ast.Name) and role_of_name(entry.id) is Role.TRAIN for entry in given)


def _is_line(walked: Program, fit: Fit) -> bool:
    """Whether a line is laid through predictions over the truth, to show how well they agree."""
    target = fit.target
    made = [entry for entry in walked.known(Origins).of(target) if isinstance(entry, Call)] if target is not None else []
    return any(entry.method in ("predict", "predict_proba") for entry in made)


def _is_of_classes(fit: Fit) -> bool:
    """Return whether the classes to be predicted are encoded.

    The encoding comes out the same where both parts have all classes.
    """
    given = fit.event.node.args[:1] if isinstance(fit.event.node, ast.Call) else []
    return fit.learns is Learns.CATEGORIES and any(CLASSES.search(name) for entry in given for name in last_names(entry))


def _found(walked: Program) -> Iterator[Violation]:
    for fit in walked.known(all_fits):
        held = parts_in(walked).held(fit.data)
        if not held.held_out or _is_called_training(fit):
            continue
        part = "test" if Role.TEST in held.roles() else "validation"
        related = [(entry.split, "the rows are split here") for entry in held.parts][:1]
        if fit.learns is Learns.ROWS:
            yield violation(
                fit.event,
                f"`{fit.name}` resamples the {part} part: the score is that of other rows than there are",
                "resample the training part only",
                sure=held.sure,
                related=related,
            )
        elif fit.learns in PREPARES and _is_of_the_same(walked, fit):
            yield violation(
                fit.event,
                f"`{fit.name}` is fitted to the {part} part: it keeps {fit.learns.value} of held-out rows",
                "fit it on the training part, and only call `transform` here",
                sure=held.sure and (fit.learns is not Learns.AXES or Role.TEST in held.roles()) and not _is_of_classes(fit),
                related=related,
            )
        elif fit.learns is Learns.MODEL and Role.TEST in held.roles() and _is_scored_later(walked, fit, held) and not _is_line(walked, fit):
            what = "hyper-parameters are searched" if fit.name in SEARCHES else f"`{fit.name}` is fitted"
            yield violation(
                fit.event,
                f"{what} on the test part, on which the score is reported",
                "use the training part, with an inner cross-validation for a search",
                sure=held.sure,
                related=related,
            )


def _is_of_the_same(walked: Program, fit: Fit) -> bool:
    """Return whether a step of the same class prepares the training part.

    Then the fit is no study of the test rows by themselves.
    """
    parts = parts_in(walked)
    return any(
        other.name == fit.name and (Role.TRAIN in parts.held(other.data).roles() or other.learner is fit.learner)
        for other in walked.known(all_fits)
        if other is not fit
    ) or any(
        event.call.method == "transform" and event.call.receiver is not None and event.call.receiver is fit.event.call.receiver
        for event in walked.calls("transform")
    )


def _is_scored_later(walked: Program, fit: Fit, held: Held) -> bool:
    """Whether a model is scored on rows of the same part afterwards."""
    order = walked.known(Order)
    splits = {part.split for part in held.parts}
    return any(
        event.call.receiver is not None and {part.split for part in other.parts} & splits
        for event, other in walked.known(scored_on)
        if order.place(event) > order.place(fit.event)
    )


HEAD = """from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import MinMaxScaler

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
scaler = MinMaxScaler()
X_train = scaler.fit_transform(X_train)
"""
BAD = [
    program(
        HEAD
        + """X_test = scaler.fit_transform(X_test)  # <- here
print(LogisticRegression().fit(X_train, y_train).score(X_test, y_test))
"""
    ),
    program(
        HEAD
        + """X_test = scaler.transform(X_test)
search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]})
search.fit(X_test, y_test)  # <- here
print(search.best_estimator_.score(X_test, y_test))
"""
    ),
]
FILES = """import pandas as pd
from sklearn.metrics import classification_report
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import LinearSVC

train, test = pd.read_csv("first.csv"), pd.read_csv("second.csv")
encoder = LabelEncoder()
wanted = encoder.fit_transform(train["intent"])
{again}
model = LinearSVC().fit(train[["a", "b"]], wanted)
print(classification_report(known, model.predict(test[["a", "b"]])))
"""
BAD += [program(FILES.format(again='known = encoder.fit_transform(test["intent"])  # <- here'))]
GOOD = [
    program(FILES.format(again='known = encoder.transform(test["intent"])')),
    program(FILES.format(again='encoder = LabelEncoder()\nknown = encoder.fit_transform(test["intent"])')),
    program(
        HEAD
        + """X_test = scaler.transform(X_test)
search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}).fit(X_train, y_train)
print(search.score(X_test, y_test))
"""
    ),
    program(
        HEAD.replace("X_train = scaler.fit_transform(X_train)\n", "")
        + """X_a, X_b, y_a, y_b = train_test_split(X_train, y_train, random_state=1)
scaler.fit(X_a)
model = LogisticRegression().fit(scaler.transform(X_a), y_a)
print(model.score(scaler.transform(X_b), y_b), model.score(scaler.transform(X_test), y_test))
"""
    ),
]
