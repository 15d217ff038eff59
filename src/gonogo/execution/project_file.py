"""The `pyproject.toml` that uv gets.

It is written by gonogo, with what an experiment may ask for and nothing else.

uv obeys what it reads: it fetches from any address, builds any folder, takes any index for the right one. So an experiment's own file is
never shown to it. What stands here is a name, versions and requirements by name; whatever asks for more is refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import tomli_w

from gonogo.analysis.project.pyproject import Pyproject, parse_requirement
from gonogo.model.errors import StageError

# Which versions are chosen, and for whom.
_KEPT = frozenset(
    {"environments", "required-environments", "default-groups", "conflicts", "resolution", "prerelease", "fork-strategy", "exclude-newer"}
    | {"exclude-newer-package", "exclude-dependencies"}
)
_REQUIREMENTS = frozenset({"constraint-dependencies", "override-dependencies", "dev-dependencies"})
# How uv goes about it on the author's machine, or what it does with the experiment's own package: neither changes what is installed.
_OF_NO_USE = frozenset(
    {"package", "managed", "pip", "build-backend", "publish-url", "check-url", "trusted-publishing", "link-mode", "compile-bytecode"}
    | {"concurrent-builds", "concurrent-downloads", "concurrent-installs", "native-tls", "system-certs", "required-version", "preview"}
    | {"preview-features", "python-preference", "python-downloads", "cache-keys", "no-cache", "upgrade", "upgrade-package", "reinstall"}
    | {"reinstall-package", "config-settings", "config-settings-package", "no-build-isolation", "no-build-isolation-package", "no-build"}
    | {"no-build-package", "no-binary", "no-binary-package", "build-constraint-dependencies", "extra-build-dependencies"}
    | {"extra-build-variables", "add-bounds", "audit"}
)
_INDEXES = ("index", "index-url", "extra-index-url")
_TORCH = re.compile(r"https://download\.pytorch\.org/whl(/(cpu|cu\d+|rocm[\d.]+|xpu))?/?")
_VERSION = re.compile(r"(?:(?:cpython|python)[-@]?)?(3(?:\.\d+){0,2})", re.IGNORECASE)
_SPECIFIER = re.compile(r"[<>=!~]=?=?\s*3[\d.*]*(\s*,\s*[<>=!~]=?=?\s*3[\d.*]*)*")
_ELSEWHERE = re.compile(r"[@/\\:]")  # in no requirement by name alone
ADVICE = "give an environment that has it with --python"


@dataclass
class Asked:
    """What an experiment asks for.

    Attributes:
        text: the project file for uv.
        python: the version of Python that it names, empty for none.
        groups: the dependency groups that are installed.
        torch_index: whether it says that torch comes from an index of PyTorch's own.
        notes: what the user should know.
    """

    text: str
    python: str = ""
    groups: tuple[str, ...] = ()
    torch_index: bool = False
    notes: list[str] = field(default_factory=list)


def vetted(project: Pyproject, python_version: str | None, constraints: Iterable[str] = ()) -> Asked:
    """What uv may be told of an experiment's project file.

    Args:
        project: the file.
        python_version: the text of its `.python-version`.
        constraints: more constraints, such as the versions of a lock.

    Raises:
        StageError: it asks for what is in no package index of the caller's, or for a Python by something else than its version.
    """
    dynamic = project.project.get("dynamic")
    dynamic = dynamic if isinstance(dynamic, list) else []
    if "dependencies" in dynamic:
        raise StageError("the dependencies are computed by the project's own build, which is not run: give an environment with --python")
    own = project.section("tool", "uv")
    tool, torch_index = _tool(own)
    groups, extras, notes = _groups(project, own)
    table: dict[str, Any] = {name: project.project[name] for name in ("name", "version", "requires-python") if name in project.project}
    if project.project:
        if "version" in dynamic or "version" not in table:
            table["version"] = "0"  # of no use to anybody: the project itself is not installed
        for name, value in (("dependencies", project.project.get("dependencies")), ("optional-dependencies", extras)):
            if value is not None:
                table[name] = _requirements(value, f"project.{name}") if name == "dependencies" else value
    # A workspace of its own: uv must not look for one in the folders above.
    uv = {"package": False, **tool, "workspace": {"members": []}}
    if more := list(constraints):
        uv["constraint-dependencies"] = [*uv.get("constraint-dependencies", []), *more]
    written: dict[str, Any] = {**({"project": table} if table else {}), **({"dependency-groups": groups} if groups else {})}
    chosen = own.get("default-groups", ["dev"])
    if torch_index:
        notes.append("torch is taken from the package index, not from PyTorch's own as pyproject.toml says.")
    return Asked(
        tomli_w.dumps({**written, "tool": {"uv": uv}}),
        _python(python_version),
        tuple(name for name in groups if chosen == "all" or name in chosen),
        torch_index,
        notes,
    )


def requirement(text: str, where: str) -> str:
    """A requirement that names a package and its versions.

    Raises:
        StageError: it says where the package is to be had.
    """
    parsed = parse_requirement(text)
    if parsed is None and not _ELSEWHERE.search(text):
        return text  # uv says in its own words what is wrong with it
    if parsed is None or parsed.url is not None:
        raise StageError(f"{where} asks for `{text[:200]}`, which is to be fetched from somewhere else than a package index: {ADVICE}")
    return str(parsed)


def _requirements(value: Any, where: str) -> Any:
    """A list of requirements; what is no list is for uv to speak of."""
    if not isinstance(value, list):
        return value
    return [requirement(entry, where) if isinstance(entry, str) else entry for entry in value]


def _groups(project: Pyproject, own: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None, list[str]]:
    """Return dependency groups and extras.

    One that is not installed and asks for something unavailable is left out, and so is any group that includes it.
    """
    given = project.section("dependency-groups")
    chosen = own.get("default-groups", ["dev"])
    needed = set(given) if chosen == "all" else _closure(given, chosen if isinstance(chosen, list) else [])
    groups, left_out = _without_foreign(given, needed, "dependency-groups")
    extras = project.project.get("optional-dependencies")
    if isinstance(extras, dict):
        extras, more = _without_foreign(extras, set(), "project.optional-dependencies")
        left_out += more
    notes = [f"Left out of the environment, since it is not in a package index: {', '.join(left_out)}."] if left_out else []
    return groups, extras, notes


def _closure(groups: dict[str, Any], names: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    waiting = [name for name in names if isinstance(name, str) and name in groups]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [inner for inner in _included(groups[name]) if inner in groups]
    return found


def _included(entries: Any) -> list[str]:
    names = [entry.get("include-group") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [name for name in names if isinstance(name, str)]


def _without_foreign(groups: dict[str, Any], needed: set[str], where: str) -> tuple[dict[str, Any], list[str]]:
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    for name, entries in groups.items():
        try:
            kept[name] = _requirements(entries, f"{where}.{name}")
        except StageError:
            if name in needed:
                raise
            left_out.append(name)
    while more := [name for name, entries in kept.items() if not set(_included(entries)).isdisjoint(left_out)]:
        left_out += more
        kept = {name: entries for name, entries in kept.items() if name not in more}
    return kept, left_out


def _tool(own: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The settings that may be kept, and whether torch is to come from an index of PyTorch's."""
    kept: dict[str, Any] = {}
    named = {str(entry.get("name")) for entry in _entries(own.get("index")) if isinstance(entry, dict)}
    for name, value in own.items():
        if name in _KEPT:
            kept[name] = value
        elif name in _REQUIREMENTS:
            kept[name] = _requirements(value, f"tool.uv.{name}")
        elif name == "dependency-metadata":
            kept[name] = [_metadata(entry) for entry in _entries(value)]
        elif name == "sources":
            _check_sources(value, named)
        elif name in _INDEXES:
            _check_indexes(name, value)
        elif name not in _OF_NO_USE:
            raise StageError(f"tool.uv.{name} of pyproject.toml is not followed, since it could lead anywhere: {ADVICE}")
    return kept, any(name in own for name in _INDEXES)


def _entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _metadata(entry: Any) -> Any:
    """What uv is told of a package so that it need not ask for it."""
    if not isinstance(entry, dict):
        return entry
    known = ("name", "version", "requires-python", "provides-extra", "provides-extras")
    told = {name: entry[name] for name in known if name in entry}
    if "requires-dist" in entry:
        told["requires-dist"] = _requirements(entry["requires-dist"], "tool.uv.dependency-metadata")
    return told


def _check_indexes(name: str, value: Any) -> None:
    """Check that no package index other than PyTorch's own is declared.

    gonogo has a way to handle that one: its packages are then taken from the caller's index.

    Raises:
        StageError: it is another.
    """
    for entry in _entries(value):
        url = entry.get("url") if isinstance(entry, dict) else entry
        if not isinstance(url, str) or not _TORCH.fullmatch(url):
            raise StageError(f"tool.uv.{name} of pyproject.toml names a package index of its own, {str(url)[:200]}: {ADVICE}")


def _check_sources(value: Any, indexes: set[str]) -> None:
    """Raises StageError unless all sources are of the indexes that were checked."""
    for package, source in value.items() if isinstance(value, dict) else ():
        for entry in _entries(source):
            known = isinstance(entry, dict) and str(entry.get("index")) in indexes
            if not known or not set(entry) <= {"index", "marker", "extra", "group"}:
                parts = {key: text for key, text in entry.items() if key != "marker"} if isinstance(entry, dict) else {}
                where = ", ".join(f"{key} {str(text)[:100]}" for key, text in parts.items()) or "elsewhere"
                raise StageError(f"tool.uv.sources of pyproject.toml takes {package} from {where}, which is no package index: {ADVICE}")


def _python(text: str | None) -> str:
    """The version of Python that `.python-version` names.

    Raises:
        StageError: it names something else, such as a program by its path.
    """
    lines = [line.partition("#")[0].strip() for line in (text or "").splitlines()]
    wanted = next(filter(None, lines), "")
    match: Callable[[str], Any] = _VERSION.fullmatch
    if not wanted:
        return ""
    if found := match(wanted):
        return str(found[1])
    if _SPECIFIER.fullmatch(wanted):
        return wanted
    raise StageError(f".python-version names {wanted[:100]!r}, which is no version of Python: {ADVICE}")
