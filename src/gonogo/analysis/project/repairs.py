"""New texts for `pyproject.toml`.

Comments and layout stay, since tomlkit edits the file instead of writing it from scratch.
"""

from __future__ import annotations

import re
from typing import Any

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from gonogo.analysis.project.dependencies import dependency_faults
from gonogo.analysis.project.distributions import mistaken_for
from gonogo.analysis.project.pyproject import load_pyproject

_POETRY = re.compile(r"^\s*+([\w.-]++)\s*+(\[[\w,\s.-]*+\])?\s*+((?:[\^~]|[<>=!]=?)?\s*+[\d*].*)?")


def with_requirement(text: str, requirement: str) -> str | None:
    """The file with one more entry in `[project].dependencies`, None where that is no list.

    Args:
        text: of the file.
        requirement: the entry.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return None
    listed = _dependencies(document)
    if not isinstance(listed, Array):
        return None
    listed.append(requirement)
    return _checked(tomlkit.dumps(document))


def with_usable_dependencies(text: str) -> str | None:
    """Return the file with its dependencies as a list that uv reads.

    None where it is not clear what that list is.

    A table of `[project]` or of Poetry becomes a list; `^1.2`, `~1.2` and `*` become what Poetry's documentation ("Dependency
    specification") says they mean; names that can't be installed become those that were meant.

    Args:
        text: of the file.
    """
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return None
    project = document.get("project")
    if not isinstance(project, dict):
        return None  # a [project] table needs a name and a version, which are not ours to choose
    declared = project.get("dependencies")
    if isinstance(declared, Array):
        _mend_entries(declared)
        return _checked(tomlkit.dumps(document))
    poetry = document.get("tool", {}).get("poetry", {}).get("dependencies")
    table = declared if isinstance(declared, dict) else poetry if declared is None else None
    if not isinstance(table, dict):
        return None
    entries = [_from_table(str(name), value) for name, value in table.items() if name != "python"]
    if not entries or None in entries:
        return None
    listed = tomlkit.array()
    listed.extend(entries)
    listed.multiline(True)
    project.pop("dependencies", None)
    project["dependencies"] = listed
    return _checked(tomlkit.dumps(document))


def _dependencies(document: tomlkit.TOMLDocument) -> Any:
    project = document.get("project")
    return project.get("dependencies") if isinstance(project, dict) else None


def _mend_entries(listed: Array) -> None:
    for number in reversed(range(len(listed))):
        entry = str(listed[number])
        mended = _requirement(entry)
        if mended == "":
            del listed[number]
        elif mended is not None and mended != entry:
            listed[number] = mended


def _requirement(entry: str) -> str | None:
    """An entry as uv reads it; empty where none is needed, None where it is not plain what is meant."""
    try:
        parsed = Requirement(entry)
    except InvalidRequirement:
        match = _POETRY.fullmatch(entry)
        if match is None:
            return None
        name, extras, version = match.groups()
        specifier = _specifier(version or "*")
        if specifier is None:
            return None
        entry = f"{name}{extras or ''}{specifier}"
        try:
            parsed = Requirement(entry)
        except InvalidRequirement:
            return None
    meant = mistaken_for(canonicalize_name(parsed.name))
    return entry if meant is None else meant and meant + entry[len(parsed.name) :]


def _from_table(name: str, value: object) -> str | None:
    """An entry of a table as a requirement."""
    extras = ""
    if isinstance(value, dict):
        if set(value) - {"version", "extras"}:
            return None  # a source, a marker: what it becomes is the author's to say
        extras = f"[{','.join(map(str, value.get('extras', [])))}]" if value.get("extras") else ""
        value = value.get("version", "*")
    specifier = _specifier(str(value))
    return None if specifier is None else _requirement(f"{name}{extras}{specifier}") or None


def _specifier(version: str) -> str | None:
    """A version as Poetry reads it in the words of PEP 440, None if it has no such."""
    version = version.strip()
    if version in ("", "*"):
        return ""
    if version[0] not in "^~" or version.startswith("~="):
        return version if version[0] in "<>=!~" else f"=={version}"
    try:
        release = Version(version[1:].strip()).release
    except InvalidVersion:
        return None
    least = version[1:].strip()
    if version[0] == "~":
        fixed = 1 if len(release) == 1 else 2
    else:  # a caret: the first part that is not zero may not change
        fixed = next((number for number, part in enumerate(release, 1) if part), len(release))
    above = [*release[: fixed - 1], release[fixed - 1] + 1]
    return f">={least},<{'.'.join(map(str, above))}"


def _checked(text: str) -> str | None:
    """The text, if uv can use the dependencies in it."""
    pyproject = load_pyproject(text)
    return None if pyproject is None or pyproject.fault is not None or any(dependency_faults(pyproject, needs_any=True)) else text
