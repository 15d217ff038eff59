"""Showing the key, or a link that is good once, and being known by a cookie from then on."""

from __future__ import annotations

import hashlib

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gonogo.tracker.pages.forms import fields, local, one
from gonogo.tracker.pages.render import page
from gonogo.tracker.service import Service
from gonogo.tracker.store.sessions import LIFETIME

LIMIT_OF_FORMS = 10_000


class Login:
    """Who is known, and how one becomes so."""

    def __init__(self, service: Service) -> None:
        self._credentials = service.credentials
        self._sessions = service.store.sessions
        # A browser sends its cookies to every port of a host: trackers beside each other must not take each other's away.
        self.cookie = f"gonogo_{hashlib.sha256(f'cookie {self._credentials.key}'.encode()).hexdigest()[:8]}"

    def knows(self, request: Request) -> bool:
        """Whether a request comes from somebody who showed the key, or shows it."""
        header = request.headers.get("authorization")
        return self._sessions.knows(request.cookies.get(self.cookie)) or self._credentials.fits_header(header)

    def form(self, request: Request) -> Response:
        """Ask for the key, unless the address is a link that is valid once.

        The key itself is not taken from an address, since browsers remember addresses.
        """
        once, target = request.query_params.get("key"), local(request.query_params.get("next"))
        if self.knows(request):
            return RedirectResponse(target, 303)
        if once is not None:
            return self._answer(request, self._credentials.take_once(once), target, "This link was used before, or is an old one.")
        return page("login.html", target=target, wrong=None)

    async def enter(self, request: Request) -> Response:
        """Take the key out of the form."""
        given = await fields(request, LIMIT_OF_FORMS)
        key, target = one(given, "key"), local(one(given, "next"))
        fits = self._credentials.fits(key.strip())
        return await run_in_threadpool(self._answer, request, fits, target, "This is not the key of this tracker.")

    def leave(self, request: Request) -> Response:
        """End the session, and forget the browser."""
        self._sessions.end(request.cookies.get(self.cookie))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self.cookie, httponly=True, samesite="strict", path="/")
        return answer

    def _answer(self, request: Request, fits: bool, target: str, otherwise: str) -> Response:
        if not fits:
            return page("login.html", 401, target=target, wrong=otherwise)
        answer = RedirectResponse(target, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(self.cookie, self._sessions.begin(), max_age=LIFETIME, httponly=True, samesite="strict", path="/", secure=secure)
        return answer
