"""Files from which other files are made."""

from __future__ import annotations

#: Cookiecutter and copier fill in paths with this in them, and what is in such files.
TEMPLATE = "{{"
