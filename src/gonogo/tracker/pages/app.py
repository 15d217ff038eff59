"""The pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette

if TYPE_CHECKING:
    from gonogo.tracker.app import Service


def pages(service: Service) -> Starlette:
    """The application behind `/`."""
    return Starlette()
