"""What every node of an answer knows: where the data are, and how links to files are made."""

from __future__ import annotations

import itertools
import re
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store
from gonogo.tracker.store.runs import RefusedError
from gonogo.tracker.sweeps.controller import Controller

Found = TypeVar("Found")
Item = TypeVar("Item")
LIMIT_OF_ROWS = 1_000_000
_READER = re.compile(r"W&B Public Client 0\.(\d{1,6})\.")


class Links(Protocol):
    """Makes links that are good for a while, without a key."""

    def upload(self, file: int) -> str:
        """Where the content of a file may be sent with PUT."""

    def download(self, file: int, name: str) -> str:
        """Return where the content of a file can be had with GET.

        Its name stands at the end, for programs that look at addresses only.
        """


@dataclass(frozen=True)
class Listing:
    """The numbers of the runs that some client asked for, in its order.

    `number` is the name by which the client refers to the list.
    """

    number: str
    key: tuple[Any, ...]
    runs: list[int]


class Listings:
    """The newest lists that clients are paging through.

    One that is gone is made again, as of then.
    """

    LIMIT = 16

    def __init__(self) -> None:
        self._newest: deque[Listing] = deque(maxlen=self.LIMIT)
        self._numbers = itertools.count(1)

    def get(self, number: str) -> Listing | None:
        """The list that a client names."""
        return next((listing for listing in [*self._newest] if listing.number == number), None)

    def same(self, key: tuple[Any, ...]) -> Listing | None:
        """A list that was made for the same question, of data that did not change since."""
        return next((listing for listing in [*self._newest] if listing.key == key), None)

    def add(self, key: tuple[Any, ...], runs: list[int]) -> Listing:
        """Keep a list; the oldest one may go for it."""
        listing = Listing(f"{secrets.token_hex(4)}.{next(self._numbers)}", key, runs)
        self._newest.append(listing)
        return listing


@dataclass(frozen=True)
class Context:
    """What the nodes of one answer share.

    Attributes:
        store: What is kept.
        settings: What the tracker was told.
        links: Makes links to files.
        listings: Lists that clients page through.
        controller: Decides for sweeps.
        shared_by: What the process that asks calls itself, if it shares its run with others.
        agent: What the client calls itself.
    """

    store: Store
    settings: Settings
    links: Links
    listings: Listings
    controller: Controller
    shared_by: str | None = None
    agent: str = ""
    _given: list[int] = field(default_factory=list)

    @property
    def is_older_reader(self) -> bool:
        """Whether a client asks that reads without `wandb-core`, as those before 0.27 do."""
        found = _READER.match(self.agent)
        return found is not None and int(found[1]) < 27

    def give(self, rows: Sequence[Item]) -> Sequence[Item]:
        """Rows of history for an answer, which may have so many and no more.

        Raises:
            RefusedError: It would have more.
        """
        self._given.append(len(rows))
        if sum(self._given) > LIMIT_OF_ROWS:
            raise RefusedError(f"an answer has at most {LIMIT_OF_ROWS} rows of history: ask for fewer runs, keys or steps at once")
        return rows


class Base:
    """What all mutations work with."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.store = context.store

    def entity(self, input: dict[str, Any], key: str = "entityName") -> str:
        """The entity that an input names; without one, the tracker's own: clients leave it out or empty."""
        return input.get(key) or self.context.settings.entity


def there(found: Found | None, what: str) -> Found:
    """What was found.

    Raises:
        RefusedError: Nothing was.
    """
    if found is None:
        raise RefusedError(f"{what}: there is no such one")
    return found


def connect(items: Sequence[Any], first: int | None = None, after: str | None = None) -> dict[str, Any]:
    """Return a page of some items in the shape that GraphQL clients know.

    It has edges with cursors, and says whether there is more.
    """
    begin = offset_of(after)
    end = len(items) if first is None else min(len(items), begin + max(0, first))
    edges = [{"node": item, "cursor": str(number)} for number, item in enumerate(items[begin:end], begin + 1)]
    info = {"end_cursor": str(end) if edges else None, "has_next_page": end < len(items)}
    return {"edges": edges, "page_info": info, "total_count": len(items), "upload_headers": []}


def offset_of(cursor: str | None) -> int:
    """How many items come before a page.

    Raises:
        RefusedError: The cursor is none of this server's.
    """
    if not cursor:
        return 0
    if not cursor.isdecimal() or len(cursor) > 18:
        raise RefusedError(f"cursor {cursor[:40]!r}: not one of this server's")
    return int(cursor)
