"""What language models of transformers, which shift their labels themselves, are given as labels."""

from __future__ import annotations

from typing import Any

from .. import channel, events, places

MOST_CALLS = 8  # of one class of networks that are looked at
MOST_WRAPPED = 4  # modules around a network, each of which has it as `module`
IGNORED = -100  # what the losses of transformers pass over
SHIFTS = ("ForCausalLM", "LMHeadModel")  # how classes end whose `forward` holds each word against the label behind it
_seen: dict[str, events.Labels] = {}
_changed: set[str] = set()


def start() -> None:
    """Say from time to time what was seen."""
    channel.on_flush(_report)


def saw(torch: Any, network: Any, named: dict[str, Any]) -> None:
    """Hold the labels of a call against the words.

    Args:
        torch: the library.
        network: what is called, perhaps wrapped.
        named: its keyword arguments.
    """
    ids: Any = named.get("input_ids")
    labels: Any = named.get("labels")
    if not all(type(each) is torch.Tensor and each.ndim == 2 for each in (ids, labels)) or ids.shape != labels.shape:
        return
    name = _shifting(network)
    if name is None:
        return
    entry = _seen.setdefault(name, events.Labels(name, places.caller()))
    if entry.calls >= MOST_CALLS:
        return
    _changed.add(name)
    entry.calls += 1
    used: Any = labels != IGNORED
    entry.used += int(used.sum())
    entry.same += int((used & (labels == ids)).sum())
    entry.ahead += int((used[:, :-1] & (labels[:, :-1] == ids[:, 1:])).sum()) + int(used[:, -1].sum())
    mask: Any = named.get("attention_mask")
    if type(mask) is torch.Tensor and mask.shape == ids.shape:
        blank: Any = mask == 0
        first = blank.to(torch.int64).cumsum(1) == 1  # it may stand for the end of the text
        entry.blank += int((blank & ~first & used & (labels == ids)).sum())


def _shifting(network: Any) -> str | None:
    """The class of transformers whose `forward` is called; None for any other network."""
    for _ in range(MOST_WRAPPED):
        cls = next((each for each in type(network).__mro__ if "forward" in vars(each)), None)
        if cls is not None and cls.__module__.partition(".")[0] == "transformers":
            return cls.__name__ if cls.__name__.endswith(SHIFTS) else None
        inner = getattr(network, "module", None)
        if inner is None:
            return None
        network = inner
    return None


def _report() -> None:
    while _changed:
        channel.emit(_seen[_changed.pop()])
