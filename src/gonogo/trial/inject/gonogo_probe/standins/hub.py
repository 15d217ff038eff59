"""Downloads from the Hugging Face hub: weights of timm models are made anew, at random; anything else is said not to be there, at once."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

from gonogo_probe import channel, hooks, places, settings, standins

SEED = 0


def start() -> None:
    """Stand in for `huggingface_hub.hf_hub_download` and `snapshot_download`."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # there is no network: what is not in the cache is missed at once, not after minutes
    hooks.when_imported("huggingface_hub.file_download", _watch_download)


def _watch_download(module: Any) -> None:
    original = module.hf_hub_download

    @functools.wraps(original)
    def hf_hub_download(repo_id: str, filename: str, *more: Any, **named: Any) -> Any:
        try:
            return original(repo_id, filename, *more, **named)
        except Exception as error:
            if type(error).__name__ not in ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError"):
                raise
            made = _made(repo_id, filename)
            if made is None:
                if places.is_direct(sys._getframe(1)):
                    standins.unreachable("huggingface_hub", f"{repo_id}/{filename}", type(error).__name__)
                else:  # a library asks for many files that need not be there
                    channel.emit("network", hosts=["huggingface.co"])
                raise
            return made

    module.hf_hub_download = hf_hub_download


def _made(repository: str, filename: str) -> str | None:
    """The path of a file made up for a repository; None where nothing is known of it."""
    owner, _, model = repository.partition("/")
    if owner != "timm" or filename not in ("model.safetensors", "pytorch_model.bin"):
        return None
    path = os.path.join(settings.scratch, "hub", repository, filename)
    if not os.path.exists(path) and not _save_timm(model, path):
        return None
    standins.used("huggingface_hub", f"{repository}/{filename}: weights at random")
    return path


def _save_timm(model: str, path: str) -> bool:
    try:
        import timm
        import torch
    except ImportError:
        return False
    architecture = model.partition(".")[0]
    if not timm.is_model(architecture):
        return False
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        weights = timm.create_model(architecture, pretrained=False).state_dict()
    part = f"{path}.{os.getpid()}.part"
    if path.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, part)
    else:
        torch.save(weights, part)
    os.replace(part, path)
    return True
