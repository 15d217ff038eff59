"""A Ray cluster: the one that is named, or one on this machine for as long as it is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Ray would start every worker by the `uv run` that started this program, in a copy of the folder: that may take minutes, or hang.
# It reads the variable when it is imported, so all modules take `ray` from here.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
import ray

__all__ = ["connected", "ray"]


@contextmanager
def connected(address: str | None) -> Iterator[dict[str, float]]:
    """Be connected while the block lasts; yields what the cluster has (`CPU`, `GPU`, …).

    Args:
        address: of a running cluster; None starts one here, and ends it.
    """
    own = not ray.is_initialized()
    if own:
        options: dict[str, Any] = {"log_to_driver": False, "include_dashboard": False, "logging_level": "ERROR"}
        ray.init(address=address, **options) if address else ray.init(**options)
    try:
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield there
    finally:
        if own:
            ray.shutdown()
