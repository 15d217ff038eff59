"""Small programs of the tests' own, run for real in one Python that has loaded what they import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

FAILED, NO_ATTRIBUTE = 1, 7
_RUN = f"""
import importlib, json, os, runpy, sys
given = json.load(sys.stdin)
for name in given["imports"]:
    importlib.import_module(name)
for folder in given["folders"]:
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.argv = [given["program"]]
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            runpy.run_path(given["program"], run_name="__main__")
        except AttributeError:
            os._exit({NO_ATTRIBUTE})
        except SystemExit as ended:
            os._exit({FAILED} if ended.code else 0)
        except BaseException:
            os._exit({FAILED})
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def exit_codes(folder: Path, programs: Mapping[str, Mapping[str, str]], program: str, imports: Iterable[str] = ()) -> dict[str, int]:
    """How each program ends: 0, NO_ATTRIBUTE with an AttributeError, FAILED with another error.

    Args:
        folder: where the programs are laid out.
        programs: by name, the files of each.
        program: the file that is run.
        imports: what is loaded once, before all of them.
    """
    folders = []
    for number, files in enumerate(programs.values()):
        for path, text in files.items():
            target = folder / str(number) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        folders.append(str(folder / str(number)))
    given = json.dumps({"folders": folders, "program": program, "imports": [*imports]})
    done = subprocess.run([sys.executable, "-c", _RUN], input=given, capture_output=True, text=True, check=True)
    return dict(zip(programs, map(int, done.stdout.split()), strict=True))
