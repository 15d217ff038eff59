"""What an editor asks about the config.

From a place in a file, it gives the accesses that stand there, or those that read what stands there.
"""

from __future__ import annotations

from collections.abc import Iterable

from gonogo.cli.lsp.convert import holds
from gonogo.model.config_use import ConfigUse
from gonogo.model.finding import Location

MOST_NAMED = 6  # runs, or readers, in a hover

At = tuple[int, int]  # a line and a column, from 1


def uses_at(uses: Iterable[ConfigUse], path: str, at: At) -> list[ConfigUse]:
    """The accesses at a place in the code."""
    return [use for use in uses if use.location.path == path and holds(use.location, at)]


def readers_of(uses: Iterable[ConfigUse], path: str, at: At) -> list[ConfigUse]:
    """The accesses that read the key which is written at a place in a config file."""
    return [use for use in uses if any(place.path == path and holds(place, at) for place in definitions([use]))]


def definitions(uses: Iterable[ConfigUse]) -> list[Location]:
    """Where the keys of accesses are written."""
    return list(dict.fromkeys(held.defined for use in uses for held in use.held if held.defined is not None))


def same_key(uses: Iterable[ConfigUse], wanted: Iterable[ConfigUse]) -> list[ConfigUse]:
    """All accesses of the keys that some accesses are of."""
    paths = {use.path for use in wanted}
    return [use for use in uses if use.path in paths]


def values_text(uses: Iterable[ConfigUse]) -> str:
    """What the runs have under the keys of accesses, as Markdown."""
    return "\n\n".join(_value_text(use) for use in uses)


def readers_text(uses: list[ConfigUse]) -> str:
    """Where a key is read, as Markdown."""
    paths = dict.fromkeys(".".join(use.path) for use in uses)
    places = list(dict.fromkeys(str(use.location) for use in uses))
    more = f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
    return f"{', '.join(map(_code, paths))} is read at {', '.join(map(_code, places[:MOST_NAMED]))}{more}"


def _value_text(use: ConfigUse) -> str:
    groups: dict[tuple[str | None, str], list[str]] = {}
    for held in use.held:
        groups.setdefault((held.value, held.note), []).extend(held.runs)
    lines = [f"**{_code('.'.join(use.path))}**", ""]
    for (value, note), runs in groups.items():
        what = "absent" if value is None else _code(value)
        where = "in every run" if len(groups) == 1 else _named(_short(runs))
        lines.append(f"- {what} — {where}{f' ({note})' if note else ''}")
    return "\n".join(lines)


def _short(runs: list[str]) -> list[str]:
    """Runs without those that differ from another in the command alone."""
    return [run for run in runs if not any(run.startswith(f"{other} (") for other in runs)]


def _named(runs: list[str]) -> str:
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(map(_code, runs[:MOST_NAMED])) + more


def _code(text: str) -> str:
    """Inline code; texts come from the experiment and may hold anything."""
    text = " ".join(text.split())
    return f"`` {text} ``" if "`" in text and "``" not in text else f"`{text.replace('`', chr(39))}`"
