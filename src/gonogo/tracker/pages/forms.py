"""What forms send, and where their senders go next."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

# A path of this server: a second slash, or what browsers take for one, would lead to another.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
Fields = dict[str, list[str]]


async def fields(request: Request, limit: int) -> Fields:
    """Return the fields of a form, which must come from a page of this server.

    The cookie alone does not ensure that in every browser.
    """
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This form was sent by another site.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(400, "The form holds more than it may.")
    found: Fields = {}
    for name, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


def one(given: Fields, name: str) -> str:
    """The first value of a field, empty where there is none."""
    return given.get(name, [""])[0]


def local(target: str | None) -> str:
    """Where to go: nowhere but here."""
    return target if target and _LOCAL.fullmatch(target) else "/"
