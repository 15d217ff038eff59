"""What a tracker keeps: SQLite for all that is asked for by name, plain files for what runs upload."""

from __future__ import annotations

from gonogo.tracker.settings import Settings
from gonogo.tracker.store.artifacts import Artifacts
from gonogo.tracker.store.care import Care
from gonogo.tracker.store.database import Database
from gonogo.tracker.store.deletion import Deletion
from gonogo.tracker.store.files import Files
from gonogo.tracker.store.history import History
from gonogo.tracker.store.runs import Runs
from gonogo.tracker.store.sessions import Sessions
from gonogo.tracker.store.sweeps import Sweeps
from gonogo.tracker.store.verdicts import Verdicts


class Store:
    """All that a tracker keeps in one folder."""

    def __init__(self, settings: Settings) -> None:
        """Open the folder of the settings, made when missing.

        Raises:
            FolderInUseError: Another tracker works on it.
            UsageError: It can't be written to, or a newer gonogo made it.
        """
        self.database = Database(settings.folder)
        self.runs = Runs(self.database, settings.silence)
        self.history = History(self.database)
        self.files = Files(self.database, settings.folder / "files")
        self.artifacts = Artifacts(self.database, self.files)
        self.sweeps = Sweeps(self.database)
        self.sessions = Sessions(self.database)
        self.verdicts = Verdicts(self.database)
        self.care = Care(self.database, self.artifacts)
        self.deletion = Deletion(self.database, self.files, self.artifacts, self.care.wake)

    def close(self) -> None:
        """Let others have the folder."""
        self.care.end()
        self.database.close()
