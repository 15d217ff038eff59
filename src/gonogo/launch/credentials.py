"""Whether the runs of a launch could log to W&B: found out before the first of them begins."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gonogo.model.experiment import Experiment

SERVICE = "https://api.wandb.ai"
WITHOUT_SERVER = ("offline", "disabled", "dryrun")


def uses_wandb(experiment: Experiment) -> bool:
    """Whether the code has to do with W&B at all."""
    return any("wandb" in (file.text or "") for file in experiment.with_suffix(".py"))


def has_credentials(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the client would find a key, or needs none.

    It looks at its environment variables, and at the file where `wandb login` puts the key.
    """
    if environment.get("WANDB_MODE", "").strip().lower() in WITHOUT_SERVER:
        return True
    if any(environment.get(name, "").strip() for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")):
        return True
    host = urlsplit(environment.get("WANDB_BASE_URL", "").strip() or SERVICE).hostname or ""
    home = Path(environment.get("HOME") or Path.home())
    named = environment.get("NETRC", "").strip()
    for path in [Path(named).expanduser()] if named else [home / ".netrc", home / "_netrc"]:
        try:
            found = netrc.netrc(str(path)).authenticators(host)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        if found is not None and found[2]:
            return True
    return False
