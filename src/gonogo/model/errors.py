"""What can go wrong that is not the experiment's fault."""

from __future__ import annotations


class GonogoError(Exception):
    """An error with one clear sentence for the user; its text is shown without a traceback."""


class UsageError(GonogoError):
    """The command was called with something that can't be used: exit code 2."""


class StageError(GonogoError):
    """A stage could not do its work, so nothing may be concluded from it.

    This gives exit code 3 unless another finding blocks.
    """
