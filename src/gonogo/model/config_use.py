"""Where the code asks for a key of its config, and what each run has there.

It is what an editor and the HTML report show.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gonogo.model.finding import Location


class Held(BaseModel):
    """What some runs have under a key.

    Attributes:
        runs: their ids, with the command where it is not the full run's.
        value: as JSON, shortened; None where the key is absent.
        note: what else is to say about it, a clause; empty if nothing.
        defined: where the key is written, None if in no file.
    """

    model_config = ConfigDict(frozen=True)

    runs: tuple[str, ...]
    value: str | None
    note: str = ""
    defined: Location | None = None


class ConfigUse(BaseModel):
    """An access of one key in the code.

    Attributes:
        location: of the key in the expression.
        path: of the key in the composed config.
        held: by what the runs have there.
    """

    model_config = ConfigDict(frozen=True)

    location: Location
    path: tuple[str, ...]
    held: tuple[Held, ...]


class ConfigKey(BaseModel):
    """A key of the config that a run composes, or one that the code asks for and the run lacks."""

    model_config = ConfigDict(frozen=True)

    path: tuple[str, ...]
    value: str | None = Field(description="As JSON, shortened; null for a section, and for a key that is absent")
    state: Literal["read", "elsewhere", "unread", "unknown", "absent", "section"] = Field(
        description="read by this run, elsewhere (by other runs only), unread, unknown (the code was not followed to its end), absent "
        "(asked for, and not there), or a section, whose keys have states of their own"
    )
    note: str = ""
    defined: Location | None = Field(default=None, description="Where it is written, null if in no file")
    readers: tuple[Location, ...] = Field(default=(), description="Where the code asks for it")


class RunConfig(BaseModel):
    """What one run composes, key by key."""

    run: str
    keys: tuple[ConfigKey, ...]
