"""The dependencies that `pyproject.toml` declares, and why uv could not use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from gonogo.analysis.project.distributions import mistaken_for
from gonogo.analysis.project.pyproject import PATH, Pyproject, parse_requirement
from gonogo.model.finding import Location


@dataclass(frozen=True)
class TableProblem:
    """What is wrong in `pyproject.toml`: a sentence, what to do, where, and the entry itself."""

    location: Location
    message: str
    action: str
    evidence: str = ""


@dataclass(frozen=True)
class Requirement:
    """One usable requirement: its canonical name, how it is written, and the key it stands under."""

    name: str
    text: str
    keys: tuple[str, ...]


def requirements(pyproject: Pyproject) -> list[Requirement]:
    """Every usable requirement of the file: the project's own, its extras', its dependency groups'."""
    found = []
    for keys, entry in _entries(pyproject):
        parsed = parse_requirement(entry)
        if parsed is not None:
            found.append(Requirement(canonicalize_name(parsed.name), str(entry), keys))
    return found


def are_dynamic(pyproject: Pyproject) -> bool:
    """Whether the build backend finds the dependencies elsewhere."""
    dynamic = pyproject.project.get("dynamic")
    return isinstance(dynamic, list) and "dependencies" in dynamic


def dependency_faults(pyproject: Pyproject, needs_any: bool) -> Iterator[TableProblem]:
    """Why uv would refuse the dependencies, or install none of them.

    Args:
        pyproject: the file.
        needs_any: the code imports something that has to be installed.
    """
    if pyproject.fault is not None or ("project" in pyproject.table and not pyproject.project):
        return  # not TOML (IMP103), or no usable [project] table (ENV104)
    declared = pyproject.project.get("dependencies")
    if isinstance(declared, dict):
        yield TableProblem(
            pyproject.locate("project", "dependencies"),
            "`[project.dependencies]` is a table where uv wants a list of requirements, so uv refuses the whole file",
            'write `dependencies = ["torch>=2.4", ...]` under [project]',
            _first_entries(declared),
        )
        return
    if declared is not None and not isinstance(declared, list):
        yield TableProblem(
            pyproject.locate("project", "dependencies"),
            "`dependencies` is not a list of requirements, so uv refuses the whole file",
            'write `dependencies = ["torch>=2.4", ...]`',
            repr(declared)[:200],
        )
        return
    yield from _entry_faults(pyproject)
    if needs_any and not declared and not are_dynamic(pyproject) and not _has_default_group(pyproject):
        yield _nothing_declared(pyproject)


def _has_default_group(pyproject: Pyproject) -> bool:
    """Return whether a dependency group that uv installs by default has entries.

    Any group counts, as the settings may name others.
    """
    return bool(pyproject.section("dependency-groups")) or bool(pyproject.section("tool", "uv").get("dev-dependencies"))


def _nothing_declared(pyproject: Pyproject) -> TableProblem:
    poetry = pyproject.section("tool", "poetry", "dependencies")
    if poetry:
        return TableProblem(
            pyproject.locate("tool", "poetry", "dependencies"),
            "the dependencies stand under `[tool.poetry]` only, which uv does not read, so it installs nothing",
            'move them to `dependencies = ["torch>=2.4", ...]` under [project], without caret versions',
            _first_entries(poetry),
        )
    if not pyproject.project:
        return TableProblem(
            Location(path=PATH),
            "there is no `[project]` table, so uv installs nothing of what the code imports",
            "write a [project] table with name, version and dependencies",
        )
    return TableProblem(
        pyproject.locate("project", "dependencies"),
        "`[project]` declares no dependencies, so uv installs nothing of what the code imports",
        'list what the code imports: `dependencies = ["torch>=2.4", ...]`',
    )


def _entries(pyproject: Pyproject) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every entry of every list of requirements, with the key it stands under."""
    declared = pyproject.project.get("dependencies")
    yield from ((("project", "dependencies"), entry) for entry in (declared if isinstance(declared, list) else []))
    for table in (("project", "optional-dependencies"), ("dependency-groups",)):
        for group, entries in pyproject.section(*table).items():
            for entry in entries if isinstance(entries, list) else []:
                if table[0] == "project" or not isinstance(entry, dict):  # a group may include another: {include-group = "test"}
                    yield (*table, group), entry
    development = pyproject.section("tool", "uv").get("dev-dependencies")
    yield from ((("tool", "uv", "dev-dependencies"), entry) for entry in (development if isinstance(development, list) else []))


def _entry_faults(pyproject: Pyproject) -> Iterator[TableProblem]:
    for keys, entry in _entries(pyproject):
        parsed = parse_requirement(entry)
        meant = mistaken_for(canonicalize_name(parsed.name)) if parsed is not None else None
        if parsed is not None and meant is None:
            continue
        text = entry if isinstance(entry, str) else repr(entry)
        place = pyproject.locate_text(text, *keys) if isinstance(entry, str) else pyproject.locate(*keys)
        if parsed is None:
            yield TableProblem(place, f"`{text[:100]}` {_why(text)}, so uv refuses to install anything", _repair(text), text[:200])
            continue
        action = f"write `{meant}`" if meant else "delete it, and say `requires-python` instead"
        yield TableProblem(place, f"`{text[:100]}` names no distribution that can be installed, so uv installs nothing", action, text[:200])


def _why(text: str) -> str:
    if "^" in text:
        return "has a caret version, which only Poetry reads"
    return "is not a valid requirement"


def _repair(text: str) -> str:
    if "^" in text:
        return "write a lower bound instead of the caret: `name>=1.2`"
    return "write it as in PEP 508: `name>=1.2,<2`"


def _first_entries(table: dict[str, object]) -> str:
    return "\n".join(f"{name} = {value!r}" for name, value in list(table.items())[:3])[:200]
