"""Sequences of words: which of them attention may look at, and which are padding.

The words are those that the embeddings of the call at hand were asked for.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import clock, places
from ..watchers import odd

MOST_CALLS = 400  # of embeddings that are remembered, and of modules that are given a mask
MOST_KEPT = 4  # embeddings of one call of a network
MOST_NUMBERS = 1_000_000
FEWEST = 8  # places
_asked: list[tuple[Any, int | None]] = []
_calls = 0


def begins() -> None:
    """A network is called as a whole: what was asked for in the former call does not count."""
    _asked.clear()


def asked() -> list[tuple[Any, int | None]]:
    """What the embeddings of this call were asked for, each with the word declared as padding."""
    return list(_asked)


def part_called(module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Look at the call of an embedding, or of a module of PyTorch's own with a mask for padding.

    Args:
        module: the part.
        arguments: those by position; `named`: the others.
    """
    global _calls
    if _calls >= MOST_CALLS:
        return
    torch: Any = sys.modules["torch"]
    if isinstance(module, torch.nn.Embedding) and arguments:
        _calls += 1
        ids = arguments[0]
        if type(ids) is torch.Tensor and ids.ndim == 2 and not ids.is_floating_point() and ids.numel() <= MOST_NUMBERS:
            _asked.append((ids, module.padding_idx))
            del _asked[:-MOST_KEPT]
    elif named and type(module).__module__.startswith("torch.nn."):
        for name, mask in named.items():
            if name.endswith("key_padding_mask") and mask is not None and _asked:
                _calls += 1
                with clock.aside():
                    _hold(mask)


def _hold(mask: Any) -> None:
    """Hold a mask that is true at what is hidden against the words."""
    torch: Any = sys.modules["torch"]
    if type(mask) is not torch.Tensor or mask.ndim != 2 or mask.dtype is not torch.bool:
        return
    for ids, _ in _asked:
        for each in (ids, ids.T):
            if each.shape == mask.shape:
                saw_hidden(torch, each, mask)
                break


def given(torch: Any, named: dict[str, Any]) -> None:
    """Look at the `input_ids` and the `attention_mask` that a whole network is given.

    Args:
        torch: the library.
        named: the keyword arguments.
    """
    ids, mask = named.get("input_ids"), named.get("attention_mask")
    if all(type(each) is torch.Tensor and each.ndim == 2 for each in (ids, mask)) and ids.shape == mask.shape:  # type: ignore[union-attr]
        saw_hidden(torch, ids, mask == 0)


def saw_hidden(torch: Any, ids: Any, hidden: Any) -> None:
    """Check whether attention sees nothing but one and the same word, and all others are hidden.

    Args:
        torch: the library.
        ids: the words; `hidden`: true where attention may not look.
    """
    if ids.numel() > MOST_NUMBERS:
        return
    with torch.no_grad():
        shown, rest = ids[~hidden], ids[hidden]
        if len(shown) < FEWEST or len(rest) < FEWEST:
            return
        is_one = bool((shown == shown[0]).all())
        wrong = is_one and not bool((rest == shown[0]).any()) and len(torch.unique(rest)) >= FEWEST // 2
        odd.note("hidden", "", places.caller(), wrong, f"of {ids.numel()} places, the {len(shown)} that are seen all hold {int(shown[0])}")


def counts_padding(torch: Any, target: Any, ignored: int) -> None:
    """Check whether a loss over the places of a sequence counts those of declared padding.

    Args:
        torch: the library.
        target: the labels that the loss holds answers against; `ignored`: the one that it passes over.
    """
    flat = target.flatten()
    for ids, padding in _asked:
        if padding is None or ids.numel() != flat.numel():
            continue
        for each in (ids, ids.T):
            blank = (each == padding).flatten()
            labels = flat[blank]
            if len(labels) < FEWEST or bool((labels != labels[0]).any()):
                continue
            beyond = int(blank.sum()) - ids.shape[0]  # the first of each text may stand for its end
            is_only_there = not bool((flat[~blank] == labels[0]).any())
            if int(labels[0]) == ignored or is_only_there or int(labels[0]) == padding:
                wrong = int(labels[0]) != ignored and beyond >= FEWEST
                odd.note("padding", "", places.caller(), wrong, f"{len(labels)} of {len(flat)} places, with the label {int(labels[0])}")
                return
