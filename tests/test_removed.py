"""What libraries have removed: the table against the libraries that are installed here, and what a project's requirements say."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.version import Version

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.removed_names import there_after_all
from gonogo.analysis.libraries.absent import absent_name
from gonogo.analysis.project.removed import Removed, lacks, removals

NAMES, KEYWORDS = removals()
LIBRARIES = sorted({removed.distribution for removed in (*NAMES.values(), *KEYWORDS.values())})


@pytest.mark.parametrize("distribution", LIBRARIES)
def test_what_is_said_to_be_gone_is_gone(distribution: str) -> None:
    try:
        installed = Version(version(distribution))
    except PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed; `python -m benchmarks.removed_names` asks it")
    names = [name for name, removed in NAMES.items() if removed.distribution == distribution and Version(removed.since) <= installed]
    calls = [call for call, removed in KEYWORDS.items() if removed.distribution == distribution and Version(removed.since) <= installed]
    assert names or calls
    assert there_after_all(names, calls) == []


def test_what_is_there_is_not_missed() -> None:
    assert there_after_all(["json.loads"], [("json.dump", "indent"), ("json.gone", "x")]) == [
        "json.loads",
        "json.dump(indent=)",
        "json.gone(x=)",
    ]


@pytest.mark.parametrize(
    ("requirements", "locked", "sure"),
    [
        (["numpy>=2.1"], None, True),
        (["numpy==2.0.2"], None, True),
        (["numpy~=2.0"], None, True),
        (["numpy>=1.26"], None, False),
        (["numpy"], None, False),
        (["numpy<3"], None, False),
        (["numpy>=1.26", "numpy>=2.0"], None, True),
        (["numpy<2"], None, None),
        (["numpy==1.26.4"], None, None),
        (["numpy>=1.26", "numpy<2"], None, None),
        ([], None, None),
        (["numpy>=2.1; python_version < '3.0'"], None, None),
        (["numpy>=1.26; python_version < '3.0'", "numpy>=2.1; python_version >= '3.0'"], None, True),
        (["numpy>=2.1"], "1.26.4", None),
        (["numpy<2"], "2.1.0", True),
    ],
)
def test_which_version_a_project_gets(requirements: list[str], locked: str | None, sure: bool | None) -> None:
    found = lacks(Removed("numpy", "2.0"), requirements, locked)
    assert (found[1] if found else None) is sure


@pytest.mark.parametrize(
    ("requirements", "sure"),
    [([], True), (["omegaconf"], True), (["omegaconf>=2.1"], True), (["omegaconf<2.1"], None), (["omegaconf==2.3.0"], True)],
)
def test_what_never_was_there(requirements: list[str], sure: bool | None) -> None:
    never = absent_name("omegaconf.OmegaConf.deepcopy")
    assert never is not None
    found = lacks(never, requirements, None)
    assert (found[1] if found else None) is sure


def test_private_names_are_nobodys_business() -> None:
    assert absent_name("hydra.utils._locate") is None
    assert absent_name("omegaconf.OmegaConf.create") is None
