"""The fixture `wandb_tracker`, for whoever has gonogo installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gonogo.tracker import Tracker


@pytest.fixture
def wandb_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracker]:
    """Provide a fresh tracker.

    What the test starts, and `wandb.Api()` in the test itself, logs to it and reads from it.
    """
    from gonogo.tracker import running

    with running(tmp_path / "tracker") as tracker:
        client = tmp_path / "wandb-client"
        client.mkdir()
        for name, value in tracker.environment(client).items():
            monkeypatch.setenv(name, value)
        yield tracker
