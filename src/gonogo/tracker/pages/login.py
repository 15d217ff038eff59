"""Showing the key once, and being known by a cookie from then on."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gonogo.tracker.pages.render import page

if TYPE_CHECKING:
    from gonogo.tracker.credentials import Credentials

# A path of this server: a second slash, or what browsers take for one, would lead to another.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
LIMIT_OF_FORMS = 10_000
MONTH = 30 * 24 * 3600


class Login:
    """Who is known, and how one becomes so."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        # A browser sends its cookies to every port of a host: trackers beside each other must not take each other's away.
        self.cookie = f"gonogo_{hashlib.sha256(credentials.session().encode()).hexdigest()[:8]}"

    def knows(self, request: Request) -> bool:
        """Whether a request comes from somebody who showed the key, or shows it."""
        header = request.headers.get("authorization")
        return self._credentials.fits_session(request.cookies.get(self.cookie)) or self._credentials.fits_header(header)

    def form(self, request: Request) -> Response:
        """Ask for the key, or take it out of the address."""
        key, target = request.query_params.get("key"), _local(request.query_params.get("next"))
        if key is not None:
            return self._answer(request, key, target)
        if self.knows(request):
            return RedirectResponse(target, 303)
        return page("login.html", target=target, wrong=False)

    async def enter(self, request: Request) -> Response:
        """Take the key out of the form."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LIMIT_OF_FORMS:
                raise HTTPException(400, "This is no login form.")
        fields = parse_qs(body.decode(errors="replace"))
        key, target = fields.get("key", [""])[0], _local(fields.get("next", ["/"])[0])
        return await run_in_threadpool(self._answer, request, key, target)

    def leave(self, request: Request) -> Response:
        """Forget the browser."""
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self.cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _answer(self, request: Request, key: str, target: str) -> Response:
        if not self._credentials.fits(key.strip()):
            return page("login.html", 401, target=target, wrong=True)
        answer = RedirectResponse(target, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            self.cookie, self._credentials.session(), max_age=MONTH, httponly=True, samesite="strict", path="/", secure=secure
        )
        return answer


def _local(target: str | None) -> str:
    """Where to go after the login: nowhere but here."""
    return target if target and _LOCAL.fullmatch(target) else "/"
