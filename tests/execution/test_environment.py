"""Environments made by the real uv, from an index of our own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mechanisms import containment_of
from wheels import DEAD, Index, project, version_of

from gonogo.execution import environment as environments
from gonogo.execution.environment import Environment, Settings, prepare
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.sandbox import Box, Limits, Mechanism, Policy
from gonogo.execution.uv import Refusal
from gonogo.model.errors import StageError

BUILDING = """
import os, zipfile
name, version = os.path.basename(os.getcwd()).split("-")
def build_wheel(folder, *_):
    info = f"{name}-{version}.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, f"{name}-{version}-py3-none-any.whl"), "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}")
        archive.writestr(info + "METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "RECORD", f"{name}.py,,\\n{info}METADATA,,\\n{info}WHEEL,,\\n{info}RECORD,,\\n")
"""
SLOW = "import time\ndef build_wheel(*_):\n    time.sleep(30)\n"
FAILING = "def build_wheel(*_):\n    raise RuntimeError('this package needs a compiler that nobody has')\n"


def left_over(settings: Settings) -> list[str]:
    assert settings.cache is not None
    return [path.name for path in (settings.cache / "environments").iterdir() if path.suffix not in {"", ".lock"}]


@pytest.mark.slow
def test_it_is_made_once_and_kept(index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    index.wheel("low", "1.0")
    index.wheel("high", "2.0", ("low>=1",))
    said: list[str] = []
    first = prepare(project("high"), settings, said.append)
    assert version_of(first, "low") == "1.0"
    assert isinstance(first, Environment) and first.made and any("high==2.0" in line for line in said)
    monkeypatch.setenv("PATH", "")  # no uv, and none is needed
    monkeypatch.delenv("UV", raising=False)
    second = prepare(project("high", head='description = "another"\n'), settings)
    assert isinstance(second, Environment) and not second.made
    assert second.interpreter == first.interpreter
    assert left_over(settings) == []


@pytest.mark.slow
def test_it_works_in_the_sandbox_and_can_t_be_changed_there(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    made = prepare(project("low"), settings)
    assert isinstance(made, Environment)
    containment = containment_of(Mechanism.LANDLOCK)
    code = "import low; print(low.VERSION); open(low.__file__, 'a')"
    with Box(Policy(read_only=made.interpreter.folders, limits=Limits(seconds=20)), containment) as box:
        result = box.run([made.interpreter.python, "-c", code])
    assert result.stdout.text == "1.0\n"
    assert "Read-only file system" in result.stderr.text


@pytest.mark.slow
def test_the_project_itself_is_not_built(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    more = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[tool.uv]\npackage = true\n'
    files = project("low", more=more) | {"backend.py": "raise SystemExit('built')", "setup.py": "raise SystemExit('built')"}
    assert version_of(prepare(files, settings), "low") == "1.0"


@pytest.mark.slow
def test_a_lock_is_kept_to(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    first = prepare(project("low"), settings)
    assert isinstance(first, Environment)
    lock = (first.interpreter.python.parents[2] / "project" / "uv.lock").read_text("utf-8")
    index.wheel("low", "2.0")
    assert version_of(prepare(project("low") | {"uv.lock": lock}, settings), "low") == "1.0"
    assert version_of(prepare(project("low"), Settings(cache=settings.cache, refresh=True)), "low") == "2.0"


@pytest.mark.slow
def test_groups_that_uv_run_installs_are_there(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    index.wheel("tool", "3.0")
    made = prepare(project("low", more='[dependency-groups]\ndev = ["tool"]\nother = ["missing"]\n'), settings)
    assert isinstance(made, Refusal)  # uv locks every group, as `uv run` does
    made = prepare(project("low", more='[dependency-groups]\ndev = ["tool"]\n'), settings)
    assert version_of(made, "tool") == "3.0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dependency", "kind", "words"),
    [
        ("low>=2", "unresolvable", "only low<2 is available|only low==1.0 is available|no version"),
        ("missing", "unresolvable", "missing was not found"),
        ("failing", "unbuildable", "needs a compiler that nobody has"),
        ("windows", "unavailable", "source distribution or wheel for the current platform"),
    ],
)
def test_what_can_t_be_installed_is_told_in_uvs_words(index: Index, settings: Settings, dependency: str, kind: str, words: str) -> None:
    index.wheel("low", "1.0")
    index.wheel("windows", "1.0", tag="cp311-cp311-win_amd64")
    index.sdist("failing", "1.0", FAILING)
    refused = prepare(project(dependency), settings)
    assert isinstance(refused, Refusal) and refused.kind == kind, refused
    assert any(word in refused.reason for word in words.split("|")), refused.reason
    assert str(settings.cache) not in refused.reason
    assert left_over(settings) == []


@pytest.mark.parametrize(
    "text",
    ["[project\n", '[project]\nname = "x"\nversion = "0.1"\ndependencies = {numpy = "1"}\n', '[project]\nname = "-"\nversion = "0.1"\n'],
)
def test_a_pyproject_that_uv_can_t_read(index: Index, settings: Settings, text: str) -> None:
    refused = prepare({"pyproject.toml": text}, settings)
    assert isinstance(refused, Refusal) and refused.kind == "unreadable", refused
    assert isinstance(prepare({}, settings), Refusal)


@pytest.mark.slow
def test_a_network_that_is_down_is_nobodys_fault(index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{DEAD}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(StageError, match=r"uv could not make the environment: error: .*Failed to fetch"):
        prepare(project("low"), settings)
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(StageError, match=r"[Nn]etwork"):
        prepare(project("low"), settings)


def test_without_uv_it_says_what_to_do(index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(StageError, match=r"uv is not installed.*--python"):
        prepare(project("low"), settings)


@pytest.mark.slow
def test_it_has_a_time_limit_and_leaves_nothing_running(index: Index, tmp_path: Path) -> None:
    index.sdist("slow", "1.0", SLOW)
    started = time.monotonic()
    with pytest.raises(StageError, match=r"more than 1\.5 s"):
        prepare(project("slow"), Settings(cache=tmp_path / "cache", seconds=1.5))
    assert time.monotonic() - started < 5
    assert left_over(Settings(cache=tmp_path / "cache")) == []


def _prepare_elsewhere(files: dict[str, str], cache: Path) -> subprocess.Popen[str]:
    code = f"""
from pathlib import Path
from gonogo.execution.environment import Settings, prepare
made = prepare({files!r}, Settings(cache=Path({str(cache)!r})), lambda line: print("uv:", line, flush=True))
print("made:", made.made, flush=True)
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_at_once_make_one(index: Index, tmp_path: Path) -> None:
    index.wheel("low", "1.0", extra=20_000_000)
    both = [_prepare_elsewhere(project("low"), tmp_path / "cache") for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert sorted(text.rpartition("made: ")[2].strip() for text in said) == ["False", "True"], said
    assert left_over(Settings(cache=tmp_path / "cache")) == []


@pytest.mark.slow
def test_one_that_was_killed_leaves_nothing_half_made(index: Index, tmp_path: Path) -> None:
    index.sdist("slow", "1.0", SLOW.replace("30", "2"))
    killed = _prepare_elsewhere(project("slow"), tmp_path / "cache")
    assert killed.stdout is not None
    while "in the sandbox" not in (line := killed.stdout.readline()):
        assert line, "it ended before it was killed"
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    shutil.rmtree(index.folder / "slow")
    index.wheel("slow", "1.0")
    assert version_of(prepare(project("slow"), Settings(cache=tmp_path / "cache", seconds=30)), "slow") == "1.0"
    assert left_over(Settings(cache=tmp_path / "cache")) == []


@pytest.mark.slow
def test_an_environment_whose_python_is_gone_is_made_anew(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    first = prepare(project("low"), settings)
    assert isinstance(first, Environment)
    first.interpreter.python.unlink()
    second = prepare(project("low"), settings)
    assert version_of(second, "low") == "1.0" and isinstance(second, Environment) and second.made


@pytest.mark.slow
def test_torch_for_this_machine_where_it_can_be_had_else_what_the_project_says(index: Index, settings: Settings) -> None:
    """The machine of this test reaches no index of torch's, so it is the project's own."""
    index.wheel("torch", "2.9.0")
    made = prepare(project("torch"), Settings(cache=settings.cache, torch="cpu"))
    assert version_of(made, "torch") == "2.9.0"
    assert isinstance(made, Environment) and made.notes == ()


@pytest.mark.slow
def test_wheels_of_a_backend_are_told(index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own index can't be reached from a test, so this project has none; all else is as it would be."""
    index.wheel("low", "1.0")
    index.wheel("tool", "3.0")
    monkeypatch.setattr(environments, "_has_torch", lambda *_: True)
    made = prepare(project("low", more='[dependency-groups]\ndev = ["tool"]\n'), Settings(cache=settings.cache, torch="cpu"))
    assert version_of(made, "low") == "1.0" and version_of(made, "tool") == "3.0"
    assert isinstance(made, Environment) and "backend `cpu`" in made.notes[0]


@pytest.mark.slow
def test_builds_get_no_secret_no_network_and_no_file_of_the_callers(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "private").write_text("s3cret-value")
    index.sdist(
        "nosy",
        "1.0",
        f"""
import os, socket
def build_wheel(*_):
    print(dict(os.environ))
    for attempt in (
        lambda: open({str(tmp_path / "private")!r}).read(),
        lambda: open({str(tmp_path / "seen")!r}, "w"),
        lambda: socket.create_connection(("127.0.0.1", int(os.environ.get("PORT", {os.environ["UV_DEFAULT_INDEX"].rpartition(":")[2].partition("/")[0]}))), 2),
    ):
        try:
            print("could", attempt())
        except OSError as error:
            print("could not", error)
    raise SystemExit(1)
""",
    )
    for name in ("WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "UV_PUBLISH_TOKEN"):
        monkeypatch.setenv(name, "s3cret-value")
    refused = prepare(project("nosy"), settings)
    assert isinstance(refused, Refusal) and refused.kind == "unbuildable"
    assert refused.reason.count("could not") == 2, refused.reason  # its own /tmp it can write, which is not the machine's
    assert "s3cret-value" not in refused.reason and not (tmp_path / "seen").exists()


@pytest.mark.slow
def test_sources_are_built_once_and_their_wheel_is_kept(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    index.sdist("sources", "2.0", BUILDING)
    said: list[str] = []
    made = prepare(project("sources", "low"), settings, said.append)
    assert version_of(made, "sources") == "2.0"
    assert "building sources 2.0 in the sandbox" in said
    said.clear()
    again = prepare(project("sources"), settings, said.append)
    assert version_of(again, "sources") == "2.0"
    assert not any("in the sandbox" in line for line in said)


@pytest.mark.slow
def test_a_build_may_ask_for_more(index: Index, settings: Settings) -> None:
    index.wheel("helper", "3.0")
    asking = "def get_requires_for_build_wheel(*_):\n    return ['helper>=2']\n"
    index.sdist("asks", "1.0", asking + BUILDING.replace("import zipfile", "import helper, zipfile"))
    assert version_of(prepare(project("asks"), settings), "asks") == "1.0"
    index.sdist("away", "1.0", "def get_requires_for_build_wheel(*_):\n    return ['helper @ file:///tmp/x']\n" + BUILDING)
    with pytest.raises(StageError, match="somewhere else than a package index"):
        prepare(project("away"), settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["other-1.0-py3-none-any.whl", "honest-2.0-py3-none-any.whl", "honest.whl"])
def test_a_build_that_leaves_something_else_is_undecided(index: Index, settings: Settings, name: str) -> None:
    index.sdist("honest", "1.0", BUILDING.replace('f"{name}-{version}-py3-none-any.whl"', repr(name)))
    with pytest.raises(StageError, match="something else"):
        prepare(project("honest"), settings)


@pytest.mark.slow
def test_what_a_package_puts_into_an_environment_is_not_run_when_it_is_made(index: Index, settings: Settings, tmp_path: Path) -> None:
    """A line of a `.pth` file is run by every Python that starts in the environment, and so it must not be started outside."""
    mark = tmp_path / "was-run"
    index.wheel("starts", "1.0", more={"starts.pth": f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"})
    made = prepare(project("starts"), settings)
    assert isinstance(made, Environment)
    library = next((made.interpreter.folders[0] / "lib").glob("python3*/site-packages"))
    assert (library / "starts.pth").is_file() and list(library.glob("__pycache__/starts.*.pyc"))
    assert not mark.exists()


@pytest.mark.slow
def test_the_key_is_of_what_is_asked_for(index: Index, settings: Settings) -> None:
    index.wheel("low", "1.0")
    index.wheel("high", "1.0")

    def folder(files: dict[str, str], torch: str = "auto") -> Path:
        made = prepare(files, replace(settings, torch=torch))
        assert isinstance(made, Environment)
        return made.interpreter.folders[0]

    lock = """version = 1
requires-python = ">=3.11"

[[package]]
name = "low"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
"""
    plain = folder(project("low"))
    assert plain == folder(project("low", head='description = "x"\n')) == folder(project("low") | {"src/main.py": "x"})
    others = [
        folder(project("low", "high")),
        folder({"pyproject.toml": project("low")["pyproject.toml"].replace(">=3.11", ">=3.10")}),
        folder(project("low") | {"uv.lock": lock}),
        folder(project("low") | {".python-version": f"{sys.version_info[0]}.{sys.version_info[1]}"}),
        folder(project("low", more='[dependency-groups]\ndev = ["high"]\n')),
        folder(project("low"), "cpu"),
    ]
    assert len({plain, *others}) == 7


def test_an_existing_environment_is_used_as_it_is(settings: Settings, tmp_path: Path) -> None:
    for given in (Path(sys.prefix), Path(sys.executable)):
        made = prepare({}, Settings(python=given))
        assert isinstance(made, Environment) and made.interpreter == locate(Path(sys.executable))
    with pytest.raises(StageError, match="not a Python"):
        prepare({}, Settings(python=tmp_path))


def test_a_link_into_a_home_does_not_open_that_home(tmp_path: Path) -> None:
    """`~/bin/python` is a link that people make; what must be shown is where it leads."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    found = locate(tmp_path / "bin" / "python")
    assert all(folder not in (tmp_path, tmp_path / "bin") for folder in found.folders)
    assert found.python == Path(sys.executable).resolve()
