"""The pages' own files, and plotly's script from the installed package.

Nothing comes from elsewhere.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

FOLDER = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PLOTLY = "plotly.min.js"
FOREVER = "public, max-age=31536000, immutable"


@cache
def files() -> dict[str, Path]:
    """What is served, by name."""
    found = {path.name: path for path in FOLDER.iterdir() if path.suffix in KINDS}
    spec = find_spec("plotly")  # importing it takes a second, and only its script is wanted
    for folder in (spec.submodule_search_locations if spec else None) or []:
        found[PLOTLY] = Path(folder) / "package_data" / PLOTLY
    return found


@cache
def version() -> str:
    """A text that is another one whenever any of the files is, so that browsers may keep them forever."""
    digest = hashlib.sha256()
    for name, path in sorted(files().items()):
        content = path.read_bytes() if path.parent == FOLDER else f"{path} {path.stat().st_size}".encode()
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """Where a file is served."""
    return f"/static/{version()}/{name}"


def static(request: Request) -> Response:
    """Serve a file.

    One of another version is served too, but must not be cached: a page may have been open since before an update.
    """
    path = files().get(request.path_params["name"])
    if path is None or not path.is_file():
        raise HTTPException(404, "There is no such file.")
    current = request.path_params["version"] == version()
    return FileResponse(path, media_type=KINDS[path.suffix], headers={"Cache-Control": FOREVER if current else "no-store"})
