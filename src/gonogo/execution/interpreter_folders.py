"""The folders that must be visible for a Python interpreter to run.

They are found by looking, without starting the interpreter.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from gonogo.model.errors import StageError

MOST_LINKS = 40
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")


@dataclass(frozen=True)
class Interpreter:
    """A Python and the folders outside the system's own that it needs.

    Args:
        python: the program to start.
        folders: what must be readable.
        scripts: the folder that belongs first in `PATH`.
    """

    python: Path
    folders: tuple[Path, ...]
    scripts: Path


def locate(python: Path) -> Interpreter:
    """Find the folders of an interpreter.

    They are those of its virtual environment, of the Python that this was made from, and of every link between.

    Args:
        python: the program, or the folder of a virtual environment.

    Raises:
        StageError: there is no Python, or nothing tells where its library is.
    """
    program = Path(python).absolute()
    if program.is_dir():
        program = next(
            (path for path in (program / "bin" / "python", program / "bin" / "python3") if path.exists()), program / "bin" / "python"
        )
    if not os.access(program, os.X_OK):
        raise StageError(f"{program} is not a Python that can be started")
    if not (_prefix(program) / "pyvenv.cfg").is_file():
        program = program.resolve()
    folders = [_prefix(program)]
    hops = _hops(program)
    settings = folders[0] / "pyvenv.cfg"
    if settings.is_file():
        home = re.search(r"^home\s*=\s*(.+?)\s*$", settings.read_text("utf-8", "replace"), re.MULTILINE)
        hops += _hops(Path(home[1]) / program.resolve().name) if home else []
    for hop in hops:
        folder = _prefix(hop)
        if not any((folder / "lib").glob("python3*")) and not (folder / "pyvenv.cfg").is_file():
            raise StageError(f"{folder} is not a Python installation, though {program} leads there")
        folders.append(folder)
    needed = [folder for folder in dict.fromkeys(folders) if str(folder) != "/" and not str(folder).startswith(_SYSTEM)]
    return Interpreter(program, tuple(needed), program.parent)


def installed_versions(python: Path) -> dict[str, str]:
    """Return the versions of what is installed for a Python, by canonical name.

    They are read off the names of folders.

    Empty where its library can't be found, which the stage that runs it says.

    Args:
        python: the program, or the folder of a virtual environment.
    """
    given = Path(python).absolute()
    prefixes = [given] if given.is_dir() else [_prefix(given), *map(_prefix, _hops(given))]
    for prefix in prefixes:
        folders = sorted(prefix.glob("lib*/python3*/*-packages/*.dist-info"))
        parts = [folder.name.removesuffix(".dist-info").rpartition("-") for folder in folders]
        if parts:
            return {str(canonicalize_name(name)): version for name, _, version in parts if name}
    return {}


def _prefix(program: Path) -> Path:
    return program.parent.parent


def _hops(program: Path) -> list[Path]:
    """Every path on the way from a program to what it is a link to, and where the last one really is."""
    found = []
    for _ in range(MOST_LINKS):
        if not program.is_symlink():
            break
        program = Path(os.path.normpath(program.parent / program.readlink()))
        found.append(program)
    if found or program.exists():
        found.append(program.resolve())
    return found
