"""The files of a tree that the code consists of.

They are shown read-only, and checked after every run for changes and for files put beside them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import all_suffixes
from pathlib import Path

from gonogo.execution.sandbox.view import Bind

MODULES = (*all_suffixes(), ".pyi", ".pyx")  # what Python, or a tool for Python, would take for a module
CONFIGS = (".yaml", ".yml")
FIXED = (*MODULES, *CONFIGS, ".toml", ".sh", ".ipynb")
WATCHED = (*FIXED, ".json", ".cfg", ".ini")  # the last three also hold what programs write anew
MOST_BINDS = 300  # a mount takes time; what is beyond is still looked at
_LINK = stat.S_IFLNK


@dataclass(frozen=True)
class _File:
    """What a file was: enough of the kernel's own notes to see that it was touched, and its content."""

    inode: int
    size: int
    changed: int
    content: bytes


@dataclass
class Originals:
    """The files of a tree that must stay as they are.

    Args:
        tree: the folder.
        is_own: whether a file, by its path in the tree, belongs to what is under review.
    """

    tree: Path
    is_own: Callable[[str], bool]
    _files: dict[str, _File] = field(default_factory=dict)
    _listed: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder, folders, names in os.walk(self.tree):
            place = os.path.relpath(folder, self.tree)
            paths = [os.path.normpath(os.path.join(place, name)) for name in sorted(names)]
            own = [path for path in paths if path.endswith(WATCHED) and self.is_own(path)]
            self._files |= {path: _look(self.tree / path) for path in own}
            if place == "." or any(path.endswith(FIXED) for path in own):
                self._listed[place] = {*names, *folders}

    def binds(self) -> list[Bind]:
        """The files read-only; the folders that they are in, so that these can't be moved away with them."""
        fixed = [path for path in self._files if path.endswith(FIXED) and not (self.tree / path).is_symlink()][:MOST_BINDS]
        folders = {str(folder) for path in fixed for folder in Path(path).parents} - {"."}
        shown = [Bind(str(self.tree / path), str(self.tree / path), "write") for path in sorted(folders)]
        return shown + [Bind(str(self.tree / path), str(self.tree / path)) for path in fixed]

    def changes(self) -> Iterator[str]:
        """Yield descriptions of what has changed in the code.

        That is files changed or gone, and modules or configs that were put where code looks for them.
        """
        for path, before in self._files.items():
            try:
                now = _look(self.tree / path, before)
            except OSError:
                yield f"{path} is gone"
                continue
            if now.content != before.content:
                yield f"{path} was changed"
        for folder, names in self._listed.items():
            yield from self._added(folder, names)

    def _added(self, folder: str, before: set[str]) -> Iterator[str]:
        """Names in a folder of code that would be imported or composed in place of something else, or with it."""
        has_configs = folder != "." and any(name.endswith(CONFIGS) for name in before)
        wanted = (*MODULES, *CONFIGS) if has_configs else MODULES
        try:
            with os.scandir(self.tree / folder) as entries:
                new = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name not in before)
        except OSError:
            yield f"{folder}/ can't be read any more"
            return
        for name, is_folder in new:
            path = os.path.normpath(os.path.join(folder, name))
            if not self.is_own(f"{path}/x" if is_folder else path):
                continue
            if is_folder and name == "__pycache__":
                yield from (f"{path}/{inner} was added" for inner in _names(self.tree / path))
            elif is_folder and any(inner.startswith("__init__.") for inner in _names(self.tree / path)):
                yield f"{path}/, a package, was added"
            elif not is_folder and name.endswith(wanted):
                yield f"{path} was added"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _look(path: Path, before: _File | None = None) -> _File:
    """A file as it is now; it is read only where the kernel's notes are not those of `before`.

    Whoever writes, moves or replaces a file changes its inode or the time of its last change, which nobody can set.

    Raises:
        OSError: it can't be read.
    """
    kind = os.lstat(path)
    if before is not None and (kind.st_ino, kind.st_size, kind.st_ctime_ns) == (before.inode, before.size, before.changed):
        return before
    if stat.S_IFMT(kind.st_mode) == _LINK:
        content = os.fsencode(os.readlink(path))
    elif stat.S_ISREG(kind.st_mode):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    else:
        content = b"neither file nor link"
    return _File(kind.st_ino, kind.st_size, kind.st_ctime_ns, content)
