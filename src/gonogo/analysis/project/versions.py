"""Which versions of a library a project gets: what it asks for, and what its lock file settles."""

from __future__ import annotations

from collections.abc import Collection

from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from gonogo.analysis.project.dependencies import are_dynamic, requirements
from gonogo.analysis.project.pyproject import Pyproject, parse_requirement
from gonogo.analysis.project.requirement_files import requirement_texts
from gonogo.documents.toml import parse_toml
from gonogo.model.experiment import Experiment

MOST_OF_LOCK = 1_000_000  # words and signs


def required(pyproject: Pyproject | None, distribution: str) -> list[str]:
    """A project's requirements of a distribution, as they are written."""
    if pyproject is None or pyproject.fault is not None or are_dynamic(pyproject):
        return []
    return [entry.text for entry in requirements(pyproject) if entry.name == distribution]


def may_be_before(experiment: Experiment, pyproject: Pyproject | None, distributions: Collection[str], version: str) -> bool:
    """Whether a project asks for a version of a library that is older than one.

    Of several requirements files, any may be the one that is installed. A lower bound alone lets the newest version in.

    Args:
        experiment: the project.
        pyproject: its `pyproject.toml`, None if it has none.
        distributions: the canonical names that the library goes by.
        version: the first version that is not meant.
    """
    locked = locked_versions(experiment)
    if any(name in locked for name in distributions):
        return any(name in locked and parsed_version(locked[name]) < Version(version) for name in distributions)
    texts = [text for name in distributions for text in required(pyproject, name)]
    texts += [text for _, name, text in requirement_texts(experiment) if name in distributions]
    parsed = [entry for entry in map(parse_requirement, texts) if entry is not None]
    return any(_is_capped(specifier, Version(version)) for entry in parsed for specifier in entry.specifier)


def _is_capped(specifier: Specifier, version: Version) -> bool:
    """Whether a specifier lets in nothing as new as a version."""
    bound = parsed_version(specifier.version)
    kept = len(bound.release) - 1 if specifier.operator == "~=" else len(bound.release) if specifier.version.endswith(".*") else 0
    if kept and specifier.operator in ("~=", "=="):  # ~=1.2 lets 1.9 in, ~=1.2.3 and ==1.2.* let 1.2.9 in
        return bound.release[:kept] < version.release[:kept]
    return bound < version if specifier.operator in ("==", "===", "<=") else specifier.operator == "<" and bound <= version


def parsed_version(text: str) -> Version:
    """A version as it is written after a comparison (`2.*`), 0 if it is none."""
    try:
        return Version(text.removesuffix(".*"))
    except InvalidVersion:
        return Version("0")


def locked_versions(experiment: Experiment) -> dict[str, str]:
    """The versions that the lock file settles, by canonical name; of several for one name the first."""
    packages = parse_toml(experiment.text("uv.lock") or "", MOST_OF_LOCK).table.get("package")
    tables = [package for package in packages if isinstance(package, dict)] if isinstance(packages, list) else []
    return {str(canonicalize_name(str(table.get("name", "")))): str(table["version"]) for table in reversed(tables) if table.get("version")}
