"""Looks for secrets: `~/.netrc`, the user's files, environments of other processes, inherited descriptors."""

import contextlib
import os
from pathlib import Path

from bounds import attempt

attempt("read ~/.netrc", lambda: Path("~/.netrc").expanduser().read_text())
attempt("read the user's .netrc", lambda: Path(os.environ["NETRC_OF_USER"]).read_text())
attempt("list the user's home", lambda: os.listdir(Path(os.environ["NETRC_OF_USER"]).parent))
attempt("read /etc/shadow", lambda: Path("/etc/shadow").read_text())
attempt("read memory of process 1", lambda: open("/proc/1/mem", "rb").read(1))
print("environment:", dict(os.environ))
for name in filter(str.isdigit, os.listdir("/proc")):
    with contextlib.suppress(OSError):
        print("process", name, Path(f"/proc/{name}/cmdline").read_bytes()[:200], Path(f"/proc/{name}/environ").read_bytes())
listing = os.open("/proc/self/fd", os.O_RDONLY)
descriptors = [int(name) for name in os.listdir(listing) if int(name) > 2 and int(name) != listing]
places = []
for number in descriptors:
    with contextlib.suppress(OSError):
        places.append(os.readlink(f"/proc/self/fd/{number}"))
print("descriptors:", places)
