"""What an experiment says about its environment can't make anything of it run outside the sandbox, nor lead uv elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wheels import Index, project, version_of

from gonogo.analysis.project.pyproject import load_pyproject
from gonogo.execution import lock_file, project_file
from gonogo.execution.environment import Environment, Settings, files_of, prepare
from gonogo.execution.uv import Uv
from gonogo.model import experiment as experiments
from gonogo.model.errors import StageError

RUNS = "import pathlib; pathlib.Path({mark!r}).touch()\n"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A package whose build leaves a mark, as a folder and as a repository; its backend is its own."""
    folder = tmp_path / "evil"
    folder.mkdir()
    run = RUNS.format(mark=str(tmp_path / "was-run"))
    (folder / "setup.py").write_text(run + "from setuptools import setup\nsetup(name='evil', version='1.0')\n")
    (folder / "backend.py").write_text(run)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "evil"\ndynamic = ["version"]\n'
    )
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    return folder


REQUIREMENTS = [
    "evil @ file://{evil}",
    "evil @ file:{evil}",
    "evil@file://localhost{evil}",
    "evil @ git+file://{evil}",
    "evil[x]@git+file://{evil}@main ; python_version > '3'",
    "evil @ {evil}",
    "evil @ ../../../evil",
    "evil @ ${{PROJECT_ROOT}}/../../../evil",
    "{evil}",
    "./evil",
    "git+file://{evil}",
    "evil @ http://127.0.0.1:9/evil-1.0.tar.gz",
    "file://{evil}#egg=evil",
]
PLACES = {
    "dependencies": "[project]\nname = 'x'\nversion = '1'\ndependencies = [{text}]\n",
    "a group": "[project]\nname = 'x'\nversion = '1'\n[dependency-groups]\ndev = [{text}]\n",
    "a group in a group": "[project]\nname = 'x'\nversion = '1'\n[dependency-groups]\ndev = [{{include-group = 'in'}}]\nin = [{text}]\n",
    "all groups": "[project]\nname = 'x'\nversion = '1'\n[dependency-groups]\nother = [{text}]\n[tool.uv]\ndefault-groups = 'all'\n",
    "uv's own list": "[project]\nname = 'x'\nversion = '1'\n[tool.uv]\ndev-dependencies = [{text}]\n",
    "constraints": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['evil']\n[tool.uv]\nconstraint-dependencies = [{text}]\n",
    "overrides": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['evil']\n[tool.uv]\noverride-dependencies = [{text}]\n",
    "metadata": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['low']\n[tool.uv]\n"
    "dependency-metadata = [{{name = 'low', version = '1.0', requires-dist = [{text}]}}]\n",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_requirement_that_says_where_to_fetch_is_refused(requirement: str, place: str) -> None:
    text = PLACES[place].format(text=json.dumps(requirement.format(evil="/tmp/evil")))
    loaded = load_pyproject(text)
    assert loaded is not None and loaded.fault is None
    with pytest.raises(StageError, match=r"index.*--python"):
        project_file.vetted(loaded, None)


TOOLS = [
    "sources = {{ evil = {{ path = '{evil}' }} }}",
    "sources = {{ evil = {{ path = '{evil}', editable = true }} }}",
    "sources = {{ evil = {{ git = 'file://{evil}' }} }}",
    "sources = {{ evil = {{ url = 'file://{evil}/evil.tar.gz' }} }}",
    "sources = {{ evil = {{ workspace = true }} }}",
    "sources = {{ evil = [{{ path = '{evil}', marker = 'python_version > \"3\"' }}] }}",
    "sources = {{ evil = {{ index = 'torch', path = '{evil}' }} }}\nindex = [{{ name = 'torch', url = 'https://download.pytorch.org/whl/cpu' }}]",
    "sources = {{ evil = {{ index = 'own' }} }}\nindex = [{{ name = 'own', url = 'file://{evil}' }}]",
    "sources = {{ evil = {{ index = 'missing' }} }}",
    "index = [{{ url = 'http://127.0.0.1:9/simple' }}]",
    "index = [{{ url = 'https://download.pytorch.org.example.org/whl/cpu' }}]",
    "index = [{{ url = 'https://download.pytorch.org/whl/cpu/../../x' }}]",
    "index-url = 'http://127.0.0.1:9/simple'",
    "extra-index-url = ['http://127.0.0.1:9/simple']",
    "find-links = ['{evil}']",
    "no-index = true",
    "cache-dir = '{evil}/cache'",
    "python-install-mirror = 'file://{evil}'",
    "pypy-install-mirror = 'file://{evil}'",
    "python-downloads-json-url = 'file://{evil}/x.json'",
    "keyring-provider = 'subprocess'",
    "index-strategy = 'unsafe-best-match'",
    "allow-insecure-host = ['127.0.0.1']",
    "workspace = {{ members = ['{evil}'] }}",
    "http-proxy = 'http://127.0.0.1:9'",
    "some-setting-of-tomorrow = '{evil}'",
]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_setting_that_leads_elsewhere_is_refused(tool: str) -> None:
    head = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['evil']\n[tool.uv]\n"
    loaded = load_pyproject(head + tool.format(evil="/tmp/evil"))
    assert loaded is not None and loaded.fault is None
    with pytest.raises(StageError, match="--python"):
        project_file.vetted(loaded, None)


@pytest.mark.parametrize(
    "version", ["/bin/evil", "./evil", "evil", "../python3", "3.11/../../evil", "python3.11@/evil", "~/evil", "C:\\evil"]
)
def test_python_is_named_by_its_version(version: str) -> None:
    loaded = load_pyproject("[project]\nname = 'x'\nversion = '1'\n")
    assert loaded is not None
    with pytest.raises(StageError, match="no version of Python"):
        project_file.vetted(loaded, version + "\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.11\n", "3.11"),
        ("# why\n\n3.11.4  # so\n3.12\n", "3.11.4"),
        ("cpython@3.12", "3.12"),
        ("python3.11", "3.11"),
        (">=3.11,<3.13", ">=3.11,<3.13"),
        ("", ""),
    ],
)
def test_usual_versions_of_python_are_understood(text: str, version: str) -> None:
    loaded = load_pyproject("[project]\nname = 'x'\nversion = '1'\n")
    assert loaded is not None
    assert project_file.vetted(loaded, text).python == version


@pytest.mark.slow
def test_a_backend_of_the_experiments_own_is_not_run(
    index: Index,
    settings: Settings,
    evil: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index.wheel("low", "1.0")
    files = project("low")
    text = files["pyproject.toml"].replace('version = "0.1"', 'dynamic = ["version"]')
    more = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    monkeypatch.chdir(evil)
    assert version_of(prepare({"pyproject.toml": text + more}, settings), "low") == "1.0"
    assert not (tmp_path / "was-run").exists()


@pytest.mark.slow
def test_what_is_not_installed_may_come_from_elsewhere(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    more = "[project.optional-dependencies]\nx = ['evil @ file:///tmp/evil']\n[dependency-groups]\ndocs = ['e @ git+file:///e']\nall = [{include-group = 'docs'}]\n"
    made = prepare(project("low", more=more), settings)
    assert version_of(made, "low") == "1.0"
    assert isinstance(made, Environment) and "docs, all, x" in made.notes[0]


@pytest.mark.slow
def test_torch_from_pytorchs_own_index_is_taken_from_the_callers(index: Index, settings: Settings) -> None:
    index.wheel("torch", "2.9.0")
    more = "[tool.uv.sources]\ntorch = [{ index = 'pt', marker = \"sys_platform == 'linux'\" }]\n[[tool.uv.index]]\nname = 'pt'\nurl = 'https://download.pytorch.org/whl/cu121'\nexplicit = true\n"
    made = prepare(project("torch", more=more), settings)
    assert version_of(made, "torch") == "2.9.0"
    assert isinstance(made, Environment) and "PyTorch's own" in made.notes[0]
    with pytest.raises(StageError, match="No solution found"):  # its index may have it: no finding
        prepare(project("torch==2.9.0+cu121", more=more), settings)


@pytest.mark.parametrize(
    "requirement", ["evil @ file://{evil}", "evil @ git+file://{evil}", "evil @ file://{evil}/dist/evil-1.0.tar.gz", "by-path"]
)
def test_whatever_uv_is_told_it_can_start_nothing(requirement: str, index: Index, evil: Path, tmp_path: Path) -> None:
    """The second fence: even a project file of the experiment's own would run nothing."""
    work = tmp_path / "work"
    (work / "nowhere").mkdir(parents=True)
    source = f"[tool.uv.sources]\nby-path = {{ path = {str(evil)!r} }}\n"
    (work / "pyproject.toml").write_text(
        f"[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = [{requirement.format(evil=evil)!r}]\n{source}"
    )
    uv = Uv(None, 60, 1)
    _, python = uv.ask(["python", "find", "--no-project", "--system"], work / "nowhere")
    code, said = uv.run(["lock", "--python", python.splitlines()[-1]], work)
    assert code, said
    assert not (tmp_path / "was-run").exists()


LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "low"
version = "1.0"
source = {source}
sdist = {{ url = "{url}", hash = "sha256:00" }}
"""
INDEX = '{ registry = "https://pypi.org/simple" }'


@pytest.mark.parametrize(
    "source",
    [
        '{ git = "file:///evil" }',
        '{ path = "../evil" }',
        '{ directory = "." }',
        '{ editable = "../evil" }',
        '{ url = "http://evil" }',
        '"x"',
    ],
)
def test_a_lock_that_takes_packages_from_elsewhere_is_refused(source: str) -> None:
    with pytest.raises(StageError, match=r"uv\.lock takes low from no package index"):
        lock_file.pins(LOCK.format(source=source, url="x"), "experiment")


@pytest.mark.slow
def test_the_addresses_of_a_lock_are_not_gone_to(index: Index, settings: Settings, tmp_path: Path) -> None:
    """Its versions count; the files are those of the caller's index."""
    index.wheel("low", "1.0")
    index.wheel("low", "2.0")
    lock = LOCK.format(source=INDEX, url=(tmp_path / "evil-1.0.tar.gz").as_uri())
    assert version_of(prepare(project("low") | {"uv.lock": lock}, settings), "low") == "1.0"
    assert version_of(prepare(project("low"), settings), "low") == "2.0"


@pytest.mark.slow
def test_a_lock_that_does_not_fit_is_said_and_passed_over(index: Index, settings: Settings) -> None:
    index.wheel("low", "2.0")
    made = prepare(project("low>=2") | {"uv.lock": LOCK.format(source=INDEX, url="x")}, settings)
    assert version_of(made, "low") == "2.0"
    assert isinstance(made, Environment) and "does not fit" in made.notes[0]


def test_a_lock_with_other_hashes_is_undecided() -> None:
    theirs = lock_file.pins(LOCK.format(source=INDEX, url="https://example.org/low-1.0.tar.gz"), "experiment")
    ours = LOCK.format(source=INDEX, url="https://elsewhere.example.org/a/b/low-1.0.tar.gz").replace("sha256:00", "sha256:11")
    with pytest.raises(StageError, match="another hash for low-1"):
        lock_file.check(ours, theirs)
    lock_file.check(ours.replace("sha256:11", "sha256:00"), theirs)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 20_000 + " = 1\n",
        "x = { " + "a." * 1500 + "a = 1 }\n",
        'x = "' + "a" * 5000 + '"\n',
        "[" * 3000 + "]" * 3000,
        "[[package]]\nname = 'low'\nversion = '1'\n  odd indentation = 1\n",
        LOCK.format(source=INDEX, url="x").replace('"low"', '"low; evil"'),
        LOCK.format(source=INDEX, url="x").replace('"1.0"', '"1.0 @ file:///evil"'),
    ],
)
def test_what_uv_has_not_written_is_not_parsed_as_a_lock(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(StageError, match=r"uv\.lock"):
        lock_file.pins(text, "experiment")
    assert time.monotonic() - started < 2


def test_this_projects_own_lock_is_read() -> None:
    lock = Path(__file__).parents[2] / "uv.lock"
    found = lock_file.pins(
        lock.read_text("utf-8").replace('source = { editable = "experiments/cw_tent" }', INDEX and f"source = {INDEX}"), "gonogo"
    )
    assert len(found.constraints) > 50 and all("==" in constraint for constraint in found.constraints)


@pytest.mark.parametrize("name", ["uv.lock", ".python-version"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_files_beside_the_project_are_regular_or_undecided(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    (tmp_path / "secret").write_text("canary")
    place = tmp_path / "tree" / name
    {"link": lambda: place.symlink_to(tmp_path / "secret"), "pipe": lambda: os.mkfifo(place), "folder": place.mkdir}[kind]()
    with pytest.raises(StageError, match="not a regular file"):
        files_of(experiments.load(str(tmp_path / "tree")))


def test_files_beside_the_project_are_read(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(LOCK.format(source=INDEX, url="x"))
    (tmp_path / ".python-version").write_text("3.11\n")
    files = files_of(experiments.load(str(tmp_path)))
    assert files[".python-version"] == "3.11\n" and "low" in files["uv.lock"]
    assert sys.version_info >= (3, 11)
