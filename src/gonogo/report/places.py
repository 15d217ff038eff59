"""Where a place of an experiment is, relative to the folder in which gonogo was called.

CI systems link to such paths.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from gonogo.model.finding import Finding, Location
from gonogo.model.program_file import as_given, is_program, root_of
from gonogo.model.verdict import Verdict, page_of


def folder_of(verdict: Verdict) -> str:
    """The folder that the paths of a verdict are relative to, as the caller wrote it.

    Of a program, it is that of its project.
    """
    if not is_program(verdict.experiment):
        return verdict.experiment
    file = Path(verdict.experiment)
    return as_given(file, root_of(file))


def path_from_here(verdict: Verdict, path: str) -> str:
    """Return the path of an experiment's file, relative to the working directory.

    It is relative where the experiment is a folder in the working directory.

    Args:
        verdict: of the experiment.
        path: of the file, relative to the experiment.
    """
    root = Path(folder_of(verdict))
    if not root.is_dir():  # a bundle, or standard input
        return path
    try:
        inside = root.resolve().relative_to(Path.cwd().resolve())
    except (OSError, ValueError):
        return path
    return (inside / path).as_posix()


def uri_from_here(verdict: Verdict, path: str) -> str:
    """The same as a relative reference of RFC 3986."""
    return quote(path_from_here(verdict, path))


def of_file(place: Location) -> Location:
    """Return the place in a file.

    For a notebook it is only the file, since its lines are those of a cell and not of the file.
    """
    return place if place.cell is None else Location(path=place.path)


def with_cell(place: Location, text: str) -> str:
    """What is said of a place, with its cell and line before it where it is one in a notebook."""
    return text if place.cell is None else f"cell {place.cell}, line {place.line}: {text}"


def unique_fingerprints(verdict: Verdict) -> list[tuple[Finding, str]]:
    """The findings, each with a fingerprint that no other finding of this verdict has.

    One fault that stands in a file several times has one fingerprint; CI systems take such findings for one.
    """
    seen: dict[str, int] = {}
    found = []
    for finding in verdict.findings:
        count = seen[finding.fingerprint] = seen.get(finding.fingerprint, 0) + 1
        found.append((finding, finding.fingerprint if count == 1 else f"{finding.fingerprint}-{count}"))
    return found


def rule_url(verdict: Verdict, rule: str) -> str:
    """The page of a rule, where the caller says that the documentation is published.

    Empty otherwise, since a dead link helps nobody.

    Args:
        verdict: says where.
        rule: the rule's id.
    """
    return page_of(verdict.docs_url, rule)
