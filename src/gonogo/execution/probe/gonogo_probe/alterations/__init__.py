"""What is altered: evaluation labels, network outputs and inputs, seeds, and the accelerator.

Nothing is altered unless the gate's settings ask for it (`settings.alter`). What was altered is counted; what could not be is said.
"""

from __future__ import annotations

from .. import channel, events, settings

LABELS, OUTPUTS, SEED, ACCELERATOR = "labels", "outputs", "seed", "accelerator"
_counts: dict[str, int] = {}
_left: dict[str, str] = {}
_told: events.Altered | None = None


def start() -> None:
    """Say from time to time what was altered."""
    if settings.alter:
        channel.on_flush(_report)


def wants(what: str) -> bool:
    """Whether the gate asks for an alteration."""
    return what in settings.alter


def count(what: str, times: int = 1) -> None:
    """Something was altered."""
    _counts[what] = _counts.get(what, 0) + times


def made(what: str) -> int:
    """How often something was altered so far."""
    return _counts.get(what, 0)


def leave(what: str, reason: str) -> None:
    """Something could not be altered; the first reason is kept."""
    _left.setdefault(what, reason[:300])


def _report() -> None:
    global _told
    now = events.Altered(dict(_counts), dict(_left))
    if now != _told and (_counts or _left):
        channel.emit(now)
        _told = now
