"""Rows of data in memory: which loaders have the same ones.

Also from which rows a network learned before it was scored on which.
"""

from __future__ import annotations

import hashlib
import weakref
from typing import Any

from .. import channel, clock, events, settings, standins
from ..alterations import batches

MOST_ROWS, MOST_BYTES = 100_000, 400 << 20  # of data in memory that are compared row by row
MOST_SETS = 16  # different ones that are kept
MOST_PAIRS = 200
MOST_NODES, MOST_LOOKS = 64, 200  # of the graph of a loss, and backward passes whose loss is looked at
FEWEST_INDICES = 10  # so many different whole numbers, one for each row, choose rows of a larger array

_sets: list[set[bytes]] = []
_set_of: dict[int, int] = {}
_rows_of: dict[int, int] = {}
_learned: weakref.WeakKeyDictionary[Any, set[int]] = weakref.WeakKeyDictionary()
_loaded: weakref.WeakSet[Any] = weakref.WeakSet()
_pairs: dict[tuple[int, int], None] = {}
_labelled: set[int] = set()
_looks = 0
_told: tuple[int, ...] = ()


def start() -> None:
    """Say from time to time what was seen."""
    channel.on_flush(_report)


def is_watched() -> bool:
    """Whether rows are compared: of any program, and in the full runs of an experiment."""
    return settings.mode in (settings.PROGRAM, settings.REHEARSAL)


# -- the rows of a loader ------------------------------------------------------------------------------------------------------------------


def saw_dataset(number: int, dataset: Any) -> None:
    """Look at the rows of a loader's data, where they are arrays in memory.

    Also at which of them other loaders have too.
    """
    if not is_watched() or number in _set_of or standins.any_used():
        return
    with clock.aside():
        found = _hashes(dataset)
        if found is None:
            return
        rows = set(found)
        same = next((index for index, other in enumerate(_sets) if other == rows), None)
        if same is None and len(_sets) >= MOST_SETS:
            return
        if settings.mode == settings.PROGRAM:
            _tell_shared(number, rows)
        if same is None:
            same = len(_sets)
            _sets.append(rows)
        _set_of[number], _rows_of[number] = same, len(found)


def _tell_shared(number: int, rows: set[bytes]) -> None:
    """Of any program: what two loaders share."""
    for other, index in _set_of.items():
        theirs = _sets[index]
        channel.emit(events.SharedRows((other, number), len(theirs & rows), (len(theirs), len(rows))))


def _hashes(dataset: Any) -> list[bytes] | None:
    """What tells the rows of a set of data apart; None where that would have to be computed."""
    indices: Any = None
    for _ in range(4):
        if not (hasattr(dataset, "dataset") and hasattr(dataset, "indices")):
            break
        own = list(dataset.indices)
        indices = own if indices is None else [own[index] for index in indices]
        dataset = dataset.dataset
    data, chosen = _array(dataset)
    if data is None:
        return None
    if chosen is not None:
        indices = chosen if indices is None else [chosen[index] for index in indices]
    count = len(data) if indices is None else len(indices)
    array = data.detach().cpu().numpy() if hasattr(data, "detach") else data
    if count > MOST_ROWS or not len(data) or array.nbytes // len(data) * count > MOST_BYTES or array.dtype == object:
        return None
    return [
        hashlib.blake2b(array[int(index)].tobytes(), digest_size=12).digest() for index in (range(count) if indices is None else indices)
    ]


def _array(dataset: Any) -> tuple[Any, list[int] | None]:
    """Return the array that holds the inputs, and which of its rows are used.

    The rows are None where the set of data consists of all of them.
    """
    tensors = getattr(dataset, "tensors", None)
    if isinstance(tensors, tuple) and tensors:
        return (tensors[0], None) if _is_table(tensors[0]) else (None, None)
    data = getattr(dataset, "data", None)
    if _is_table(data):
        return data, None
    own = getattr(dataset, "__dict__", None)
    try:
        count = len(dataset)
    except TypeError:
        return None, None
    if not isinstance(own, dict) or settings.mode == settings.PROGRAM:
        return None, None
    tables = [value for value in own.values() if _is_table(value)]
    if len(tables) == 1 and len(tables[0]) == count:
        return tables[0], None
    choices = [chosen for value in own.values() if (chosen := _indices(value, count)) is not None]
    if len(tables) == 1 and len(choices) == 1 and len(tables[0]) > max(choices[0]):
        return tables[0], choices[0]
    return None, None


def _is_table(data: Any) -> bool:
    """Whether something is an array of NumPy's or a tensor, with more than one dimension."""
    return hasattr(data, "dtype") and (hasattr(data, "tobytes") or hasattr(data, "detach")) and len(getattr(data, "shape", ())) >= 2


def _indices(value: Any, count: int) -> list[int] | None:
    """Return the whole numbers of an array or list that may say which rows are used.

    There is one for each row, and all are different.
    """
    is_row = isinstance(value, (list, range)) or len(getattr(value, "shape", ())) == 1
    if count < FEWEST_INDICES or not is_row or len(value) != count:
        return None
    numbers = value.tolist() if hasattr(value, "tolist") else list(value)
    if any(type(number) is not int or number < 0 for number in numbers) or len(set(numbers)) < count:
        return None
    return numbers


# -- who learned from which, and was scored on which ---------------------------------------------------------------------------------------


def ran(network: Any, learns: bool) -> None:
    """A network is called on the batch at hand.

    Args:
        network: the whole of it.
        learns: whether it is trained by that, as far as its mode and gradients tell.
    """
    number = batches.source()[0]
    if settings.mode != settings.REHEARSAL or number < 0:
        return
    known = _learned.setdefault(network, set())
    if learns:
        if network in _loaded:  # other values, with which it begins anew
            _loaded.discard(network)
            known.clear()
        known.add(number)
    elif len(_pairs) < MOST_PAIRS:
        for other in known:
            if other != number:
                _pairs.setdefault((other, number))


def began_anew(network: Any = None) -> None:
    """Note that something else may be learned from here on.

    Values were loaded into a network, or, without one, an optimizer was made.
    """
    if network is None:
        _learned.clear()
    elif network in _learned:
        _loaded.add(network)


def saw_loss(loss: Any) -> None:
    """Whether a loss that gradients are computed of compares with the labels of the batch at hand."""
    global _looks
    number = batches.source()[0]
    if settings.mode != settings.REHEARSAL or number < 0 or number in _labelled or _looks >= MOST_LOOKS:
        return
    _looks += 1
    labels = batches.remembered()
    if not hasattr(labels, "detach"):
        return
    pending, seen = [loss.grad_fn], 0
    while pending and seen < MOST_NODES:
        node = pending.pop(0)
        if node is None:
            continue
        seen += 1
        if _is_same(_target(node), labels):
            _labelled.add(number)
            return
        pending += [inner for inner, _ in node.next_functions]


def _target(node: Any) -> Any:
    """Return what a loss function of PyTorch's own compares with.

    Its node in the graph keeps it; None for any other node.
    """
    try:
        return getattr(node, "_saved_target", None)
    except RuntimeError:  # it is freed by now, or was changed in place
        return None


def _is_same(target: Any, labels: Any) -> bool:
    if not hasattr(target, "detach") or target.numel() != labels.numel():
        return False
    one, other = target.detach().flatten(), labels.detach().flatten()
    return bool((one.to("cpu").double() == other.to("cpu").double()).all())


# -- reports -------------------------------------------------------------------------------------------------------------------------------


def _report() -> None:
    global _told
    now = (len(_set_of), len(_pairs), len(_labelled))
    if settings.mode != settings.REHEARSAL or now == _told:
        return
    _told = now
    used = sorted({_set_of[number] for pair in _pairs for number in pair if number in _set_of})
    overlaps = [(one, other, len(_sets[one] & _sets[other])) for one in used for other in used if one < other]
    channel.emit(
        events.Rows(
            sets=[(number, index, _rows_of[number]) for number, index in _set_of.items()][:500],
            sizes=[len(rows) for rows in _sets],
            overlaps=overlaps,
            scored=list(_pairs),
            labelled=sorted(_labelled)[:500],
        )
    )
