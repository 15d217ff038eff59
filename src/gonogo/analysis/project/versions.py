"""Which versions of a library a project gets: what it asks for, and what its lock file settles."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from gonogo.analysis.project.dependencies import are_dynamic, requirements
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.documents.toml import parse_toml
from gonogo.model.experiment import Experiment

MOST_OF_LOCK = 1_000_000  # words and signs


def required(pyproject: Pyproject | None, distribution: str) -> list[str]:
    """A project's requirements of a distribution, as they are written."""
    if pyproject is None or pyproject.fault is not None or are_dynamic(pyproject):
        return []
    return [entry.text for entry in requirements(pyproject) if entry.name == distribution]


def locked_versions(experiment: Experiment) -> dict[str, str]:
    """The versions that the lock file settles, by canonical name; of several for one name the first."""
    packages = parse_toml(experiment.text("uv.lock") or "", MOST_OF_LOCK).table.get("package")
    tables = [package for package in packages if isinstance(package, dict)] if isinstance(packages, list) else []
    return {str(canonicalize_name(str(table.get("name", "")))): str(table["version"]) for table in reversed(tables) if table.get("version")}
