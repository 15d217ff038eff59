"""`gonogo trial -- …`: how a command is read, what is refused, and what the screen says of what was seen."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from cli import answered
from hypothesis import given
from hypothesis import strategies as st

from gonogo.cli.program_command import chosen, split
from gonogo.engine.program_seen import seen_of
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Loader, Loop, Optimizer
from gonogo.execution.program import arguments_of, installed_from
from gonogo.model.errors import UsageError
from gonogo.model.options import ProgramCommand
from gonogo.model.program_seen import ProgramSeen
from gonogo.report.console import ReportConsole
from gonogo.report.program import Screen, _duration

PYTHON = sys.executable


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a script, a package and a notebook."""
    for path in ("train.py", "sub/train.py", "pkg/__init__.py", "pkg/train.py", "pkg/__main__.py", "notes.ipynb", "run.sh", "data.csv"):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
    (tmp_path / "setup.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "folder", "entry", "started"),
    [
        (["python", "train.py", "--epochs", "3"], "", "train.py", ["python", "train.py", "--epochs", "3"]),
        (["python3.11", "-u", "-W", "ignore", "train.py"], "", "train.py", ["python3.11", "-u", "-W", "ignore", "train.py"]),
        (["python", "-m", "pkg.train", "-m"], "", "pkg/train.py", ["python", "-m", "pkg.train", "-m"]),
        (["python", "-m", "pkg"], "", "pkg/__main__.py", ["python", "-m", "pkg"]),
        (["python", "pkg"], "", "pkg/__main__.py", ["python", "pkg"]),
        (["python", "train.py"], "sub", "sub/train.py", ["python", "train.py"]),
        (["python", "../train.py"], "sub", "train.py", ["python", "../train.py"]),
        (["train.py", "--lr=1"], "", "train.py", ["python", "train.py", "--lr=1"]),
        (["uv", "run", "python", "train.py"], "", "train.py", ["python", "train.py"]),
        (["poetry", "run", "--", "python", "train.py"], "", "train.py", ["python", "train.py"]),
        (["env", "A=b=c", "python", "train.py"], "", "train.py", ["python", "train.py"]),
        (["torchrun", "--nproc_per_node", "8", "train.py"], "", "train.py", ["torchrun", "--nproc_per_node", "8", "train.py"]),
        (["accelerate", "launch", "-m", "pkg.train"], "", "pkg/train.py", ["accelerate", "launch", "-m", "pkg.train"]),
        (["python", "-m", "json.tool"], "", "", ["python", "-m", "json.tool"]),
    ],
)
def test_command_and_its_own_file(project: Path, words: list[str], folder: str, entry: str, started: list[str]) -> None:
    found = chosen(words, str(project / folder), PYTHON)
    assert (found.root, found.command.folder, found.command.entry) == (project, folder, entry)
    assert list(found.command.words) == started
    assert found.command.environment == ({"A": "b=c"} if "A=b=c" in words else {})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Name the program after `--`"),
        (["python"], "given no program"),
        (["python", "-c", "print()"], "put it into a file"),
        (["python", "no.py"], "There is no no.py"),
        (["no.py"], "There is no no.py"),
        (["python", "data.csv"], "data.csv is not a Python program"),
        (["python", "run.sh"], "run.sh is not a Python program"),
        (["notes.ipynb"], "notes.ipynb is a notebook"),
        (["python", "-m", "no_such_package.train"], "There is no module no_such_package.train"),
        (["python", "-m"], "There is no module after -m"),
        (["uv", "run", "--with", "x", "train.py"], "without its options"),
        (["torchrun", "no.py"], "There is no no.py"),
    ],
)
def test_what_is_no_program_is_refused(project: Path, words: list[str], says: str) -> None:
    done = answered("trial", project, "--python", PYTHON, "--", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_file_outside_the_project_is_refused(project: Path) -> None:
    (project / "sub" / "pyproject.toml").write_text("")
    with pytest.raises(UsageError, match=r"is not below"):
        chosen(["python", "../train.py"], str(project / "sub"), PYTHON)


def test_python_is_the_one_that_the_command_would_start(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("own", "active", "system"):
        folder = project / name / "bin"
        folder.mkdir(parents=True)
        for program in ("python", "torchrun"):
            (folder / program).write_text("#!/usr/bin/python\n")
            (folder / program).chmod(0o755)
    (project / "system" / "bin" / "tool").write_bytes(b"\x7fELF")
    (project / "system" / "bin" / "tool").chmod(0o755)
    for name in ("own", "active"):
        (project / name / "pyvenv.cfg").write_text("")

    def python(*words: str, path: str) -> str | None:
        monkeypatch.setenv("PATH", str(project / path / "bin"))
        found = chosen([*words, "train.py"], str(project), None).python
        return found and str(Path(found).relative_to(project))

    assert python("python", path="active") == "active/bin/python"
    assert python("own/bin/python", path="active") == "own/bin/python"
    assert python("torchrun", path="active") == "active/bin/python"
    assert python("python", path="system") == "system/bin/python"
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\ndependencies = ['torch']\n")
    assert python("python", path="active") == "active/bin/python"
    assert python("python", path="system") is None
    assert python("uv", "run", "python", path="active") is None
    (project / ".venv").mkdir()
    assert python("uv", "run", "python", path="active") == ".venv"
    with pytest.raises(UsageError, match="tool is not a Python program"):
        python("tool", path="system")
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    with pytest.raises(UsageError, match="There is no Python here"):
        python("python", path="nowhere")


def test_command_line_without_dashes() -> None:
    assert split(["trial", "a", "run-1"], ["a", "run-1"]) == (["a", "run-1"], None)
    assert split(["trial", "python", "train.py"], ["python", "train.py"]) == ([], ["python", "train.py"])
    assert split(["trial", "a", "--", "python", "--", "x"], ["a", "python", "--", "x"]) == (["a"], ["python", "--", "x"])
    assert split(["trial", "--"], []) == ([], [])


@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.sampled_from(["python", "--", "-x", "a.py"]), max_size=4))
def test_all_after_the_dashes_is_the_program(before: list[str], program: list[str]) -> None:
    before = [word for word in before if word != "--"]
    assert split(["trial", *before, "--", *program], [*before, *program]) == (before, program)


def test_what_is_not_a_program_of_the_environment_is_refused(tmp_path: Path) -> None:
    here = locate(Path(PYTHON))
    assert arguments_of(ProgramCommand(words=("python", "-u", "train.py")), here) == [PYTHON, "-u", "-u", "train.py"]
    for name, says in (
        ("no-such-program", "There is no no-such-program"),
        ("/bin/bash", "There is no /bin/bash"),
        ("python-not", "There is"),
    ):
        with pytest.raises(UsageError, match=says):
            arguments_of(ProgramCommand(words=(name, "train.py")), here)


def test_launchers_start_two_processes_on_one_machine(tmp_path: Path) -> None:
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "torchrun").write_text(f"#!{PYTHON}\n")
    (scripts / "tool").write_bytes(b"\x7fELF")
    here = locate(Path(PYTHON))
    there = type(here)(here.python, here.folders, scripts)

    def started(*words: str) -> list[str]:
        return arguments_of(ProgramCommand(words=("torchrun", *words), entry="sub/train.py"), there)[3:]

    assert started("--nproc_per_node", "8", "--nnodes=4", "train.py", "--nproc_per_node", "8") == [
        *("--nproc_per_node", "2", "--nnodes=1", "train.py", "--nproc_per_node", "8")
    ]
    assert started("--nproc-per-node=gpu", "sub/train.py") == ["--nproc-per-node=1", "sub/train.py"]
    assert started("--num_processes", "1", "./train.py") == ["--num_processes", "1", "./train.py"]
    with pytest.raises(UsageError, match="tool is not a Python program"):
        arguments_of(ProgramCommand(words=("tool",)), there)


def test_package_that_was_installed_to_be_edited(tmp_path: Path) -> None:
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    root = tmp_path / "project"
    (root / "src" / "pkg").mkdir(parents=True)
    here = locate(Path(PYTHON))
    there = type(here)(here.python, (tmp_path / "env",), here.scripts)
    assert installed_from(there, root) == []
    (packages / "other.pth").write_text("import sys\n/somewhere/else\n")
    (packages / "_pkg.pth").write_text(f"{root / 'src'}\n")
    assert installed_from(there, root) == ["src"]
    (packages / "_pkg.pth").unlink()
    (packages / "__editable___pkg_1_finder.py").write_text(f"MAPPING: dict[str, str] = {{'pkg': '{root / 'src' / 'pkg'}'}}\n")
    assert installed_from(there, root) == ["src"]


# -- the screen ----------------------------------------------------------------------------------------------------------------------------


def shown(process: Process, **run: object) -> tuple[ProgramSeen, str]:
    """What is told of a run with one process, and the screen."""
    session = SessionSeen("trial", runs={"train.py": RunSeen("train.py", tree="/box/tree", ended=True, processes={1: process}, **run)})  # type: ignore[arg-type]
    seen = seen_of(session, session.runs["train.py"], ProgramCommand(words=("python", "train.py"), entry="train.py"), PYTHON)
    stream = io.StringIO()
    Screen(ReportConsole(stream)).print(seen)
    return seen, stream.getvalue()


def a_process(**parts: object) -> Process:
    return Process(1, 0, ["python", "train.py"], "program", **parts)  # type: ignore[arg-type]


def a_loader(line: int, length: int | None, seconds: list[float], *, backwards: int = 0, rows: int = 1000) -> Loader:
    return Loader(("train.py", line), 10, 1, [4], [], forwards=4, backwards=backwards, length=length, rows=rows, seconds=seconds)


def test_screen_of_nothing_says_so() -> None:
    seen, screen = shown(a_process(), code=0)
    assert seen.estimate is None
    assert [line.partition(":")[0] for line in seen.not_seen] == ["data", "a model"]
    assert "data       " not in screen
    assert "not seen   data: no batch came" in screen


def test_whole_run_is_epochs_times_what_one_takes() -> None:
    loaders = {0: a_loader(5, 100, [9.0, 0.1, 0.1, 0.1], backwards=4), 1: a_loader(6, 20, [0.5, 0.05])}
    seen, screen = shown(a_process(loaders=loaders, bounded={"epochs": (30, 2)}), code=0)
    assert seen.estimate is not None
    assert seen.estimate.seconds == pytest.approx(30 * (100 * 0.1 + 20 * 0.05))
    assert (
        "about 5.5 minutes for the whole run on this machine, besides its start: 30 × 100 batches × 0.1 s + 30 × 20 batches × 0.05 s"
        in screen
    )
    assert "train.py:5 trains: batches of 10, 100 of them, 1,000 rows, 4 seen, 0.1 s each" in screen
    assert "lowered    epochs 30 → 2" in screen


@pytest.mark.parametrize(("seconds", "says"), [(0.02, "0.02 s"), (80, "80 s"), (100, "1.7 minutes"), (86_400 * 531.4, "531 days")])
def test_durations(seconds: float, says: str) -> None:
    assert _duration(seconds) == says


def test_whole_run_of_steps_and_of_loops_over_no_loader() -> None:
    loaders = {0: a_loader(5, 100, [1.0, 0.1], backwards=4)}
    seen, _ = shown(a_process(loaders=loaders, bounded={"TrainingArguments.max_steps": (500, 4)}), code=0)
    assert seen.estimate is not None and seen.estimate.seconds == pytest.approx(50)
    loop = Loop(("train.py", 7), "counter", 1, 4, length=2000, seconds=[1.0, 0.01, 0.01])
    seen, _ = shown(a_process(loops={loop.place: loop}, counts={"backwards": 4}), code=0)
    assert seen.estimate is not None and seen.estimate.how == "2000 rounds of the loop at train.py:7 × 0.01 s"


@pytest.mark.parametrize(("length", "rows"), [(None, 1000), (10**9, 1000)])
def test_whole_run_is_not_known_where_the_data_have_no_end(length: int | None, rows: int) -> None:
    losses = [(1.0, "train.py", 8)]
    seen, screen = shown(a_process(loaders={0: a_loader(5, length, [1.0, 0.1], backwards=4, rows=rows)}, losses=losses), code=0)
    assert seen.estimate is None
    assert "how long the whole run takes: nothing tells" in screen


def test_labels_parts_and_files_are_told() -> None:
    labels: dict[str, Any] = {
        "batches": 2,
        "dtype": "int64",
        "shapes": ["64"],
        "rows": 128,
        "not_finite": 0,
        "low": 0,
        "high": 1,
        "moments": [],
    }
    labels |= {"classes": 2, "counts": [[0, 120], [1, 8]], "source": "0", "name": "1"}
    numbers = {
        **labels,
        "dtype": "float32",
        "shapes": ["64x3"],
        "not_finite": 3,
        "moments": [[0.5, 0.25]],
        "classes": 0,
        "counts": [],
        "name": "0",
    }
    contents = {("0", data["name"]): events.Contents(**data) for data in (numbers, labels)}
    ran = events.Network("Net", 1000, 10, part=False, place=("train.py", 9))
    optimizer = Optimizer(
        ("train.py", 3), "SGD", 2, 2, 4, 0, 0, 0, [0.1], groups=[["head", 2, 10, 10, 0.25], ["body", 2, 90, 0, 0.0], ["x", 1, 5, 5, "nan"]]
    )
    process = a_process(
        loaders={0: a_loader(5, 10, [0.1], backwards=4), 1: a_loader(6, 10, [0.1])},
        contents=contents,
        networks=[ran],
        optimizers={0: optimizer},
        losses=[(2.0, "train.py", 8), ("nan", "train.py", 8)],
        shared_rows=[events.SharedRows((0, 1), 7, (900, 100))],
        files=["/box/tree/./out/model.pt", "/home/x/.cache/thing"],
        hosts=["example.org"],
    )
    _, screen = shown(process, code=0)
    for line in (
        "0: float32 64x3; 0 to 1; mean 0.5, sd 0.25; 3 NaN or infinite",
        "1: int64 64; 0 to 1; 2 classes, rows of each class: 0: 120, 1: 8",
        "Net (train.py:9): 1,000 parameters, 10 trainable, 990 frozen",
        "head: 0.25, body: no gradient, x: not finite",
        "2, not finite (2 backward passes)",
        "7 of the different rows of train.py:6 (100) are rows of train.py:5 (900) too, byte by byte",
        "out/model.pt, /home/x/.cache/thing",
        "asked for  example.org",
    ):
        assert line in screen
