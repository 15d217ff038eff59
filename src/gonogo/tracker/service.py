"""What a tracker works with.

That is its settings, its store, its credentials, and the lists that clients page through.
"""

from __future__ import annotations

from gonogo.tracker.api.context import Listings
from gonogo.tracker.credentials import Credentials
from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store
from gonogo.tracker.sweeps.controller import Controller


class Service:
    """A tracker, whoever asks it in whatever way."""

    def __init__(self, settings: Settings) -> None:
        """Open the data folder.

        Raises:
            UsageError: The folder can't be used.
        """
        self.settings = settings
        self.store = Store(settings)
        self.credentials = Credentials(settings.folder)
        self.listings = Listings()
        self.controller = Controller(self.store)
