"""Safe reading and writing of a folder that untrusted code has written.

No symbolic link is followed, and only regular files are touched.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEEPEST = 32
MOST_FILES = 200_000
CHUNK = 1 << 20


@dataclass
class Collected:
    """What was copied, and what was not and why, by path relative to the folder.

    Attributes:
        files: what was copied.
        sizes: bytes of every regular file that was seen, copied or not.
        skipped: what was not copied although it was wanted, and why.
        links: where links lead, as far as they were copied.
        bytes: how much was copied.
    """

    files: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    bytes: int = 0


class TooLargeError(Exception):
    """There is more to copy than may be copied."""


@contextmanager
def open_folder(root: Path, relative: str, *, create: bool = False) -> Iterator[int]:
    """A descriptor of a folder in `root`, reached without following a link.

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
        raise ValueError(f"{relative} is not a path in the folder")
    return path.parts


def write(root: Path, relative: str, content: bytes) -> None:
    """Write a new file in `root` and create its parent folders.

    Whatever had its name is removed, not followed.

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


def read(root: Path, relative: str, most: int) -> bytes | None:
    """The content of a regular file in `root`; None where there is none, or something else.

    Raises:
        TooLargeError: it has more than `most` bytes.
        OSError: it can't be read.
    """
    *folders, name = _parts(relative)
    try:
        with open_folder(root, "/".join(folders)) as folder, open(os.open(name, _FILE, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(most + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR):
            return None
        raise
    if len(content) > most:
        raise TooLargeError(relative)
    return content


def collect(
    root: Path, relative: str, target: Path, most_bytes: int, most_files: int, wanted: Callable[[str], bool] = lambda _: True
) -> Collected:
    """Copy the regular files of a folder in `root` into `target`.

    Links (symbolic, and files with a second name), pipes, sockets and devices are left out, and so is what exceeds the size.

    Args:
        root: the folder that the untrusted code could write.
        relative: the folder in it to copy.
        target: where to; made if need be. It must be no folder that the code can write.
        most_bytes: how much may be copied in all.
        most_files: how many files are looked at.
        wanted: whether a file, by its path in the folder, is to be copied; of others the size is noted.
    """
    copy = _Copy(target, most_bytes, most_files, wanted=wanted)
    copy.folder(root, relative)
    return copy.done


def copy_tree(root: Path, relative: str, target: Path, most_bytes: int, skipped: frozenset[str] = frozenset()) -> Collected:
    """Copy a folder in `root` as it is, links as links.

    Pipes, sockets, devices and what can't be read are left out.

    Args:
        root: a folder that somebody else may have filled.
        relative: the folder in it to copy, itself no link.
        target: where to; made if need be.
        most_bytes: how much may be copied in all.
        skipped: names of folders that stay behind without a word.

    Raises:
        TooLargeError: there is more.
    """
    copy = _Copy(target, most_bytes, MOST_FILES, as_it_is=True, without=skipped)
    copy.folder(root, relative)
    return copy.done


class _Copy:
    """Copies a folder by descriptors, so that nothing that is put in the way meanwhile leads elsewhere.

    Args:
        target: where to.
        most_bytes: how much may be copied.
        most_files: how many files are looked at.
        wanted: whether a file is to be copied.
        as_it_is: copy links as links, with rights and times, and have too much be an error; otherwise regular files with one name alone.
        without: names of folders that are passed over.
    """

    def __init__(
        self,
        target: Path,
        most_bytes: int,
        most_files: int,
        *,
        wanted: Callable[[str], bool] = lambda _: True,
        as_it_is: bool = False,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.done = Collected()
        self._target = target
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._wanted = wanted
        self._as_it_is = as_it_is
        self._without = without

    def folder(self, root: Path, relative: str) -> None:
        """Copy a folder in `root`."""
        self._target.mkdir(parents=True, exist_ok=True)
        try:
            with open_folder(root, relative) as folder:
                self._inside(folder, "", 0)
        except FileNotFoundError:
            pass  # nothing is there to copy
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                reason = f"no folder but {_kind(os.lstat(root / relative).st_mode)}"
            self.done.skipped[relative] = reason

    def _inside(self, folder: int, prefix: str, depth: int) -> None:
        for name in sorted(os.listdir(folder)):
            path = prefix + name
            if len(self.done.sizes) + len(self.done.skipped) >= self._most_files:
                self._refuse(path, f"there are more than {self._most_files} files")
                return
            try:
                self._entry(folder, name, path, depth)
            except OSError as error:
                self.done.skipped[path] = error.strerror or str(error)

    def _entry(self, folder: int, name: str, path: str, depth: int) -> None:
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(kind.st_mode):
            if name in self._without:
                return
            if depth >= DEEPEST:
                self.done.skipped[path] = "nested too deeply"
                return
            if self._as_it_is:
                (self._target / path).mkdir(exist_ok=True)
            inner = os.open(name, _FOLDER, dir_fd=folder)
            try:
                self._inside(inner, f"{path}/", depth + 1)
            finally:
                os.close(inner)
        elif stat.S_ISREG(kind.st_mode):
            self._file(folder, name, path)
        elif stat.S_ISLNK(kind.st_mode) and name in self._without:
            return
        elif stat.S_ISLNK(kind.st_mode) and self._as_it_is:
            self.done.links[path] = os.readlink(name, dir_fd=folder)
            os.symlink(self.done.links[path], self._target / path)
        else:
            self.done.skipped[path] = _kind(kind.st_mode)

    def _file(self, folder: int, name: str, path: str) -> None:
        """Copy one file, if what is opened is what it seemed to be."""
        with open(os.open(name, _FILE, dir_fd=folder), "rb", buffering=0) as source:
            kind = os.fstat(source.fileno())
            if not stat.S_ISREG(kind.st_mode):
                self.done.skipped[path] = _kind(kind.st_mode)
                return
            if kind.st_nlink > 1 and not self._as_it_is:
                self.done.skipped[path] = "a hard link: the file has another name"
                return
            self.done.sizes[path] = kind.st_size
            if not self._wanted(path):
                return
            if self.done.bytes + kind.st_size > self._most_bytes:
                self._refuse(path, f"with it, more than {self._most_bytes} bytes would be copied")
                return
            self._content(source, kind, self._target / path)
            self.done.files.append(path)

    def _content(self, source: FileIO, kind: os.stat_result, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "xb") as copy:
            left = kind.st_size
            while left > 0 and (chunk := source.read(min(CHUNK, left))):
                copy.write(chunk)
                left -= len(chunk)
            if self._as_it_is:
                os.fchmod(copy.fileno(), stat.S_IMODE(kind.st_mode) & 0o777 | 0o600)
        if self._as_it_is:
            os.utime(place, ns=(kind.st_atime_ns, kind.st_mtime_ns))
        self.done.bytes += kind.st_size - left

    def _refuse(self, path: str, reason: str) -> None:
        if self._as_it_is:
            raise TooLargeError(reason)
        self.done.skipped[path] = reason


def _kind(mode: int) -> str:
    """What something is that is neither a file nor a folder."""
    kinds = ((stat.S_ISREG, "a file"), (stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((text for test, text in kinds if test(mode)), "a device")
