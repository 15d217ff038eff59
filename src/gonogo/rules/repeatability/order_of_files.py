"""REP107."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.dataflow.blocks import Loop, Write
from gonogo.analysis.dataflow.programs import Program
from gonogo.analysis.dataflow.values import Call, Choice, Display, Element, Item, Operation, Repeated, Span, Value, plain
from gonogo.analysis.dataflow.wrapping import base
from gonogo.analysis.rows.cuts import cuts
from gonogo.analysis.rows.flow import name_of
from gonogo.analysis.rows.origins import Origins
from gonogo.analysis.rows.parts import role_of_name
from gonogo.analysis.training.generators import NUMPY, PYTHON, seeds
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Violation, program, rule
from gonogo.rules.grouping import by_place
from gonogo.rules.happened import violation

LISTS = ("listdir", "glob", "iglob", "rglob", "iterdir", "scandir", "walk")
SORTS = ("sorted", "sort", "natsorted", "sort_values", "argsort")
LISTED = ("list", "tuple", "set", "numpy.array", "numpy.asarray", "filter", "map", "zip", "enumerate", "str", "os.path.join", "tqdm.tqdm")
CUTS = ("train_test_split", "random_split", "DataFrame", "Series", "Subset")
SHUFFLES = ("shuffle", "sample", "permutation", "choice")


@rule("REP107", "order-of-files", criterion=None, severity=Severity.WARNING, stage=Stage.CHECK, scope=Scope.PROGRAM)
def order_of_files(programs: list[Program]) -> Iterator[Violation]:
    """Files are split, shuffled or cut in the order in which the file system happens to list them.

    What it does:
        Follows the lists that `os.listdir`, `os.scandir`, `glob` and `Path.iterdir`, `glob` and `rglob` give. Speaks where one that
        nothing sorts is split in parts, sliced, shuffled with a seed, or paired with others by `zip`.

    Why it matters:
        The order is that of the file system, another one on another machine or after a copy (Python, `os.listdir`: "The list is in
        arbitrary order"): with the same seed other files land in the test part. An unsorted `glob` made published results of
        chemistry differ between systems (Bhandari Neupane et al., Characterization of leptazolines A-D, 2019).

    Instead:
        Write `sorted(…)` around the list.
    """
    yield from by_place(found for walked in programs for found in _found(walked))


def _found(walked: Program) -> Iterator[Violation]:
    listed = {base(event.call): event for event in walked.calls(*LISTS) if _lists_files(event.call)}
    if not listed:
        return
    for event in walked.calls(*SORTS):
        for given in (*event.call.arguments[:1], *([event.call.receiver] if event.call.receiver is not None else [])):
            for value in walked.known(Origins).of(given):
                listed.pop(base(value), None)
    for value, used in _uses(walked):
        for source in _entries_of(value):
            found = listed.get(base(source))
            if found is not None:
                yield violation(
                    found,
                    f"the order of these files is the file system's, and they are {used} by it",
                    "sort the list first",
                )


def _lists_files(call: Call) -> bool:
    if call.short in ("listdir", "scandir", "walk"):
        return call.name.startswith("os.")
    if call.name:
        return call.name.startswith("glob.")
    return call.method in ("glob", "rglob", "iterdir")


def _uses(walked: Program) -> Iterator[tuple[Value, str]]:
    """What is split, shuffled with a seed, or cut in two."""
    for cut in walked.known(cuts):
        if isinstance(cut.split, Call) and not cut.split.is_open:
            yield cut.data, "split"
    seeded = {library for seed in walked.gather(seeds) for library in seed.libraries}
    for event in walked.calls(*SHUFFLES):
        name = event.call.name
        by_seed = (name.startswith("random.") and PYTHON in seeded) or (name.startswith("numpy.random.") and NUMPY in seeded)
        if event.call.arguments and (by_seed or _is_generator(event.call.receiver)):
            yield event.call.arguments[0], "shuffled"
    for event in walked.calls("zip"):
        if event.call.name == "zip" and len(event.call.arguments) == 2 and not event.call.is_open:
            for given in event.call.arguments:
                yield given, "paired with others"
    slices: dict[Value, list[Item]] = {}
    for value in walked.known(sliced):
        slices.setdefault(base(value.owner), []).append(value)
    for owner, items in slices.items():
        if len(items) > 1 or role_of_name(name_of(items[0])) is not None:
            yield owner, "cut"


def sliced(walked: Program) -> list[Item]:
    """Every slice that something is done with."""
    found: dict[Item, None] = {}
    given = [value for event in walked.calls() for value in event.call.given()]
    given += [write.value for write in walked.all(Write)]
    given += [value for loop in walked.all(Loop) if (value := loop.iterated) is not None]
    for entry in given:
        for value in (plain(entry), *(plain(inner) for inner in plain(entry).inputs())):
            if isinstance(value, Item) and isinstance(key := plain(value.key), Span) and (key.start is not None or key.stop is not None):
                found[value] = None
    return list(found)


def _entries_of(value: Value) -> Iterator[Value]:
    """What the entries of a list come from, in their order."""
    pending, seen = [value], 0
    while pending and seen < 60:
        seen += 1
        entry = base(pending.pop(0))
        yield entry
        if isinstance(entry, (Repeated, Display, Element, Operation, Choice)):
            pending += list(entry.inputs())
        elif isinstance(entry, Item):
            pending.append(entry.owner)
        elif isinstance(entry, Call) and entry.arguments and (entry.name in LISTED or entry.short in CUTS):
            pending += entry.arguments


def _is_generator(value: Value | None) -> bool:
    """Whether a value is a generator of random numbers of its own."""
    made = base(value) if value is not None else None
    return isinstance(made, Call) and made.name in ("random.Random", "numpy.random.default_rng", "numpy.random.RandomState")


PROGRAM = """import os
import random
from pathlib import Path

random.seed(0)
names = {names}
random.shuffle(names)
train, test = names[:800], names[800:]
print(train, test)
"""
BAD = [
    program(PROGRAM.format(names='os.listdir("images")  # <- here')),
    program(PROGRAM.format(names='[path.name for path in Path("images").glob("*.png")]  # <- here')),
]
GOOD = [
    program(PROGRAM.format(names='sorted(os.listdir("images"))')),
    program(PROGRAM.format(names='list(Path("images").glob("*.png"))\nnames.sort()')),
]
