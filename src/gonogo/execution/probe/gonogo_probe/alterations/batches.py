"""The labels of a batch.

This tells which part of it they are, in what order a challenge gives them, and what it remembers of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from .. import alterations

NAMES = ("labels", "label", "targets", "target", "y")
MOST_COMPARED = 4096  # labels of a batch that are compared to choose the order
_here = threading.local()


def labels_of(batch: Any) -> tuple[Any, Any] | None:
    """Return the place of a batch's labels in it and the labels themselves.

    None where it is not known which part they are.

    They are the part of a mapping that is called so, else the last part of a pair, or of a longer tuple if it is one whole number a row.
    """
    if isinstance(batch, Mapping):
        found = next((name for name in NAMES if name in batch), None)
        return (found, batch[found]) if found is not None and _rows(batch[found]) > 1 else None
    if not isinstance(batch, (list, tuple)) or len(batch) < 2:
        return None
    first, last = batch[0], batch[-1]
    rows = _rows(last)
    if rows < 2 or (_rows(first) or rows) != rows:
        return None
    if _is_whole(last) and last.ndim == 1:
        return len(batch) - 1, last
    if len(batch) == 2 and tuple(first.shape if hasattr(first, "shape") else ()) != tuple(last.shape):
        return 1, last
    return None


def _rows(part: Any) -> int:
    shape = getattr(part, "shape", None)
    return int(shape[0]) if hasattr(part, "dtype") and shape is not None and len(shape) else 0


def _is_whole(part: Any) -> bool:
    kind = str(part.dtype)
    return "int" in kind or "bool" in kind


def permuted(batch: Any) -> Any:
    """Return the batch with its labels in another order.

    The order is the rotation that changes most. Where that can't be done, it is the batch itself.
    """
    found = labels_of(batch)
    if found is None:
        alterations.leave(alterations.LABELS, "it is not known which part of a batch the labels are")
        return batch
    place, labels = found
    shift = _best_shift(labels)
    if not shift:
        alterations.leave(alterations.LABELS, "all labels of a batch are the same")
        return batch
    rows = _rows(labels)
    other = labels[[(row + shift) % rows for row in range(rows)]]
    alterations.count(alterations.LABELS, rows)
    return _with(batch, place, other)


def _best_shift(labels: Any) -> int:
    rows = _rows(labels)
    if getattr(labels, "ndim", 1) > 1:
        return rows // 2
    values = labels.tolist()
    if rows > MOST_COMPARED:
        return rows // 2
    changed = {shift: sum(values[row] != values[(row + shift) % rows] for row in range(rows)) for shift in range(1, min(rows, 64))}
    best = max(changed, key=lambda shift: changed[shift])
    return best if changed[best] else 0


def _with(batch: Any, place: Any, labels: Any) -> Any:
    if isinstance(batch, Mapping):
        other = dict(batch)
        other[place] = labels
        return other if type(batch) is dict else _of_kind(batch, other)
    parts = list(batch)
    parts[place] = labels
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*parts)
    return parts if type(batch) is list else tuple(parts)


def _of_kind(batch: Any, other: dict[Any, Any]) -> Any:
    """A mapping of the same class as another one, such as the tokenizers' `BatchEncoding`."""
    try:
        return type(batch)(other)
    except TypeError:
        return other


def remember(batch: Any) -> None:
    """Keep the labels of the batch at hand: outputs can then be made that are right about all of them."""
    found = labels_of(batch)
    _here.labels = found[1] if found is not None else None


def begin(loader: int | None, number: int) -> None:
    """The batches from here on are of a pass over a loader, or of none."""
    _here.source = (-1 if loader is None else loader, number)


def source() -> tuple[int, int]:
    """The loader of the batch at hand and the number of the pass over it; (-1, 0) where it is of none."""
    return getattr(_here, "source", (-1, 0))


def remembered() -> Any:
    """The labels of the batch at hand in this thread, None if they are not known."""
    return getattr(_here, "labels", None)
