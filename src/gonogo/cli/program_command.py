"""The command of `gonogo trial -- …`: what is started, where, and with which Python."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from gonogo.analysis.project.pyproject import load_pyproject
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.program import PYTHON, check_script, has_module, installed_from
from gonogo.model.errors import StageError, UsageError
from gonogo.model.options import ProgramCommand
from gonogo.model.program_file import project_root

EXAMPLE = "gonogo trial -- python train.py"
#: What starts a program in a project's environment.
RUNNERS = {"uv", "poetry", "pdm", "hatch", "rye", "pipenv"}
_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


@dataclass(frozen=True)
class Chosen:
    """What is to be run.

    Attributes:
        root: the folder of its project.
        command: the command.
        python: the environment to run it in; None for one made from the project's `pyproject.toml`.
    """

    root: Path
    command: ProgramCommand
    python: str | None


def chosen(words: list[str], folder: str, python: str | None) -> Chosen:
    """Read a command as it was typed.

    Args:
        words: of the command.
        folder: where it is to be started.
        python: the caller's environment, None if none was named.

    Raises:
        UsageError: it starts no Python program that is there.
    """
    place = Path(folder).resolve()
    if not place.is_dir():
        raise UsageError(f"{folder} is no folder: name the one to start the program in, and the program after `--`.")
    environment, words = _variables(words)
    words, by_runner = _without_runner(words)
    if not words:
        raise UsageError(f"Name the program after `--`: {EXAMPLE}")
    if words[0].endswith((".py", ".ipynb")):
        words = ["python", *words]
    root = project_root(place / "any file") or place
    entry = _entry(words, place, root)
    interpreter = python or _python(words[0], place, root, by_runner)
    is_python = PYTHON.match(words[0]) is not None
    if is_python and not entry:
        _check_module(words, interpreter)
    inside = place.relative_to(root).as_posix()
    folder_inside = "" if inside == "." else inside
    paths = _own_packages(root, interpreter)
    command = ProgramCommand(words=tuple(words), folder=folder_inside, entry=entry, environment=environment, paths=paths)
    return Chosen(root, command, interpreter)


def _own_packages(root: Path, python: str | None) -> tuple[str, ...]:
    """Return the folders from which the project's own packages are imported.

    An environment that gonogo makes has the project as it is here.
    """
    if python is None:
        return ("src",) if (root / "src").is_dir() and not (root / "src" / "__init__.py").is_file() else (".",)
    try:
        return tuple(installed_from(locate(Path(python)), root))
    except StageError:
        return ()  # what is wrong with the environment is said when it is used


def _variables(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """The variables that stand before a command, and the command."""
    rest = words[1:] if words[:1] == ["env"] else list(words)
    found: dict[str, str] = {}
    while rest and (match := _VARIABLE.fullmatch(rest[0])):
        found[match[1]] = match[2]
        del rest[0]
    return found, rest


def _without_runner(words: list[str]) -> tuple[list[str], bool]:
    """The command that `uv run` and its like start, and whether there was one."""
    if len(words) < 2 or words[0] not in RUNNERS or words[1] != "run":
        return words, False
    rest = words[3:] if words[2:3] == ["--"] else words[2:]
    if rest and rest[0].startswith("-"):
        raise UsageError(f"Give what {words[0]} run starts, without its options: {EXAMPLE}")
    return rest, True


def _entry(words: list[str], place: Path, root: Path) -> str:
    """The program's own file below the root, empty where the command names none that is there."""
    if not PYTHON.match(words[0]):
        return _first_file(words[1:], place, root)
    rest = iter(words[1:])
    for word in rest:
        if word == "-m":
            return _module_file(next(rest, ""), place, root) or _first_file(list(rest), place, root)
        if word in ("-c", "-") or word.startswith("-c"):
            raise UsageError(f"A program on the command line can't be tried: put it into a file, and give that: {EXAMPLE}")
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return _file(word, place, root)
    raise UsageError(f"{words[0]} is given no program: name its file, or its module after -m: {EXAMPLE}")


def _first_file(words: list[str], place: Path, root: Path) -> str:
    """The file that a launcher is given, or the module after -m; empty if it is given none."""
    named = next((word for word in words if word.endswith(".py")), None)
    if named is not None:
        return _file(named, place, root)
    return _module_file(words[words.index("-m") + 1], place, root) if "-m" in words[:-1] else ""


def _file(name: str, place: Path, root: Path) -> str:
    file = (place / name).resolve()
    if file.is_dir() and (file / "__main__.py").is_file():
        file = file / "__main__.py"
    if not file.is_file():
        raise UsageError(f"There is no {name} in {place}: name a program that is there, as from that folder.")
    if file.suffix == ".ipynb":
        raise UsageError(f"{name} is a notebook: `jupyter nbconvert --to script {name}` makes a program of it.")
    if file.suffix != ".py":
        raise UsageError(f"{name} is not a Python program: give the command that it starts.")
    if not file.is_relative_to(root):
        raise UsageError(f"{name} is not below {root}: start it from its own project.")
    return file.relative_to(root).as_posix()


def _module_file(name: str, place: Path, root: Path) -> str:
    """The file of a module of the project, empty if it is none of the project's."""
    parts = name.split(".")
    files = [place.joinpath(*parts).with_suffix(".py") if parts[-1] else place, place.joinpath(*parts, "__main__.py")]
    return next((file.relative_to(root).as_posix() for file in files if file.is_file()), "")


def _check_module(words: list[str], python: str | None) -> None:
    """Whether a module that is none of the project's is one of the environment's.

    Raises:
        UsageError: it is not.
    """
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    try:
        there = bool(module) and (python is None or has_module(locate(Path(python)), module))
    except StageError:
        return  # what is wrong with the environment is said when it is used
    if not there:
        raise UsageError(f"There is no module {module or 'after -m'}, neither in the folder nor in the environment.")


def _python(first: str, place: Path, root: Path, by_runner: bool) -> str | None:
    """Return the Python that the command would start here.

    None where no environment is active and the project's `pyproject.toml` declares another.

    Raises:
        UsageError: there is no Python.
    """
    own = root / ".venv"
    if by_runner:
        return str(own) if own.is_dir() else None
    program = _found(first, place)
    if program is not None and _is_environment(program):
        return str(program)
    if _declares(root):
        return None
    if program is None:
        raise UsageError("There is no Python here to run it with: name its environment with --python.")
    return str(program)


def _found(first: str, place: Path) -> Path | None:
    """Return the Python that a command names, or the one beside the program that it names.

    Otherwise it is the one of this machine, or None if it has none.
    """
    beside: Path | None = None
    if PYTHON.match(first):
        beside = place / first if "/" in first else None
    elif script := shutil.which(first):
        check_script(Path(script))
        beside = Path(script).parent / "python"
    if beside is not None and beside.exists():
        return beside
    named = first if PYTHON.match(first) and "/" not in first else "python"
    found = shutil.which(named) or shutil.which("python") or shutil.which("python3")
    return Path(found) if found else None


def _is_environment(python: Path) -> bool:
    prefix = python.parent.parent
    return (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir()


def _declares(root: Path) -> bool:
    """Whether a project says what it depends on."""
    file = root / "pyproject.toml"
    project = load_pyproject(file.read_text("utf-8", "replace")) if file.is_file() else None
    return project is not None and project.fault is None and bool(project.project.get("dependencies"))


def split(arguments: list[str], positional: list[str]) -> tuple[list[str], list[str] | None]:
    """Split the positional arguments into those before `--` and those after it.

    The second is None where there is neither `--` nor a program.

    Args:
        arguments: all, as they were typed.
        positional: those that are no options, in order.
    """
    if "--" in arguments:
        count = len(arguments) - arguments.index("--") - 1
        return positional[: len(positional) - count], positional[len(positional) - count :]
    if positional and not os.path.exists(positional[0]) and (PYTHON.match(positional[0]) or positional[0] in {"torchrun", "accelerate"}):  # noqa: PTH110
        return [], positional
    return positional, None
