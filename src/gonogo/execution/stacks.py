"""Where the processes of a run were when its time was up.

Their probes had it written, and no path is trusted that the code could change.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from gonogo.execution.observations import Frame
from gonogo.execution.sandbox import Box, safe_files

MOST_BYTES = 64 << 10  # of one process
MOST_PROCESSES = 64
_FRAME = re.compile(r'^ +File "([^"\n]+)", line (\d+) in (.+)$', re.MULTILINE)


def make_folder(box: Box, name: str) -> Path | None:
    """Make a folder for the stacks of one run, in the box's space for notes.

    None where the code put something in the way.
    """
    folder = box.scratch / "stacks" / name
    try:
        with safe_files.open_folder(box.folder, _inside(box, folder), create=True):
            return folder
    except OSError:
        return None


def read(box: Box, folder: Path) -> dict[int, list[Frame]]:
    """Return the stacks that processes left, by process number.

    The innermost frame comes first. Paths of the experiment are those in its tree.
    """
    found: dict[int, list[Frame]] = {}
    inside = _inside(box, folder)
    with suppress(OSError), safe_files.open_folder(box.folder, inside) as descriptor:
        listed = os.listdir(descriptor)  # noqa: PTH208 - a descriptor is no path
        names = sorted((name for name in listed if name.isdecimal() and len(name) < 12), key=int)
        for name in names[-MOST_PROCESSES:]:
            with suppress(OSError, safe_files.TooLargeError):  # else it is not what a probe writes
                text = (safe_files.read(box.folder, f"{inside}/{name}", MOST_BYTES) or b"").decode("utf-8", "replace")
                told = [frame for frame in _FRAME.findall(text) if not frame[0].startswith("<")]  # imports and such
                frames = [(path.removeprefix(f"{box.tree}/"), int(line), function.strip()) for path, line, function in told]
                found |= {int(name): frames} if frames else {}
    return found


def _inside(box: Box, folder: Path) -> str:
    return str(folder.relative_to(box.folder))
