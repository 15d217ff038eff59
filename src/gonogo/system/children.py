"""How gonogo starts Python processes of its own: isolated from the user's environment and from the current folder."""

from __future__ import annotations

import sys
from pathlib import Path

_HOME = str(Path(__file__).resolve().parent.parent.parent)


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs `main()` of a module of this gonogo.

    `-I` keeps the current folder and `PYTHON*` variables out: an experiment that is checked from inside its own folder must not be able
    to put its `yaml.py` in the way of ours.
    """
    start = f"import sys; sys.path.insert(0, {_HOME!r}); from {module} import main; main()"
    return [sys.executable, "-I", "-c", start, *arguments]
