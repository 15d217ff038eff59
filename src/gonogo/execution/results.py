"""What the runs left in their results folder.

That is names and sizes of everything, and the texts of its JSON files, read on demand.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rules read results in checks that run nothing, too
    from gonogo.execution.sandbox import Box

MOST_JSON = 4 << 20  # of one file
MOST_TEXTS = 256 << 20  # of all together, on disk: one at a time is in memory
MOST_FILES = 10_000
BROKEN = "an error"


class Texts(Mapping[str, str]):
    """The texts of files that were copied out of a sandbox, by path.

    The copies exist as long as this object.

    Args:
        folder: where the copies are; removed in the end.
        paths: of the files, relative to it.
    """

    def __init__(self, folder: Path, paths: list[str]) -> None:
        self._folder = folder
        self._paths = dict.fromkeys(paths)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __getitem__(self, path: str) -> str:
        if path not in self._paths:
            raise KeyError(path)
        return (self._folder / path).read_text("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def collect(box: Box, relative: str) -> tuple[dict[str, int], Texts, str]:
    """Return sizes by path of the files in a folder of the tree, and the texts of its JSON.

    Also what was too much to look at (empty if nothing).
    """
    folder = Path(tempfile.mkdtemp(prefix="gonogo-results-"))
    found = box.collect(relative, folder, MOST_TEXTS, MOST_FILES, lambda path: path.endswith(".json"))
    texts = Texts(folder, [path for path in found.files if found.sizes[path] <= MOST_JSON])
    too_much = next((reason for reason in found.skipped.values() if "more than" in reason), "")
    return found.sizes, texts, too_much


def json_problem(text: str) -> str:
    """Return what makes a text invalid as JSON; empty for valid JSON.

    It is the number that JSON does not have (`NaN`, `Infinity`), otherwise `BROKEN`.
    """
    found: list[str] = []
    try:
        json.loads(text, parse_constant=found.append)
    except (ValueError, RecursionError):
        return BROKEN
    return found[0].lstrip("-") if found else ""
