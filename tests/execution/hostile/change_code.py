"""Changes the code that later runs are of, or puts other code in its place. Told `again`, it says what a later run would be of."""

import ctypes
import os
import shutil
import sys
from pathlib import Path

import bounds
from bounds import attempt

CODE = Path("code")
MAIN = CODE / "main.py"
EVIL = "print('evil')\n"


def over(path: Path) -> None:
    Path("new").write_text(EVIL)
    os.replace("new", path)


def by_link() -> None:
    os.link(MAIN, CODE / "second")
    (CODE / "second").write_text(EVIL)


def move_folder() -> None:
    CODE.rename("elsewhere")
    CODE.mkdir()
    MAIN.write_text(EVIL)


def through_memory() -> None:
    import mmap

    with open(os.open(MAIN, os.O_RDWR), "r+b") as file:
        mmap.mmap(file.fileno(), 0)[:4] = b"evil"


def unmount() -> None:
    if ctypes.CDLL(None, use_errno=True).umount2(bytes(MAIN), 2) == -1:
        raise OSError(ctypes.get_errno(), "umount")


attempt("write the code", lambda: MAIN.write_text(EVIL))
attempt("truncate it", lambda: os.truncate(MAIN, 0))
attempt("remove it", MAIN.unlink)
attempt("put another in its place", lambda: over(MAIN))
attempt("give it other rights", lambda: MAIN.chmod(0o777))
attempt("write it by a second name", by_link)
attempt("move its folder", move_folder)
attempt("remove its folder", lambda: shutil.rmtree(CODE))
attempt("write it through memory", through_memory)
attempt("write it by process 1", lambda: Path(f"/proc/1/root{MAIN.absolute()}").write_text(EVIL))
attempt("uncover it", unmount)
attempt("write the config", lambda: Path("config/run/a.yaml").write_text("a: 2"))
attempt("exchange folder and folder", lambda: os.rename("config", "code"))
attempt("write what is given", lambda: Path(os.environ["GIVEN"]).write_text("{}"))
attempt("exchange what is given", lambda: over(Path(os.environ["GIVEN"])))
# What it may do, and what gonogo must see all the same.
attempt("own results", lambda: (os.makedirs("results/a"), Path("results/a/metrics.json").write_text("{}")))
attempt("own file beside the code", lambda: (CODE / "log.txt").write_text("x"))
if sys.argv[1:] == ["beside"]:
    Path("numpy.py").write_text(EVIL)
    (CODE / "main").mkdir()
    (CODE / "main" / "__init__.py").write_text(EVIL)
    (CODE / "__pycache__").mkdir()
    (CODE / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"evil")
    Path("config/run/b.yaml").write_text("b: 1")
    (CODE / "fast.so").write_bytes(b"evil")
    # None of these is in the way of anything.
    Path("best.yaml").write_text("x: 1")
    os.makedirs("snapshots/1/code")
    Path("snapshots/1/code/main.py").write_text("x = 1")
    Path("results/a/model.py").write_text("x = 1")
bounds.signal.alarm(0)
