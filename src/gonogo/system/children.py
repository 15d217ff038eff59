"""How gonogo starts Python processes of its own.

They are isolated from the user's environment and from the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gonogo.system.parent import own_number

_HOME = str(Path(__file__).resolve().parent.parent.parent)


def command(module: str, *arguments: str, ends_with_us: bool = False) -> list[str]:
    """The command line that runs `main()` of a module of this gonogo.

    `-I` keeps the current folder and `PYTHON*` variables out: an experiment that is checked from inside its own folder must not be able
    to put its `yaml.py` in the way of ours.

    Args:
        module: its name.
        arguments: of the command line.
        ends_with_us: the process ends when this one does, also when this one is killed.
    """
    tie = f"from gonogo.system.parent import end_with; end_with({own_number()}); " if ends_with_us else ""
    imports = f"gc.disable(); from {module} import main; gc.enable()"  # of what is imported nothing becomes waste: no use to look for it
    start = f"import gc, sys; sys.path.insert(0, {_HOME!r}); {tie}{imports}; main()"
    return [sys.executable, "-I", "-c", start, *arguments]
