"""What a project requires outside `pyproject.toml`.

The sources are requirements files, conda environments, `setup.py` and `setup.cfg`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from gonogo.analysis.project.pyproject import parse_requirement
from gonogo.documents.yaml import parse_yaml
from gonogo.model.experiment import Experiment

_FILE = re.compile(r"(?:^|/)(?:[\w.-]*requirements?[\w.-]*\.(?:txt|in)|requirements/[\w.-]+\.(?:txt|in)|constraints?[\w.-]*\.txt)$")
_CONDA = re.compile(r"(?:^|/)(?=[\w.-]*env|conda)[\w.-]*\.ya?ml$", re.IGNORECASE)
_SETUP = re.compile(r"(?:^|/)setup\.(?:py|cfg)$")
_QUOTED = re.compile(r"[\"']([A-Za-z][\w.-]*(?:\[[\w, -]*\])?\s*(?:[=~!<>]=?=?[^\"';]*))[\"']")
_INSTALLS = re.compile(
    r"(?:^|/)(?:[Mm]akefile|[Dd]ockerfile|[\w.-]*(?:requirements?|install)[\w.-]*|[\w.-]+\.(?:sh|bash|sbatch|def|md|rst|ya?ml|dockerfile))$"
)
_INSTALL = re.compile(r"(?<![\w-])(?:pip3?|\$\(?\{?PIP\}?\)?|PIP|conda|mamba)[ \t]+(?:install|add)[ \t]+((?:[^\n|&;#\\]|\\\n)+)")
# `numpy=1.26=build`, as conda has it.
_CONDA_PIN = re.compile(r"^([\w.-]+)\s*=\s*([\d.]+\*?)(?:=.*)?$")


def requirement_texts(experiment: Experiment) -> Iterator[tuple[str, str, str]]:
    """Each requirement: the file, the distribution's canonical name, the requirement as PEP 508 has it."""
    for path in sorted(experiment.files):
        text = experiment.text(path)
        if not text:
            continue
        if _FILE.search(path):
            entries = [line.partition(" #")[0].strip() for line in text.splitlines()]
        elif _SETUP.search(path):
            entries = [*_QUOTED.findall(text), *(line.strip() for line in text.splitlines() if path.endswith(".cfg"))]
        elif _CONDA.search(path) and "dependencies" in text:
            entries = list(_of_conda(parse_yaml(text).get(("dependencies",), [])))
        else:
            continue
        for entry in entries:
            parsed = parse_requirement(entry) if entry and entry[0].isalpha() else None
            if parsed is not None:
                yield path, str(canonicalize_name(parsed.name)), entry


def installed_by_hand(experiment: Experiment) -> set[str]:
    """Return the canonical names of distributions that a project's files install.

    The files are requirements files, scripts, container files and documents.
    """
    found = {name for _, name, _ in requirement_texts(experiment)}
    for path in experiment.files:
        text = experiment.text(path) if _INSTALLS.search(path) else None
        for line in _INSTALL.findall(text or ""):
            parsed = (parse_requirement(word.strip("'\"`")) for word in line.split() if word.strip("'\"`")[:1].isalpha())
            found |= {str(canonicalize_name(entry.name)) for entry in parsed if entry is not None}
    return found


def _of_conda(entries: object) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            pip = entry.get("pip")
            yield from (str(line) for line in (pip if isinstance(pip, list) else ()))
        elif isinstance(entry, str):
            found = _CONDA_PIN.match(entry.rpartition("::")[2])
            yield (
                f"{found[1]}=={found[2] if found[2].count('.') > 1 else found[2].removesuffix('*').rstrip('.') + '.*'}" if found else entry
            )
