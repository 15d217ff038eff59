"""LEK127."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Attribute, Call, Value, plain
from gonogo.analysis.numbers.keys import is_measured
from gonogo.analysis.numbers.origins import Origin, loaders_of, sources_of
from gonogo.analysis.numbers.shown import Shown, shown
from gonogo.analysis.numbers.splits import Split, split_named, splits
from gonogo.analysis.rows.learners import SEARCHES, learner_of
from gonogo.analysis.training.made import loaders_made
from gonogo.model.contract import Scope
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.example_programs import EPOCHS
from gonogo.rules.grouping import by_place

EVALUATED = re.compile(r"eval|held_?out|holdout|calib", re.IGNORECASE)  # of either part

ALONE = re.compile(r"(?:val|valid|validation|test)$", re.IGNORECASE)


@rule("LEK127", "named-for-another-split", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def named_for_another_split(programs: list[Program]) -> Iterator[Violation]:
    """A score that is printed as that of one split is measured on another one.

    What it does:
        Follows each score and loss that is printed, or handed to a tracker, with its name in the text before it back to the batches that
        it is computed of. Speaks where the text speaks of the test part and the loader is the validation part's, or the other way round,
        and the program has a loader of the part that the text speaks of as well; and where it speaks of the test and the number is the
        `best_score_` of a search, which is of its folds. A score on the training part that is called the test
        score is another rule's, `same-rows-scored`.

    Why it matters:
        The validation part has chosen the epoch and the settings: its score is too good, and is read as that of rows that chose nothing.
        A test score under the name of validation is chosen by, unnoticed.

    Instead:
        Score the part that is named, or name the part that is scored.
    """
    yield from by_place(found for walked in programs if walked.is_script for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    yield from _of_search(walked)
    known = splits(walked)
    numbers = [number for number in walked.known(shown) if _said(number) is not None]
    there = {known.of(loader) for loader in walked.gather(loaders_made)} if numbers else set()
    for number in numbers:
        said = _said(number)
        if said not in there:
            continue
        origins = sources_of(walked).of(number.value)
        loaders = loaders_of(origins)
        measured = {known.of(loader) for loader in loaders}
        if Origin.UNKNOWN in origins.sources or len(measured) != 1 or said in measured or None in measured or Split.TRAIN in measured:
            continue
        part = next(iter(measured))
        yield Violation(
            number.at.module.location(number.node),
            f"this is called the score of the {said} split, and is measured on the {part} split",
            f"measure it on the {said} split, or give it the name of the {part} split",
            related=(Related(location=loaders[0].module.location(loaders[0].node), label=f"the loader of the {part} split"),),
        )


def _of_search(walked: Program) -> Iterator[Violation]:
    """`print("test AUC", search.best_score_)`: a mean over folds of the training part."""
    for number in walked.known(shown):
        value = plain(number.value)
        if isinstance(value, Attribute) and value.name == "best_score_" and _said(number) is Split.TEST and _is_search(value.owner):
            yield Violation(
                number.at.module.location(number.node),
                "this is called the score of the test split, and is the mean over the folds of the search",
                "score the test split by the best estimator, or call it the score of the cross-validation",
            )


def _is_search(value: Value) -> bool:
    made = learner_of(value)
    return isinstance(made, Call) and made.short in SEARCHES


def _said(number: Shown) -> Split | None:
    """The part whose score a text says that a number is."""
    label = number.label.replace(" ", "_")
    if not (is_measured(label) or ALONE.match(label)) or EVALUATED.search(label):
        return None
    said = split_named(label)
    return said if said is not Split.TRAIN else None


PROGRAM = (
    EPOCHS
    + """    now = score({chosen}_loader)
    if now > best:
        best = now
        torch.save(network.state_dict(), "best.pt")
network.load_state_dict(torch.load("best.pt"))
{shown}
"""
)
HERE = "  # <- here"
BAD = [
    program(PROGRAM.format(chosen="val", shown=f'print(f"test accuracy {{best:.3f}}"){HERE}')),
    program(PROGRAM.format(chosen="val", shown=f'print("Test acc:", score(val_loader)){HERE}')),
    program(PROGRAM.format(chosen="val", shown=f'print(f"validation accuracy {{score(test_loader):.3f}}"){HERE}')),
]
SEARCH = """from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.svm import SVC

X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
search = GridSearchCV(SVC(), {{"C": [1, 10]}}, cv=5).fit(X_train, y_train)
{shown}
"""
BAD += [program(SEARCH.format(shown=f'print("test accuracy", search.best_score_){HERE}'))]
GOOD = [
    program(SEARCH.format(shown='print("test accuracy", search.score(X_test, y_test), "validation accuracy", search.best_score_)')),
    program(PROGRAM.format(chosen="val", shown='print(f"test accuracy {score(test_loader):.3f}, best validation accuracy {best:.3f}")')),
    program(PROGRAM.format(chosen="val", shown='print("accuracy", best)')),
    program(PROGRAM.format(chosen="val", shown='print(f"test accuracy at the best validation epoch {score(test_loader):.3f}")')),
]
