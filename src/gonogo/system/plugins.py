"""What installed packages add to gonogo: entry points, by group.

Read straight from the `entry_points.txt` of the installed packages: `importlib.metadata` parses those of all groups, which costs every
start several times what the rest of this module does.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

PREFIX = "gonogo."


@lru_cache(maxsize=1)
def _groups() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for folder in sys.path:
        try:
            entries = [entry.path for entry in os.scandir(folder or ".") if entry.name.endswith(".dist-info")]
        except OSError:
            continue  # a zip file, or a folder that is not there
        for entry in entries:
            for group, name, value in _declared(f"{entry}/entry_points.txt"):
                found.setdefault(group, {}).setdefault(name, value)
    return found


def _declared(path: str) -> list[tuple[str, str, str]]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes three times as long, hundreds of times
            text = file.read()
    except OSError:
        return []
    if f"[{PREFIX}" not in text:
        return []
    found, group = [], ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]")
        elif group.startswith(PREFIX) and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            found.append((group, name.strip(), value.strip()))
    return found


def named(group: str) -> dict[str, str]:
    """Return the entry points of a group.

    They are the modules (or other values) that installed packages name, by the names that the packages give them.
    """
    return dict(_groups().get(group, {}))
