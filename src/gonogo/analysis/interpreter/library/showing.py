"""Calls that only show or store a config, of libraries of which nothing else is known.

Also contexts in which an exception does no harm.
"""

from __future__ import annotations

from gonogo.analysis.interpreter.library.registry import LIBRARY

LIBRARY.shows("print", "json.dump", "json.dumps", "pprint.", "logging.", "rich.", "loguru.", "warnings.warn")
LIBRARY.survives("raises", "suppress", "assertRaises")
