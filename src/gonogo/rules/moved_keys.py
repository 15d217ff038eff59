"""Config keys that stand elsewhere than where the code reads them.

This holds what such findings have in common, and the edits that fix them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.trace import Access, Read, Trace
from gonogo.analysis.project.config_places import NOTHING, Path, paths_of, value_at
from gonogo.model.finding import Cause, Change, Fix, Location


@dataclass(frozen=True)
class Move:
    """Where the code reads a key, and where the key is.

    `before` is to become `after`, below `common`, above `key`.

    Attributes:
        key: what both paths end with; empty for a key that is called otherwise.
    """

    common: Path
    before: Path
    after: Path
    key: Path

    def cause(self, written: str) -> Cause | None:
        """What all findings of this move share; None for a key that is called otherwise.

        Args:
            written: how the code asks for the key.
        """
        if not self.key:
            return None
        wrong, right = ".".join((*self.common, *self.before)), ".".join((*self.common, *self.after))
        if not right:
            message, action = f"keys are looked for below `{wrong}` that stand at the top of the config", f"leave out `{wrong}.`"
        elif not wrong:
            message, action = f"keys are looked for at the top of the config that stand below `{right}`", f"put `{right}.` before them"
        else:
            message, action = f"keys are looked for below `{wrong}` that stand below `{right}`", f"look below `{right}`"
        return Cause(
            key=f"moved-keys {wrong} {right}",
            message=message,
            action=action,
            item=f"{written} (`{'.'.join((*self.common, *self.after, *self.key))}`)",
        )


def move_of(asked: Path, there: Path) -> Move:
    """What makes one path of the other: the parts that they begin and end with stay."""
    tail = 0
    while tail < min(len(asked), len(there)) and asked[-1 - tail] == there[-1 - tail]:
        tail += 1
    asked, there, key = asked[: len(asked) - tail], there[: len(there) - tail], asked[len(asked) - tail :]
    head = 0
    while head < min(len(asked), len(there)) and asked[head] == there[head]:
        head += 1
    return Move(asked[:head], asked[head:], there[head:], key)


def is_clear(config: Any, move: Move) -> bool:
    """Whether only one key of the config can be meant: no other path ends like it."""
    return bool(move.key) and sum(path[-len(move.key) :] == move.key for path in paths_of(config)) == 1


class Rereading:
    """Finds the expressions to change so that keys are read where they are.

    Args:
        traces: of all runs.
    """

    def __init__(self, traces: list[Trace]) -> None:
        self._traces = traces
        self._paths: dict[tuple[str, int], set[Path]] = {}
        self._nodes: dict[Path, dict[tuple[str, int], Site]] = {}
        for trace in traces:
            events: list[Read | Access] = [*(read for read in trace.of(Read) if read.is_section), *trace.accesses]
            for event in events:
                key = (event.site.module.path, id(event.site.node))
                self._paths.setdefault(key, set()).add(event.path)
                self._nodes.setdefault(event.path, {})[key] = event.site

    def fix(self, access: Access, move: Move, config: Any) -> Fix | None:
        """The edits for an access, None where it is not plain which.

        Args:
            access: of the wrong key.
            move: to where it is.
            config: as composed for the run.
        """
        length = len(move.common) + max(1, len(move.before))
        if len(move.before) > 1 or not move.after:
            return None
        section = access.path[:length]
        target = (*move.common, *move.after, *section[len(move.common) + len(move.before) :])
        sites = self._nodes.get(section, {})
        direct = (access.site.module.path, id(getattr(access.site.node, "value", None)))
        if direct in sites:  # `cfg.section.key`: this expression alone is wrong, whatever others are
            sites = {direct: sites[direct]}
        if not sites or not self._all_move(section, target):
            return None
        changes = []
        for key, site in sites.items():
            change = _change(site, move) if self._paths[key] == {section} else None
            if change is None:
                return None
            changes.append(change)
        wrong, right = ".".join(section), ".".join(target)
        return Fix(what=f"read `{right}` in place of `{wrong}`", changes=tuple(dict.fromkeys(changes)), is_safe=is_clear(config, move))

    def _all_move(self, section: Path, target: Path) -> bool:
        """Whether all that the runs read below a section is where it would be read then."""
        for trace in self._traces:
            read = [path for path in trace.used if path[: len(section)] == section and len(path) > len(section)]
            read += [access.path for access in trace.accesses if access.path[: len(section)] == section and not access.guarded]
            if any(value_at(trace.config, (*target, *path[len(section) :])) is NOTHING for path in read):
                return False
        return True


def _change(site: Site, move: Move) -> Change | None:
    node = site.node
    if not isinstance(node, ast.Attribute | ast.Subscript) or not all(part.isidentifier() for part in move.after):
        return None
    whole, before = site.module.location(node), site.module.location(node.value)
    inserted = "".join(f".{part}" for part in move.after)
    ends = whole if move.before else before
    place = Location(path=whole.path, line=before.end_line, column=before.end_column, end_line=ends.end_line, end_column=ends.end_column)
    return Change(location=place, text=inserted)


def override_change(module_lines: list[str], location: Location, key: str, there: Path) -> Change | None:
    """The edit of a text `key=…` in code, None where it does not stand there once."""
    if location.line is None or location.column is None or location.line > len(module_lines):
        return None
    line = module_lines[location.line - 1]
    start = line.find(f"{key}=", location.column - 1)
    if start < 0 or line.count(f"{key}=") != 1:
        return None
    place = Location(path=location.path, line=location.line, column=start + 1, end_line=location.line, end_column=start + 1 + len(key))
    return Change(location=place, text=".".join(there))
