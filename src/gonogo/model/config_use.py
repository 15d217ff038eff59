"""Where the code asks for a key of its config, and what each run has there: what an editor shows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

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
