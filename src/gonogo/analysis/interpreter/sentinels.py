"""Sentinels for "there is no value here".

There is one member for each kind of absence, so that the type checker distinguishes them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal


class Sentinel(Enum):
    """The four ways of having no value."""

    UNHANDLED = "whoever was asked knows no better: go on as if it had not been asked"
    NO_DEFAULT = "no default was given"
    ABSENT = "there is nothing of this name"
    UNKNOWN = "there is a value, and nobody knows which"


Unhandled = Literal[Sentinel.UNHANDLED]
NoDefault = Literal[Sentinel.NO_DEFAULT]
Absent = Literal[Sentinel.ABSENT]
NotKnown = Literal[Sentinel.UNKNOWN]

UNHANDLED: Final = Sentinel.UNHANDLED
NO_DEFAULT: Final = Sentinel.NO_DEFAULT
ABSENT: Final = Sentinel.ABSENT
NOT_KNOWN: Final = Sentinel.UNKNOWN
