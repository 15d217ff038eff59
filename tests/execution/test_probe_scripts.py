"""A script that is started by its path is what Python makes of it, and its loops are those of the experiment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
SAYS = '''"""A text."""
from __future__ import annotations
import dataclasses, inspect, pickle, sys
import helper

@dataclasses.dataclass
class Setting:
    epochs: int = 3

def double(x: Later) -> int:
    return 2 * x

class Later: ...

if __name__ == "__main__":
    print(__name__, __file__, __doc__, __spec__, __package__, sys.argv, helper.x, sys.path[0])
    print(inspect.getsource(double), double.__annotations__, pickle.loads(pickle.dumps(double))(4), Setting())
    print([number for number in range(3)], "__main__" in sys.modules, sys.modules["__main__"].double is double)
    1 / len(sys.argv[1:])
'''


def run(folder: Path, *words: str, probe: bool, **more: str) -> subprocess.CompletedProcess[str]:
    settings = folder.parent / "settings.json"
    told = {"tree": f"{folder}/", "mode": "program", "bounds": {"batches": 2, "epochs": 1, "loops": 1}, "caps": []}
    settings.write_text(json.dumps({**told, "scratch": str(folder), "standins": [], "plugins": ""}))
    added = {"PYTHONPATH": str(PROBE), "GONOGO_PROBE": str(settings)} if probe else {}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **added, **more}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "train.py").write_text(SAYS)
    (made / "sub" / "helper.py").write_text("x = 5\n")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("words", [["sub/train.py", "a"], ["./sub/../sub/train.py", "a", "b"], ["sub/train.py"]])
def test_script_sees_what_it_sees_without_a_probe(folder: Path, words: list[str]) -> None:
    one, other = (run(folder, *words, probe=probe) for probe in (True, False))
    assert (one.returncode, one.stdout) == (other.returncode, other.stdout)
    assert one.stderr.splitlines()[-1:] == other.stderr.splitlines()[-1:]


def test_syntax_error_is_pythons_own(folder: Path) -> None:
    (folder / "train.py").write_text("def f(:\n")
    one, other = (run(folder, "train.py", probe=probe) for probe in (True, False))
    assert one.returncode == other.returncode == 1
    assert one.stderr.splitlines()[-1] == other.stderr.splitlines()[-1]


def test_loops_of_a_script_are_cut(folder: Path) -> None:
    (folder / "train.py").write_text(
        "import builtins\nfrom gonogo_probe import loops\nfor epoch in range(50):\n    loops.network_ran()\n    print(epoch)\n"
    )
    assert run(folder, "train.py", probe=True).stdout == "0\n"


@pytest.mark.slow
def test_spawned_process_finds_the_functions_of_the_script(folder: Path) -> None:
    (folder / "train.py").write_text(
        "import multiprocessing\n\ndef double(x):\n    return 2 * x\n\n"
        "if __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(double, [1, 2]))\n"
    )
    assert run(folder, "train.py", probe=True).stdout == "[2, 4]\n"
