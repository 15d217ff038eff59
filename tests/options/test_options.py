"""Options that are read and not defined, by the library that takes them: what the gate refuses fails when the program is run.

One file (`of_*.py`) holds the programs of one library. Where the library is installed, the programs are run, and must end as they say.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
from experiments_of_texts import experiment_of
from really_run import exit_codes

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

LIBRARIES = {path.stem: importlib.import_module(path.stem) for path in sorted(Path(__file__).parent.glob("of_*.py"))}
CASES = [
    (library, kind, name)
    for library, programs in LIBRARIES.items()
    for kind, texts in (("right", programs.RIGHT), ("wrong", programs.WRONG))
    for name in texts
]


def files_of(library: str, kind: str, name: str) -> dict[str, str]:
    """The files of a program; a text alone is `train.py`."""
    programs = LIBRARIES[library]
    files = (programs.RIGHT if kind == "right" else programs.WRONG)[name]
    return {"train.py": files} if isinstance(files, str) else files


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_they_end_as_they_say(library, tmp_path):
    programs = LIBRARIES[library]
    if importlib.util.find_spec(programs.NEEDS) is None:
        pytest.skip(f"{programs.NEEDS} is not installed")
    cases = {f"{kind}: {name}": files_of(library, kind, name) for each, kind, name in CASES if each == library}
    ends = exit_codes(tmp_path, cases, "train.py", programs.IMPORTS)
    assert {name: code == 0 for name, code in ends.items()} == {name: name.startswith("right") for name in cases}


@pytest.mark.parametrize(("library", "kind", "name"), CASES)
def test_the_gate_says_so(library, kind, name, composer):
    options = CheckOptions(contract="program", select=("CLI101", "CLI103", "CLI104", "CLI105"))
    verdict = check(experiment_of(files_of(library, kind, name)), options, composer)
    assert not verdict.undecided
    assert bool(verdict.findings) is (kind == "wrong"), verdict.findings
