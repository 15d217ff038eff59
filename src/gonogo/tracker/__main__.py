"""`python -m gonogo.tracker FOLDER PORT SILENCE`: what `running` starts.

One line of JSON says where it listens.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from gonogo.model.errors import UsageError
from gonogo.tracker.settings import Settings


def main() -> None:
    """Serve until the standard input ends."""
    folder, port, silence = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from gonogo.tracker.serve import serve

        serve(
            Settings(Path(folder), port=int(port), silence=float(silence)),
            lambda announcement: print(json.dumps(asdict(announcement)), flush=True),
        )
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _end_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin, which Python could not close at its end while this thread waits for it
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
