"""`gonogo clean`: removes what gonogo keeps for later runs.

That is environments, wheels, answers of reviewers and verdicts.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

from gonogo.execution.environment import cache_folder
from gonogo.report import plain

KEPT = {"environments": "environments of experiments", "wheels": "wheels", "reviews": "answers of reviewers", "verdicts": "verdicts"}


def run(dry_run: bool) -> int:
    """Remove the kept files, except environments that a process runs in.

    Returns 0, or 3 where something could not be removed.
    """
    home = cache_folder()
    used = _words_of_processes()
    code, total = 0, 0
    for name, what in KEPT.items():
        folder = home / name
        if not folder.is_dir() or folder.is_symlink():
            continue
        freed, kept, failed = 0, 0, []
        for entry in sorted(folder.iterdir()):
            if any(word.startswith(f"{entry}{os.sep}") for word in used):
                kept += 1
                continue
            size = _size(entry)
            try:
                if not dry_run:
                    _remove(entry)
                freed += size
            except OSError as error:
                failed.append(f"{error.filename or entry}: {error.strerror or error}")
        total += freed
        extra = f"; {kept} in use, kept" if kept else ""
        print(plain.line(f"{what}: {_megabytes(freed)} {'to remove' if dry_run else 'removed'}{extra}"))
        for reason in failed:
            print(plain.line(f"  not removed: {reason}"))
            code = 3
    print(plain.line(f"{_megabytes(total)} in {home}" if dry_run else f"{_megabytes(total)} freed in {home}"))
    return code


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _size(entry: Path) -> int:
    """Bytes on the disk; what stands there as a hard link of uv's own cache counts, too."""
    if entry.is_symlink() or not entry.is_dir():
        return entry.lstat().st_size
    total = 0
    for folder, _, names in os.walk(entry):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118  # many files
            except OSError:
                continue  # gone meanwhile
    return total


def _words_of_processes() -> set[str]:
    words: set[str] = set()
    for process in psutil.process_iter(["cmdline"]):
        words.update(process.info["cmdline"] or ())
    return words


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
