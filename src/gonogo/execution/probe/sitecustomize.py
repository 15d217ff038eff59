"""Starts the probe in every Python process of a run.

Each process imports this module, since its folder comes first in `PYTHONPATH`.

A module of the same name that this one hides (some systems have one) is imported after it.
"""

import importlib.machinery
import importlib.util
import os
import sys

if "GONOGO_PROBE" in os.environ:
    import gonogo_probe

    gonogo_probe.start()

_here = os.path.dirname(os.path.abspath(__file__))
_hidden = importlib.machinery.PathFinder.find_spec("sitecustomize", [path for path in sys.path if os.path.abspath(path or ".") != _here])
if _hidden is not None and _hidden.loader is not None:
    _module = importlib.util.module_from_spec(_hidden)
    _hidden.loader.exec_module(_module)
