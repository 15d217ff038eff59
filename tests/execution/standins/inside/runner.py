"""Runs the cases of a file in this process, and tells of each through the probe's channel."""

import importlib
import sys
import time
import traceback

from gonogo_probe import channel

module = importlib.import_module(sys.argv[1])
for name, case in list(vars(module).items()):
    if name.startswith("_") or not callable(case) or getattr(case, "__module__", "") != module.__name__:
        continue
    if len(sys.argv) > 2 and name not in sys.argv[2:]:
        continue
    channel.emit("case-start", case=name)
    started, error, expected = time.monotonic(), "", []
    try:
        expected = case() or []
    except Exception:
        error = traceback.format_exc()[-2500:]
    channel.emit("case-end", case=name, error=error, expected=expected, seconds=round(time.monotonic() - started, 2))
