"""Stand-ins for the real libraries, as code uses them, in the sandbox: `inside/` has the cases."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from laboratory import LIBRARIES, ROBUSTNESS, Case, cases_of, check, environment, run

FILES = {
    "vision": LIBRARIES,
    "corruptions": LIBRARIES,
    "networks": LIBRARIES,
    "texts": LIBRARIES,
    "language": LIBRARIES,
    "others": LIBRARIES,
    "robustness": ROBUSTNESS,
}


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> functools.partial[dict[str, Case]]:
    """What became of the cases of a file, all of which are run the first time somebody asks."""

    @functools.cache
    def of(name: str) -> dict[str, Case]:
        return run(name, environment(FILES[name]), tmp_path_factory.mktemp(name))

    return functools.partial(of)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "case"), [(file, case) for file in FILES for case in cases_of(file)])
def test_case(results: functools.partial[dict[str, Case]], file: str, case: str) -> None:
    check(results(file)[case])


@pytest.mark.slow
def test_without_stand_ins_nothing_is_made(tmp_path: Path) -> None:
    cases = run("corruptions", environment(), tmp_path, standins=[])
    assert "FileNotFoundError" in cases["path_in_the_code"].error
    assert not any(case.lines() for case in cases.values())


PLUGIN = """
from gonogo_probe import hooks, standins

def start():
    hooks.when_imported("json", watch)

def watch(module):
    original = module.load
    def load(file, **named):
        standins.used("json.load", "made by a plug-in")
        return {"made": True}
    module.load = load

def config_paths(config):
    return {"data.root": "/made"} if "data" in config else {}
"""


@pytest.mark.slow
def test_stand_in_of_the_caller(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(PLUGIN, "utf-8")
    (folder / "_not_one.py").write_text("raise SystemExit('run')", "utf-8")
    (tmp_path / "run").mkdir()
    cases = run("plugins", environment(), tmp_path / "run", shown=(folder,), plugins=str(folder))
    check(cases["made_by_a_plug_in"])
