"""The commit that an experiment's folder is at.

git is asked for it without running anything that the repository names.

A repository's own settings can have git run programs: a file-system monitor, hooks, filters by which files are compared, commands that
fetch what is missing. The repository is the experiment's, and so are its settings.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

SECONDS = 60.0
SAFE = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.sshCommand=false"),
    *("-c", "core.alternateRefsCommand=true"),
    *("-c", "core.askPass=true"),
    *("-c", "core.pager=cat"),
    *("-c", "diff.external="),
    *("-c", "credential.helper="),
    *("-c", "protocol.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "status.submoduleSummary=false"),
    *("-c", "status.renames=false"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
)
# What git would read of ours could name programs, too; and nothing may be fetched.
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "false",
    "GIT_PAGER": "cat",
}


def commit_of(root: Path | None) -> str | None:
    """Return the commit, with `-dirty` where files are changed.

    None where git knows none, or does not trust the folder.
    """
    if root is None:
        return None
    head = _git(root, "rev-parse", "--verify", "HEAD")
    filters = _git(root, "config", "--null", "--name-only", "--get-regexp", r"^filter\.")
    if head is None:
        return None
    # A filter is a program, named in the settings and chosen by a file in the tree: each is taken away, so that bytes are compared.
    names = dict.fromkeys(name.rpartition(".")[0] for name in (filters or "").split("\0") if name)
    off = {f"{name}.{key}": "" for name in names for key in ("clean", "smudge", "process")}
    off |= {f"{name}.required": "false" for name in names}
    changed = _git(root, "status", "--porcelain", "--ignore-submodules=all", "--", ".", settings=off)
    return head.strip() + ("-dirty" if changed is None or changed.strip() else "")


def _git(root: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> str | None:
    """What git prints; None where it fails.

    Args:
        root: the folder.
        arguments: of the command.
        settings: in the environment, where names may have any character.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | ENVIRONMENT
    trusted = _trusted()
    pairs = [*(("safe.directory", folder) for folder in trusted), *(settings or {}).items()]
    environment["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (name, value) in enumerate(pairs):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return _output(["git", "-C", str(root), *SAFE, *arguments], environment)


@lru_cache(maxsize=1)
def _trusted() -> tuple[str, ...]:
    """Return the folders that the caller's own settings trust.

    git asks for that where a folder belongs to another user.
    """
    said = _output(["git", "config", "--global", "--null", "--get-all", "safe.directory"], dict(os.environ))
    return tuple(folder for folder in (said or "").split("\0") if folder)


def _output(command: list[str], environment: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            cwd=os.sep,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
