"""LEK124."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.observed import judged, located
from gonogo.rules.scores import SPLITS


@rule("LEK124", "one-set-for-two-splits", criterion=3, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("data",))
def one_set_for_two_splits(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run logs the same score of the validation and of the test split, and scores one set of rows only.

    What it does:
        Looks, in the rehearsal, at the rows of data in memory of all loaders that networks are called on without learning. Speaks where
        they are one and the same set, and the run logs a number of the validation split and one of the test split whose names are alike
        otherwise, such as `val_loss` and `test_loss`. Silent where the rows of any such loader are not known or are made up, or where
        networks predict outside of loaders.

    Why it matters:
        The test split has then chosen the settings and the epoch: its score is too good, and there is no other.

    Instead:
        Hold out a validation split of its own, and choose by it.
    """
    for run in judged(rehearsal):
        for process in run.processes.values():
            scoring = _scoring(process)
            names = split_names(process)
            if len(scoring) < 2 or names is None:
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


def _scoring(process: Process) -> list[int]:
    """The loaders on which networks are called without learning, if all of them have the same rows; none otherwise."""
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
    known: dict[tuple[str, tuple[str, ...]], str] = {}
    for name in process.logged:
        words = [word for word in re.split(r"[^a-z0-9]+", name.removeprefix("summary:").lower()) if word]
        splits = {SPLITS[word] for word in words if word in SPLITS}
        rest = tuple(word for word in words if word not in SPLITS)
        if len(splits) == 1 and rest and process.logged[name].last is not None:
            known.setdefault((splits.pop(), rest), name)
    pairs = [
        (one, known["test", rest])
        for (split, rest), one in known.items()
        if split == "validation" and ("test", rest) in known and not (untrained and ("training", rest) in known)
    ]
    return pairs[0] if pairs else None


_RETURNED = '    return {"train": train, "validation": validation, "test": test}\n'
_LOGGED = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'
_MARKED = Edit(_LOGGED, _LOGGED.replace("\n", "  # <- here\n"))
BAD = [
    Tree({"src/preprocess.py": Edit(_RETURNED, _RETURNED.replace("validation, ", "test, ")), "src/train.py": _MARKED}),
]
GOOD = [Tree()]
