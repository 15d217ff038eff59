"""How a command that a user types for a training program is started in the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

from gonogo.execution.interpreter_folders import Interpreter
from gonogo.model.errors import UsageError
from gonogo.model.options import ProgramCommand

PYTHON = re.compile(r"(?:.*/)?python[\d.]*$")
MOST_PROCESSES = 2
# How many processes a launcher starts: torchrun's option, and that of `accelerate launch`.
_PROCESSES = re.compile(r"--(?:nproc[_-]per[_-]node|num[_-]processes)")
_NODES = re.compile(r"--(?:nnodes|num[_-]machines)")
_FIRST_LINE, MOST_TEXT = 512, 100_000  # bytes
_MAPPED = re.compile(r"['\"](/[^'\"\n]+)['\"]")  # setuptools' finder: names of packages, and the folders of their files


def arguments_of(program: ProgramCommand, interpreter: Interpreter) -> list[str]:
    """The command line that starts a program with the Python of its environment.

    Args:
        program: the command.
        interpreter: the Python that the program is run with.

    Raises:
        UsageError: it is neither a Python nor a Python program of the environment.
    """
    first, *rest = program.words
    if PYTHON.match(first):
        return [str(interpreter.python), "-u", *rest]
    script = interpreter.scripts / first
    if "/" in first or not script.is_file():
        raise UsageError(f"There is no {first} in {interpreter.scripts}: give the environment that has it with --python.")
    check_script(script)
    return [str(interpreter.python), "-u", str(script), *_fewer_processes(rest, program.entry)]


def check_script(script: Path) -> None:
    """Make sure that a program of an environment is one of Python.

    Raises:
        UsageError: it is not.
    """
    with script.open("rb") as file:
        if b"python" not in file.read(_FIRST_LINE):
            raise UsageError(f"{script.name} is not a Python program: give the command that it starts.")


def has_module(interpreter: Interpreter, module: str) -> bool:
    """Whether a Python has a module, by the files of its library and its packages."""
    name = module.partition(".")[0]
    found = [path for folder in interpreter.folders for path in (folder / "lib").glob("python3*")] + list(Path("/usr/lib").glob("python3*"))
    places = [place for path in found for place in (path, path / "site-packages", path / "dist-packages")]
    return any((place / name).is_dir() or (place / f"{name}.py").is_file() for place in places)


def installed_from(interpreter: Interpreter, root: Path) -> list[str]:
    """Return the folders below a project from which an environment imports it.

    This covers editable installs (`pip install -e`).

    Args:
        interpreter: the environment's Python.
        root: of the project.
    """
    found: list[str] = []
    for folder in interpreter.folders:
        for file in (*folder.glob("lib/python3*/site-packages/*.pth"), *folder.glob("lib/python3*/site-packages/__editable__*finder.py")):
            text = file.read_text("utf-8", "replace")[:MOST_TEXT]
            lines = [Path(line) for line in text.splitlines()] if file.suffix == ".pth" else []
            mapped = [Path(path).parent for path in _MAPPED.findall(text)] if file.suffix == ".py" else []
            found += [place.relative_to(root).as_posix() for place in (*lines, *mapped) if place.is_relative_to(root) and place.is_dir()]
    return list(dict.fromkeys(found))


def _fewer_processes(words: list[str], entry: str) -> list[str]:
    """Return a launcher's arguments for one machine and at most two processes.

    The arguments of the program itself stay as they are.
    """
    end = next((number for number, word in enumerate(words) if entry and entry.endswith(word.removeprefix("./"))), len(words))
    lowered = list(words[:end])
    for number, word in enumerate(lowered):
        option, is_one, value = word.partition("=")
        most = MOST_PROCESSES if _PROCESSES.fullmatch(option) else 1 if _NODES.fullmatch(option) else 0
        if not most or (not is_one and number + 1 == len(lowered)):
            continue
        value = value if is_one else lowered[number + 1]
        less = str(min(int(value), most)) if value.isdigit() else "1"
        lowered[number + (not is_one)] = f"{option}={less}" if is_one else less
    return [*lowered, *words[end:]]
