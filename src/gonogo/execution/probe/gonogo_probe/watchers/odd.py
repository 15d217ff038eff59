"""What was looked at and found wrong, or right: gathered here, and said from time to time."""

from __future__ import annotations

from typing import Any

from .. import channel, events

MOST_DETAILS, MOST_KINDS = 8, 200
BY_PLACE = ("loss", "padding", "hidden")  # what a program may do in several places, in one of them rightly
_seen: dict[tuple[str, str], events.Odd] = {}
_changed: dict[tuple[str, str], None] = {}


def start() -> None:
    """Say from time to time what was seen."""
    channel.on_flush(_report)


def note(kind: str, name: str, place: Any, wrong: bool, detail: str = "") -> None:
    """Count one look at something.

    Args:
        kind: what was looked at.
        name: of what it concerns.
        place: where; that of the first look that found it wrong is kept.
        wrong: what the look found.
        detail: a number to it, of what is wrong.
    """
    if kind in BY_PLACE and place is not None:
        name = f"{name}|{place[0]}:{place[1]}"
    key = (kind, name)
    if key not in _seen and len(_seen) >= MOST_KINDS:
        return
    entry = _seen.setdefault(key, events.Odd(kind, name[:200]))
    entry.looked += 1
    if wrong:
        entry.wrong += 1
        entry.place = entry.place or place
        if detail and len(entry.details) < MOST_DETAILS and detail not in entry.details:
            entry.details.append(detail[:120])
    _changed[key] = None


def tell(kind: str, name: str, place: Any, wrong: bool, detail: str = "") -> None:
    """Say what is known of something as of now, in place of what was said before.

    Args:
        kind: what was looked at.
        name: of what it concerns.
        place: where.
        wrong: whether it is wrong.
        detail: a number to it.
    """
    now = events.Odd(kind, name[:120], place, 1, int(wrong), [detail[:200]] if wrong else [])
    if _seen.get((kind, name)) != now and (len(_seen) < MOST_KINDS or (kind, name) in _seen):
        _seen[(kind, name)] = now
        _changed[(kind, name)] = None


def _report() -> None:
    while _changed:
        key = next(iter(_changed))
        del _changed[key]
        channel.emit(_seen[key])
