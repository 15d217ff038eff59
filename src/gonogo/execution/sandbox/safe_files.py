"""Reading and writing a folder that untrusted code has written: no symbolic link is followed, nothing but regular files is touched."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEEPEST = 32
CHUNK = 1 << 20


@dataclass
class Collected:
    """What was copied, and what was not and why, by path relative to the folder."""

    files: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    bytes: int = 0


@contextmanager
def open_folder(root: Path, relative: str, *, create: bool = False) -> Iterator[int]:
    """A descriptor of a folder beneath `root`, reached without following a link.

    Raises:
        ValueError: the path leads out of `root`.
        OSError: it is not there, or something on the way is not a folder.
    """
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in _parts(relative):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=place)
            inner = os.open(part, _FOLDER, dir_fd=place)
            os.close(place)
            place = inner
        yield place
    finally:
        os.close(place)


def _parts(relative: str) -> tuple[str, ...]:
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{relative} is not a path beneath the folder")
    return path.parts


def write(root: Path, relative: str, content: bytes) -> None:
    """Write a file beneath `root` anew, making the folders it is in; whatever stood at its name is removed, not followed.

    Raises:
        ValueError: the path leads out of `root`.
        OSError: something on the way is not a folder.
    """
    *folders, name = _parts(relative)
    with open_folder(root, "/".join(folders), create=True) as folder:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder), "wb") as file:
            file.write(content)


def collect(root: Path, relative: str, target: Path, most_bytes: int, most_files: int) -> Collected:
    """Copy the regular files of a folder beneath `root` into `target`.

    Links (symbolic, and files with a second name), pipes, sockets and devices are left out, and so is what exceeds the size.

    Args:
        root: the folder that the untrusted code could write.
        relative: the folder in it to copy.
        target: where to; made if need be. It must be no folder that the code can write.
        most_bytes: how much may be copied in all.
        most_files: how many files may be copied.
    """
    done = Collected()
    target.mkdir(parents=True, exist_ok=True)
    try:
        with open_folder(root, relative) as folder:
            _collect(folder, "", target, most_bytes, most_files, done, 0)
    except FileNotFoundError:
        pass  # no results are no results
    except OSError as error:
        done.skipped[relative] = "not a folder" if error.errno in (errno.ENOTDIR, errno.ELOOP) else error.strerror or str(error)
    return done


def _collect(folder: int, prefix: str, target: Path, most_bytes: int, most_files: int, done: Collected, depth: int) -> None:
    for name in sorted(os.listdir(folder)):
        path = prefix + name
        if len(done.files) + len(done.skipped) >= most_files:
            done.skipped[path] = f"there are more than {most_files} files"
            return
        try:
            kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(kind.st_mode):
                if depth >= DEEPEST:
                    done.skipped[path] = "nested too deeply"
                    continue
                inner = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    _collect(inner, f"{path}/", target, most_bytes, most_files, done, depth + 1)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(kind.st_mode):
                _copy(folder, name, path, target, most_bytes, done)
            else:
                done.skipped[path] = "a symbolic link" if stat.S_ISLNK(kind.st_mode) else "not a regular file"
        except OSError as error:
            done.skipped[path] = error.strerror or str(error)


def _copy(folder: int, name: str, path: str, target: Path, most_bytes: int, done: Collected) -> None:
    """Copy one file, if what is opened is what it seemed to be."""
    with open(os.open(name, _FILE, dir_fd=folder), "rb", buffering=0) as source:
        kind = os.fstat(source.fileno())
        if not stat.S_ISREG(kind.st_mode):
            done.skipped[path] = "not a regular file"
        elif kind.st_nlink > 1:
            done.skipped[path] = "a hard link: the file has another name"
        elif done.bytes + kind.st_size > most_bytes:
            done.skipped[path] = f"with it, more than {most_bytes} bytes would be copied"
        else:
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "xb") as copy:
                left = kind.st_size
                while left > 0 and (chunk := source.read(min(CHUNK, left))):
                    copy.write(chunk)
                    left -= len(chunk)
            done.bytes += kind.st_size - left
            done.files.append(path)
