"""What libraries no longer have, and whether a project gets such a version.

The table is in `removed.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from packaging.version import Version

from gonogo.analysis.project.pyproject import parse_requirement
from gonogo.analysis.project.versions import parsed_version

# torchvision 0.13 and later hand `pretrained` on to the network, which refuses it, as soon as `weights` is given too.
BOTH = ("torchvision", "0.13", "torchvision.models.", ("pretrained", "weights"))


@dataclass(frozen=True)
class Removed:
    """What a library lacks.

    Attributes:
        distribution: its canonical name.
        since: the version from which on it is absent.
        never: no older version is known to have had it either.
        instead: what to write, possibly in words.
        newest: the newest version that is known, where it is not `since`.
        near: names that are there, which are written alike.
    """

    distribution: str
    since: str
    instead: str = ""
    never: bool = False
    newest: str = ""
    near: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def never_there() -> dict[str, str]:
    """What is meant by dotted names that no version of their library has."""
    table = tomllib.loads((resources.files("gonogo.analysis.project") / "removed.toml").read_text("utf-8"))
    return dict(table["never"])


@lru_cache(maxsize=1)
def removals() -> tuple[dict[str, Removed], dict[tuple[str, str], Removed]]:
    """The table: by dotted name, and by function and argument."""
    table = tomllib.loads((resources.files("gonogo.analysis.project") / "removed.toml").read_text("utf-8"))
    names: dict[str, Removed] = {}
    keywords: dict[tuple[str, str], Removed] = {}
    for library in table["library"]:
        distribution, since = library["distribution"], library["since"]
        names |= {name: Removed(distribution, since, instead) for name, instead in library.get("names", {}).items()}
        for function, arguments in library.get("keywords", {}).items():
            keywords |= {(function, keyword): Removed(distribution, since, instead) for keyword, instead in arguments.items()}
    return names, keywords


def removed_name(dotted: str) -> Removed | None:
    """What is known of a dotted name that a library no longer has, None where it may be there."""
    return removals()[0].get(dotted)


def removed_keyword(function: str, keyword: str) -> Removed | None:
    """What is known of an argument that a library's function no longer takes, None where it may take it."""
    return removals()[1].get((function, keyword))


def lacks(removed: Removed, requirements: Iterable[str], locked: str | None) -> tuple[str, bool] | None:
    """Return why a project gets a version that lacks something, and whether that is sure.

    None if the project may well get an older version.

    Args:
        removed: what is looked for.
        requirements: the project's requirements of the distribution, as they are written.
        locked: the version in its lock file, None if there is none.
    """
    since = Version(removed.since)
    written = list(requirements)
    parsed = [entry for entry in map(parse_requirement, written) if entry is not None and (entry.marker is None or entry.marker.evaluate())]
    specifiers = [specifier for requirement in parsed for specifier in requirement.specifier]
    bounds = [parsed_version(specifier.version) for specifier in specifiers if specifier.operator in (">=", ">", "==", "~=", "===")]
    newest = Version(removed.newest or removed.since)
    if removed.never and any(version > newest for version in (*bounds, *([parsed_version(locked)] if locked is not None else []))):
        return None  # newer than what is known of the library
    if locked is not None:
        return (f"{removed.distribution} {locked} is locked", True) if parsed_version(locked) >= since else None
    if any(requirement.url for requirement in parsed):
        return None  # a fork, or any commit: its version is not to be seen
    if not written:
        return ("no version has it", True) if removed.never else None
    text = " and ".join(f"`{requirement}`" for requirement in written)
    if any(bound >= since for bound in bounds):
        return f"{text} asks for a version without it", True
    if parsed and all(requirement.specifier.contains(since, prereleases=True) for requirement in parsed):
        return f"{text} lets uv install a version without it", removed.never
    return None
