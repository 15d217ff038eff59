"""Repositories that are named instead of a folder, and are cloned by git.

`gh:owner/name@ref`, or `git+URL@ref#subdirectory=folder` as pip has it.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from gonogo.model.errors import UsageError

SECONDS = 600  # for one clone
_NAMED = re.compile(r"gh:(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)(?:@(?P<ref>[^#\s]+))?(?:#subdirectory=(?P<folder>\S+))?")
_ADDRESS = re.compile(
    r"git\+(?P<url>(?:https?|ssh|file)://(?:[^@#\s/]*@)?[^@#\s]+)(?:@(?P<ref>[^#\s]+))?(?:#subdirectory=(?P<folder>\S+))?"
)
# What a repository asks of the machine that clones it is not done: hooks, filters such as Git LFS, programs as a protocol.
_CAREFUL = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "filter.lfs.smudge=",
    "filter.lfs.required=false",
)


class Repository(NamedTuple):
    """A repository, a branch, tag or commit of it, and a folder in it."""

    url: str
    ref: str
    folder: str


def is_repository(path: str) -> bool:
    """Whether a path names a repository, not a file."""
    return path.startswith(("gh:", "git+")) and not os.path.lexists(path)


def repository_of(path: str) -> Repository:
    """What a path names.

    Raises:
        UsageError: it is no name of a repository.
    """
    named, address = _NAMED.fullmatch(path), _ADDRESS.fullmatch(path)
    match = named or address
    ref = (match and match["ref"]) or "HEAD"
    folder = os.path.normpath((match and match["folder"]) or ".")
    if match is None or ref.startswith("-") or folder.startswith(("..", "/")):
        raise UsageError(f"{path} names no repository: write gh:OWNER/NAME@REF or git+https://…@REF, with #subdirectory=FOLDER behind it.")
    url = f"https://github.com/{named['owner']}/{named['name']}" if named else match["url"]
    return Repository(url, ref, folder)


def cloned(path: str, until: ExitStack) -> str:
    """Clone what a path names, one commit of it, and return the folder that is meant.

    Args:
        path: see `repository_of`.
        until: the clone is deleted when it ends.

    Raises:
        UsageError: it names no repository, git is not there or can't clone it, or the repository has no such folder.
    """
    wanted = repository_of(path)
    home = until.enter_context(TemporaryDirectory(prefix="gonogo-clone-", ignore_cleanup_errors=True))
    place = Path(home) / (wanted.url.rstrip("/").rpartition("/")[2].removesuffix(".git") or "repository")
    place.mkdir()
    careful = [word for setting in _CAREFUL for word in ("-c", setting)]
    environment = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1", "GIT_TERMINAL_PROMPT": "0"}
    steps = (
        ["init", "--quiet", "--template="],
        ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", wanted.url, wanted.ref],
        ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
    )
    for step in steps:
        try:
            command = ["git", *careful, *step]
            done = subprocess.run(command, cwd=place, env=environment, check=False, capture_output=True, text=True, timeout=SECONDS)
        except FileNotFoundError:
            raise UsageError(f"{path} can't be cloned: there is no git on this machine.") from None
        except subprocess.TimeoutExpired:
            raise UsageError(f"{path} can't be cloned: git took more than {SECONDS} s.") from None
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["git does not say why"])[-1]
            raise UsageError(f"{path} can't be cloned: {said}")
    folder = place / wanted.folder
    if not folder.is_dir() or not folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"{path}: the repository has no folder {wanted.folder}.")
    return str(folder)
