"""A machine whose only network is a package index of the test's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mechanisms import containment_of
from wheels import DEAD, Index, served

from gonogo.execution import uv
from gonogo.execution.environment import Settings
from gonogo.execution.sandbox import Mechanism
from gonogo.execution.sandbox.choice import try_out


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index, and a machine whose only network is that index."""
    made = Index(tmp_path / "index")
    with served(made) as url:
        for name in [name for name in os.environ if name.startswith("UV_") or name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setenv("HTTPS_PROXY", DEAD)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        # A Python that uv finds at once, whatever else is installed here.
        monkeypatch.setenv("PATH", f"{Path(sys.base_prefix) / 'bin'}:{Path(uv.find()).parent}:/usr/bin:/bin")
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "cache", seconds=60)


@pytest.fixture(params=[pytest.param(0, id="first"), pytest.param(1, id="other", marks=pytest.mark.slow)])
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """The mechanism that a check would take here; the slow tests try the other one, too."""
    usable = [each for each in (Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK) if try_out(each)[0] is not None]
    if len(usable) <= request.param:
        pytest.skip("no mechanism can be used here" if not usable else f"{usable[0]} is the only one that can be used here")
    found = usable[request.param]
    containment_of(found)
    return found
