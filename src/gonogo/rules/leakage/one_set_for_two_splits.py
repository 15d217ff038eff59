"""LEK124."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.observed import judged, located
from gonogo.rules.scores import SPLITS, predicts_otherwise

MOST_ROWS = 512  # of a share that may be the same by chance
SINGLE = 2e-7  # how far a number in single precision may be from what it stands for
_ARRAYS = re.compile(r"\.dataset\.(?:tensors|targets|labels|data)\b")  # rows that are read beside their loader
_CONTINUOUS = re.compile(r"loss|nll|perplexity|ppl|mse|mae|entropy", re.IGNORECASE)  # what is no share of rows


@rule("LEK124", "one-set-for-two-splits", criterion=3, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("data",))
def one_set_for_two_splits(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run logs the same score of the validation and of the test split, and scores one set of rows only.

    What it does:
        Looks, in the rehearsal, at the rows of data in memory of all loaders that networks are called on without learning. Speaks where
        they are one and the same set, and the run logs a number of the validation split and one of the test split whose names are alike
        otherwise, such as `val_loss` and `test_loss`. Speaks also where all such pairs of keys end with the same numbers, one of which
        is a loss with more digits than a share of rows has. Silent where the rows of any such loader are not known or are made up, or where
        networks predict outside of loaders, or the code may answer without a network: by neighbours, means or the most common class.

    Why it matters:
        The test split has then chosen the settings and the epoch: its score is too good, and there is no other.

    Instead:
        Hold out a validation split of its own, and choose by it.
    """
    otherwise = answers_without_network(modules)
    for run in judged(rehearsal):
        for process in run.processes.values():
            copied = None if run.made_up else _same_numbers(process)
            if copied is not None:
                yield _copied(process, copied, modules, contract, run.label)
                continue
            scoring = _scoring(process)
            names = split_names(process)
            if len(scoring) < 2 or names is None or otherwise:
                continue
            validation, test = (process.logged[name] for name in names)
            loader = process.loaders[scoring[-1]]
            yield Violation(
                located(test.place or loader.place, modules, contract),
                f"`{names[0]}` and `{names[1]}` are of the same rows: the run scores one set of rows only",
                "hold out a validation split of its own, and choose by it",
                related=(Related(location=at(*validation.place), label="the validation's is logged here"),) if validation.place else (),
                runs=(run.label,),
                evidence=f"{len(scoring)} loaders are scored, each of which has the same {loader.rows} rows",
            )


def answers_without_network(modules: Mapping[str, Module]) -> bool:
    """Whether a split may be scored without a network: by neighbours, means, counts of labels."""
    return predicts_otherwise(modules) or any(_ARRAYS.search(module.text) for module in modules.values())


def _copied(process: Process, names: tuple[str, str], modules: dict[str, Module], contract: Contract, label: str) -> Violation:
    validation, test = (process.logged[name] for name in names)
    return Violation(
        located(test.place, modules, contract),
        f"`{names[0]}` and `{names[1]}` are one number: the score of one split is logged under the names of two",
        "score each split on its own rows",
        related=(Related(location=at(*validation.place), label="the validation's is logged here"),) if validation.place else (),
        runs=(label,),
        evidence=f"{names[0]} = {validation.last!r}, {names[1]} = {test.last!r}",
    )


def _same_numbers(process: Process) -> tuple[str, str] | None:
    """Return keys of the validation and of the test split whose last numbers are the same.

    All other such keys must have the same numbers, too.

    A share of few rows may be the same by chance; one of these numbers is none.
    """
    pairs = list(_split_pairs(process))
    values = [(process.logged[one].last, process.logged[other].last) for one, other in pairs]
    if not pairs or any(one is None or one != other for one, other in values):
        return None
    fine = [pair for pair, (value, _) in zip(pairs, values, strict=True) if _CONTINUOUS.search(pair[0]) and _is_measured(value or 0.0)]
    return fine[0] if fine else None


def _is_measured(value: float) -> bool:
    """Return whether a number was measured.

    It has so many digits that it is no share of a few rows, and no number that someone wrote.
    """
    return abs(float(Fraction(value).limit_denominator(MOST_ROWS)) - value) > SINGLE * max(abs(value), 1.0)


def _scoring(process: Process) -> list[int]:
    """Return the loaders on which networks are called without learning.

    None of them if they do not all have the same rows.
    """
    found = [number for number, loader in process.loaders.items() if loader.forwards and not loader.backwards]
    sets = {number: index for number, index, _ in process.rows.sets} if process.rows is not None else {}
    same = {sets.get(number) for number in found}
    if len(same) != 1 or None in same or any(each.loader < 0 for each in process.predictions):
        return []
    return found


def split_names(process: Process, *, untrained: bool = False) -> tuple[str, str] | None:
    """Keys of the validation and of the test split that are alike otherwise.

    Args:
        process: that logs them.
        untrained: only those for which there is no key of the training split.
    """
    return next(_split_pairs(process, untrained=untrained), None)


def _split_pairs(process: Process, *, untrained: bool = False) -> Iterator[tuple[str, str]]:
    known: dict[tuple[str, tuple[str, ...]], str] = {}
    for name in process.logged:
        words = [word for word in re.split(r"[^a-z0-9]+", name.removeprefix("summary:").lower()) if word]
        splits = {SPLITS[word] for word in words if word in SPLITS}
        rest = tuple(word for word in words if word not in SPLITS)
        if len(splits) == 1 and rest and process.logged[name].last is not None:
            known.setdefault((splits.pop(), rest), name)
    for (split, rest), one in known.items():
        if split == "validation" and ("test", rest) in known and not (untrained and ("training", rest) in known):
            yield one, known["test", rest]


_RETURNED = '    return {"train": train, "validation": validation, "test": test}\n'
_LOGGED = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'
_MARKED = Edit(_LOGGED, _LOGGED.replace("\n", "  # <- here\n"))
_COPIED = "    test_accuracy, test_loss = score(logits, labels)\n"
_AGAIN = '    again = predict(model, build_loaders(cfg.run.dataset, cfg.trial_mode)["validation"])\n'
BAD = [
    Tree({"src/train.py": (_MARKED, Edit(_COPIED, f"{_AGAIN}    test_accuracy, test_loss = score(*again)\n"))}),
    Tree({"src/preprocess.py": Edit(_RETURNED, _RETURNED.replace("validation, ", "test, ")), "src/train.py": _MARKED}),
]
GOOD = [Tree()]
