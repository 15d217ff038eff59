"""Two views of each example that are the same one, and both of which a network is trained on."""

from __future__ import annotations

import sys
from typing import Any

from .. import clock
from ..watchers import contents, odd

MOST_BATCHES = 16
MOST_NUMBERS = 2_000_000  # of one view
_looked = 0
_views: tuple[Any, Any] | None = None
_given: set[int] = set()
_place: Any = None


def begins(batch: Any, place: Any) -> None:
    """A loader gives a batch.

    Args:
        batch: whatever holds tensors.
        place: where it is used.
    """
    global _looked, _views, _place
    torch: Any = sys.modules.get("torch")
    if torch is None or _looked >= MOST_BATCHES:
        _views = None
        return
    _looked += 1
    with clock.aside():
        _views, _place = _twins(torch, batch), place
        _given.clear()


def _twins(torch: Any, batch: Any) -> tuple[Any, Any] | None:
    """The first two tensors of a batch that hold the same numbers and are not one tensor."""
    held = [
        each
        for _, each in contents.tensors(batch)
        if type(each) is torch.Tensor and each.is_floating_point() and each.ndim >= 2 and 4 <= each.numel() <= MOST_NUMBERS
    ]
    for place, one in enumerate(held):
        for other in held[place + 1 :]:
            if one.shape == other.shape and len(one) > 1 and one.data_ptr() != other.data_ptr() and torch.equal(one, other):
                return None if bool((one == one.flatten()[0]).all()) else (one, other)
    return None


def given(torch: Any, arguments: tuple[Any, ...]) -> None:
    """A network is trained with these arguments."""
    if _views is None:
        return
    one, other = _views
    for each in arguments:
        if type(each) is not torch.Tensor or each.shape[1:] != one.shape[1:]:
            continue
        if each.data_ptr() == one.data_ptr():
            _given.add(0)
        elif each.data_ptr() == other.data_ptr():
            _given.add(1)
        elif len(each) == 2 * len(one) and torch.equal(each[: len(one)], one) and torch.equal(each[len(one) :], other):
            _given.update((0, 1))
    if len(_given) == 2:
        _given.clear()
        odd.note("views", "", _place, True)
