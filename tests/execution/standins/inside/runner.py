"""Runs the cases of a file in this process, and tells of each through the probe's channel."""

import importlib
import sys
import time
import traceback
from dataclasses import dataclass, field

from gonogo_probe import channel


@dataclass
class CaseBegun:
    """A case begins."""

    case: str


@dataclass
class CaseEnded:
    """A case has ended."""

    case: str
    error: str
    seconds: float
    expected: list = field(default_factory=list)


module = importlib.import_module(sys.argv[1])
for name, case in list(vars(module).items()):
    if name.startswith("_") or not callable(case) or getattr(case, "__module__", "") != module.__name__:
        continue
    if len(sys.argv) > 2 and name not in sys.argv[2:]:
        continue
    channel.emit(CaseBegun(name))
    started, error, expected = time.monotonic(), "", []
    try:
        expected = case() or []
    except Exception:
        error = traceback.format_exc()[-2500:]
    channel.emit(CaseEnded(name, error, round(time.monotonic() - started, 2), expected))
