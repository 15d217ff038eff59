"""A file of the experiment's own that has the name of a library is not taken for that library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
CODE = """\
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from gonogo_probe import hooks, settings
settings.tree = sys.argv[2] + "/"
hooks.start()
hooks.when_imported("datasets", lambda module: print("watched", module.__name__))
import datasets
print(datasets.own)
"""


@pytest.mark.parametrize(("path", "tree", "says"), [("datasets.py", True, "1\n"), ("datasets.py", False, "watched datasets\n1\n")])
def test_only_libraries_are_watched(tmp_path: Path, path: str, tree: bool, says: str) -> None:
    (tmp_path / path).write_text("own = 1\n")
    code = CODE if tree else CODE.replace('settings.tree = sys.argv[2] + "/"', 'settings.tree = "/elsewhere/"')
    done = subprocess.run([sys.executable, "-c", code, str(PROBE), str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == says
