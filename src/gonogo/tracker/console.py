"""Lines of a run's console as the client sends them."""

from __future__ import annotations

import json
import re

_HEAD = re.compile(r"(?:(?P<level>ERROR) )?(?P<timestamp>\d{4}-\d\d-\d\dT[\d:.]+) ?(?P<line>.*)", re.DOTALL)


def read_line(text: str) -> dict[str, str | None]:
    """Parse a line of console output with its time, level and label, as far as it has them.

    The level is `error` for standard error.
    """
    if text.startswith("{"):
        try:
            found = json.loads(text)
            named = {name: found.get(key) for name, key in (("timestamp", "ts"), ("level", "level"), ("label", "label"))}
            if all(value is None or isinstance(value, str) for value in named.values()):
                return named | {"line": str(found["content"])}
        except (ValueError, KeyError, RecursionError):
            pass  # a program printed something that only looks like it
    match = _HEAD.fullmatch(text)
    if match is None:
        return {"timestamp": None, "level": None, "label": None, "line": text}
    level = "error" if match["level"] else "info"
    return {"timestamp": f"{match['timestamp']}Z", "level": level, "label": None, "line": match["line"]}
