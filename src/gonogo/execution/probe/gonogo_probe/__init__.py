"""The probe: runs inside the processes of an experiment and says what it sees.

It is imported in the experiment's own environment, so it needs nothing but the standard library (Python 3.9 or newer), imports no library
before the experiment does, and changes nothing that the experiment could notice, but for the bounds of a rehearsal and stand-ins.
What it says can be forged by code that means to (it runs in the same process); the keyed hash of each event only keeps that from
happening by accident or by a line of code.
"""

from __future__ import annotations

_started = False


def start() -> None:
    """Begin to watch this process; called once, before any code of the experiment."""
    global _started
    if _started:
        return
    _started = True
    from . import channel, hooks, settings

    settings.load()
    channel.start()
    hooks.start()
    from . import watchers

    watchers.start()
