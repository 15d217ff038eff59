"""What the gate told the probe: one JSON object in the file that the variable `GONOGO_PROBE` names."""

from __future__ import annotations

import json
import os
from typing import Any

VARIABLE = "GONOGO_PROBE"
PROGRAM = "program"
REHEARSAL = "rehearsal"

#: The folder of the experiment's copy, with a slash at its end.
tree = ""
#: `trial`, `rehearsal`, `evaluation`, or `program`: any training program, of whose data and networks more is told.
mode = ""
#: The run that this process belongs to.
run = ""
#: How much code may do: `batches` per loader, `epochs`, `trials` of a search, `rows` of a stand-in, `seconds` of a pass over a loader.
bounds: dict[str, int] = {}
#: Patterns for the last part of a config key, and the most that its value may be in a rehearsal.
caps: list[tuple[str, int]] = []
#: A folder that stand-ins may write to.
scratch = ""
#: Kinds of stand-ins that are allowed.
standins: tuple[str, ...] = ()
#: A folder of the caller's own stand-ins, empty for none.
plugins = ""
#: What a challenge alters: `outputs` and `seed` with true, `labels` with the numbers of the loaders of each run.
alter: dict[str, Any] = {}


def load() -> None:
    """Read the settings.

    Raises:
        OSError: there is no such file.
        ValueError: it is not what the gate writes.
    """
    with open(os.environ[VARIABLE], encoding="utf-8") as file:
        given: dict[str, Any] = json.load(file)
    here = globals()
    for name in ("tree", "mode", "bounds", "caps", "scratch", "plugins"):
        here[name] = given[name]
    here["standins"] = tuple(given["standins"])
    here["alter"] = given.get("alter", {})
    here["run"] = os.environ.get("GONOGO_LABEL", "")
