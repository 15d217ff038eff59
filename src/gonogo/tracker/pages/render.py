"""Templates, and how numbers, times and addresses are written in them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from gonogo.tracker.pages import assets

MINUTE, HOUR, DAY = 60, 3600, 86400
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page made of a template."""
    text = _environment().get_template(template).render(values)
    return HTMLResponse(_LONE_SURROGATES.sub("�", text), status)  # JSON can name characters that no page can hold


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration, ago=ago, clock=clock, iso=iso, size=size, short=short)
    environment.globals.update(asset=assets.address, address=address, query=query)
    return environment


def address(*parts: str) -> str:
    """The path with some parts, whatever characters these have."""
    return "/" + "/".join(quote(part, safe="", errors="replace") for part in parts)


def query(pairs: Iterable[tuple[str, str]], **changes: str | int | None) -> str:
    """The query string with some pairs, of which some are changed or (None) left out."""
    kept = [(name, value) for name, value in pairs if name not in changes]
    kept += [(name, str(value)) for name, value in changes.items() if value is not None]
    return f"?{urlencode(kept, errors='replace')}" if kept else "?"


def number(value: Any) -> str:
    """A value in a few characters: a float with four significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
        return str(int(value)) if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
    return "–" if value is None else str(value)


def duration(seconds: float | None) -> str:
    """A span of time in its two largest units."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return "–"
    whole = int(seconds)
    if 0 < seconds < 10:
        return f"{seconds:.1f} s"
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def ago(seconds: float | None) -> str:
    """How long ago a time was, in one unit."""
    if seconds is None:
        return "never"
    passed = max(0, int(time.time() - seconds))
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if passed >= unit:
            return f"{passed // unit} {name} ago"
    return "just now" if passed < 5 else f"{passed} s ago"


def clock(seconds: float | None) -> str:
    """A time for people; the page's script turns it into the reader's own time zone."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(seconds: float) -> str:
    """A time for programs."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def size(count: float | None) -> str:
    """A number of bytes."""
    amount = float(count or 0)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def short(text: Any, limit: int = 200) -> str:
    """A text, cut where it gets long."""
    text = str(text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
