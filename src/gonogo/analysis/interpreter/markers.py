"""Texts that stand for something in paths, configs and composed data."""

from __future__ import annotations

#: A mandatory value that nobody has given yet, as OmegaConf writes it.
MISSING = "???"
#: The experiment's root in paths of files: the documented command is started there.
ROOT = "/@"
#: First key of the config path of what was read from a YAML file by hand; the file's path is the second.
FILE_ROOT = "@file"
#: The unknown part of a text where a tool wants a whole one; it never counts as a value.
FILLER = "gonogo-unknown"
#: Key of a mapping of plain data that may hold more than is known.
OPEN = "gonogo-open"
