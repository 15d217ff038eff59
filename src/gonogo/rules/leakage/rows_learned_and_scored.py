"""LEK123."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import Process, SessionSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.leakage.one_set_for_two_splits import split_names
from gonogo.rules.observed import judged, located

FEWEST = 5  # rows in common
LEAST_SHARE = 0.01  # of the rows that are scored
TWINS = 10  # so many times as often as rows of the training data have a twin there


@dataclass(frozen=True)
class _Pair:
    """Two loaders: a network learned from the rows of one, and was scored on those of the other.

    Attributes:
        shared: rows in common; `learned` and `scored`: different rows of each.
        twins: the share of the training rows that are there once more.
    """

    trained: int
    judged: int
    shared: int
    learned: int
    scored: int
    twins: float


@rule("LEK123", "rows-learned-and-scored", criterion=3, severity=Severity.ERROR, stage=Stage.REHEARSAL, settles=("data",))
def rows_learned_and_scored(rehearsal: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Rows that a network learned from are among those that it is scored on, as the rehearsal saw.

    What it does:
        Compares, in the rehearsal, the rows of data in memory that a network learned from with those that the same network was called on
        afterwards without learning, byte by byte. Speaks where the two sets overlap and neither holds all of the other, far more often
        than rows have a twin in the training data; where all rows that the run scores are rows from whose labels it learned; and where
        it logs the same score of the validation and of the test split, none of the training split, and scores only one set of other
        rows. Silent where rows are not arrays in memory or are made up, of a score on a part of the training rows beside one on others,
        and of networks that an optimizer began with anew in between, as for each fold.

    Why it matters:
        The score says how well the network remembers. The splits may overlap in ways that no text shows: two shuffles with different
        seeds, indices out of a cache, a split made once more.

    Instead:
        Split once, and take each part from that one split.
    """
    for run in judged(rehearsal):
        for process in run.processes.values():
            pairs = list(_pairs(process))
            found = [pair for pair in pairs if _overlaps(pair)]
            whole = found[:1] or list(_all_learned(process, pairs)) or list(_claimed(process, pairs))
            for pair in whole[:1]:
                scored, trained = process.loaders[pair.judged], process.loaders[pair.trained]
                place = scored.used[0] if scored.used else scored.place
                learned_at = trained.used[0] if trained.used else trained.place
                yield Violation(
                    located(place, modules, contract),
                    "the network is scored here on rows that it has learned from",
                    "split the rows once, and take each part from that one split",
                    related=(Related(location=at(*learned_at), label="it learns from them here"),) if learned_at else (),
                    runs=(run.label,),
                    evidence=f"of {pair.scored} different rows, {pair.shared} are among the {pair.learned} that it learned from",
                )


def _pairs(process: Process) -> Iterator[_Pair]:
    """The pairs of loaders whose rows are known, of which only the first has backward passes."""
    seen = process.rows
    if seen is None:
        return
    sets = {number: (index, rows) for number, index, rows in seen.sets}
    overlaps = {(one, other): shared for one, other, shared in seen.overlaps}
    for trained, scored in seen.scored:
        learns, judges = process.loaders.get(trained), process.loaders.get(scored)
        if learns is None or judges is None or not learns.backwards or judges.backwards or trained not in sets or scored not in sets:
            continue
        (one, rows), (other, _) = sets[trained], sets[scored]
        shared = seen.sizes[one] if one == other else overlaps.get((min(one, other), max(one, other)), 0)
        yield _Pair(trained, scored, shared, seen.sizes[one], seen.sizes[other], 1 - seen.sizes[one] / max(rows, 1))


def _overlaps(pair: _Pair) -> bool:
    share = pair.shared / max(pair.scored, 1)
    return FEWEST <= pair.shared < min(pair.learned, pair.scored) and share >= max(LEAST_SHARE, TWINS * pair.twins)


def _all_learned(process: Process, pairs: list[_Pair]) -> Iterator[_Pair]:
    """Pairs of a process that scores nothing but rows from whose labels it learned."""
    labelled = set(process.rows.labelled) if process.rows is not None else set()
    learned = {pair.judged: pair for pair in pairs if pair.trained in labelled and pair.shared == pair.scored}
    scoring = [number for number, loader in process.loaders.items() if loader.forwards and not loader.backwards]
    if scoring and all(number in learned for number in scoring) and all(each.loader >= 0 for each in process.predictions):
        yield from learned.values()


def _claimed(process: Process, pairs: list[_Pair]) -> Iterator[_Pair]:
    """Return pairs whose rows were all learned, with their labels.

    Only where the run claims two held-out splits and scores one other set at most.
    """
    names = split_names(process, untrained=True)
    if process.rows is None or names is None or any(each.loader < 0 for each in process.predictions):
        return
    sets = {number: index for number, index, _ in process.rows.sets}
    scoring = [number for number, loader in process.loaders.items() if loader.forwards and not loader.backwards]
    labelled = set(process.rows.labelled)
    learned = [pair for pair in pairs if pair.trained in labelled and pair.shared == pair.scored]
    others = {sets.get(number) for number in scoring} - {sets[pair.judged] for pair in learned}
    if learned and None not in others and len(others) < 2:
        yield from learned


_SPLIT = "    train, rest = train_test_split(everything, test_size=held_out, stratify=labels, random_state=dataset_cfg.split_seed)\n"
_AGAIN = "    rest = train_test_split(everything, test_size=held_out, stratify=labels, random_state=dataset_cfg.split_seed + 1)[1]\n"
_RETURNED = '    return {"train": train, "validation": validation, "test": test}\n'
_CALL = Edit(
    "    batches = [(model(images), labels) for images, labels in loader]\n",
    "    batches = [(model(images), labels) for images, labels in loader]  # <- here\n",
)
_TRAIN = '        train_loss = train_epoch(model, loaders["train"], criterion, optimizer)\n'
_SCORED = f'{_TRAIN}        predict(model, DataLoader(loaders["train"].dataset, batch_size=64))\n'
_SAME = Edit(_RETURNED, '    return {"train": train, "validation": train, "test": train}\n')
BAD = [
    Tree({"src/preprocess.py": Edit(_SPLIT, _SPLIT + _AGAIN), "src/train.py": _CALL}),
    Tree({"src/preprocess.py": _SAME, "src/train.py": _CALL}),
    Tree({"src/preprocess.py": Edit(_RETURNED, _RETURNED.replace(": train,", ": np.concatenate([train, test]),")), "src/train.py": _CALL}),
]
GOOD = [Tree(), Tree({"src/train.py": Edit(_TRAIN, _SCORED)})]
