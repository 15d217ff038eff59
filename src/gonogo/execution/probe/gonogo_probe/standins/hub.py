"""Downloads from the Hugging Face hub.

Weights of timm models are created at random; anything else is reported as missing, at once.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from typing import Any

from .. import channel, events, hooks, places, standins

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
CONFIG = "config.json"
_MISSING = ("LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError")
_TWINS = re.compile(r"(wide_)?resnet\d+(_2)?|resnext\d+_32x\dd")  # networks that timm and torchvision build alike


def start() -> None:
    """Stand in for `huggingface_hub.hf_hub_download` and `snapshot_download`."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # there is no network: what is not in the cache is missed at once, not after minutes
    hooks.when_imported("huggingface_hub.file_download", lambda module: _watch(module, "hf_hub_download", _file))
    hooks.when_imported("huggingface_hub._snapshot_download", lambda module: _watch(module, "snapshot_download", _snapshot))


def _watch(module: Any, name: str, make: Any) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def download(repo_id: str, *more: Any, **named: Any) -> Any:
        try:
            return original(repo_id, *more, **named)
        except Exception as error:
            if type(error).__name__ not in _MISSING:
                raise
            if not places.is_direct(sys._getframe(1)):  # a library asks for many files that need not be there
                _say_network()
                raise
            asked = [repo_id, *(str(value) for value in (*more, named.get("filename")) if isinstance(value, str))]
            is_model = named.get("repo_type") in (None, "model") and not named.get("subfolder")
            made = make(*asked) if is_model else None
            if made is None:
                standins.unreachable("huggingface_hub", "/".join(asked), type(error).__name__)
                raise
        standins.used("huggingface_hub", f"{'/'.join(asked)}: weights at random")
        return made

    setattr(module, name, download)


@functools.cache
def _say_network() -> None:
    channel.emit(events.Hosts(["huggingface.co"]))


def _file(repository: str, filename: str = "", *_: str) -> str | None:
    """The path of a file made up for a repository; None where nothing is known of it."""
    folder = _folder(repository, [filename]) if filename in (*WEIGHTS, CONFIG) else None
    return os.path.join(folder, filename) if folder else None


def _snapshot(repository: str, *_: str) -> str | None:
    return _folder(repository, [CONFIG, *WEIGHTS])


def _folder(repository: str, names: list[str]) -> str | None:
    """Return a folder with the files of a timm repository.

    None where it is no such repository, or can't be made in this environment.
    """
    owner, _, model = repository.partition("/")
    architecture = model.partition(".")[0]
    build = _builder(architecture) if owner == "timm" else None
    if build is None:
        return None

    def make(path: str) -> None:
        os.makedirs(path)
        network = standins.seeded(build)
        for name in names:
            _save(network, architecture, os.path.join(path, name))

    try:
        return standins.made(f"hub-{model}-{'-'.join(names)}", make)
    except ImportError:
        return None


def _builder(architecture: str) -> Any:
    """Return a function that builds an architecture.

    It uses timm, or torchvision where its network has the same parameters. None if neither can.
    """
    try:
        import timm

        if timm.is_model(architecture):
            return lambda: timm.create_model(architecture, pretrained=False)
    except ImportError:
        pass
    if _TWINS.fullmatch(architecture):
        try:
            from torchvision import models
        except ImportError:
            return None
        return getattr(models, architecture, None)
    return None


def _save(network: Any, architecture: str, path: str) -> None:
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    if path.endswith(".json"):
        known = {
            key: value for key, value in getattr(network, "pretrained_cfg", {}).items() if isinstance(value, (str, int, float, list, tuple))
        }
        config = {"architecture": architecture, "num_classes": getattr(network, "num_classes", 1000)}
        config["num_features"] = getattr(network, "num_features", None)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**config, "pretrained_cfg": known}, file)
    elif path.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(weights, path)
    else:
        import torch

        torch.save(weights, path)
