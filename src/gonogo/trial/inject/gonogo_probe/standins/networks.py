"""Pretrained networks of timm and torchvision: the true architecture, with weights at random."""

from __future__ import annotations

import functools
from typing import Any

from gonogo_probe import hooks, standins

SEED = 0
_GONE = (
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "ConnectionError",
    "URLError",
    "HTTPError",
    "gaierror",
    "MaxRetryError",
    "OSError",
)


class Weights(dict):  # type: ignore[type-arg]
    """Weights that can't be had: loading them leaves a network as it is."""


def start() -> None:
    """Stand in for `timm.create_model`, torchvision's weights and `torch.hub.load_state_dict_from_url`."""
    hooks.when_imported("timm", _watch_timm)
    hooks.when_imported("torchvision.models._api", _watch_weights)
    hooks.when_imported("torch.hub", _watch_hub)
    hooks.when_imported("torch", _watch_loading)


def _is_gone(error: BaseException | None) -> bool:
    while error is not None:
        if type(error).__name__ in _GONE:
            return True
        error = error.__cause__ or error.__context__
    return False


def _watch_timm(timm: Any) -> None:
    original = timm.create_model

    @functools.wraps(original)
    def create_model(model_name: Any, pretrained: bool = False, *more: Any, **named: Any) -> Any:
        if not pretrained:
            return original(model_name, pretrained, *more, **named)
        try:
            return original(model_name, pretrained, *more, **named)
        except Exception as error:
            if not _is_gone(error):
                raise
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = original(model_name, False, *more, **named)
        standins.used("timm.create_model", f"{model_name}: weights at random")
        return model

    timm.create_model = timm.models.create_model = create_model
    factory = getattr(timm.models, "_factory", None)
    if factory is not None:
        factory.create_model = create_model


def _watch_weights(module: Any) -> None:
    original = module.WeightsEnum.get_state_dict

    @functools.wraps(original)
    def get_state_dict(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(self, *arguments, **named)
        except Exception as error:
            if not _is_gone(error):
                raise
        standins.used("torchvision.models", f"{type(self).__name__}.{self.name}: weights at random")
        return Weights()

    module.WeightsEnum.get_state_dict = get_state_dict


def _watch_hub(module: Any) -> None:
    original = module.load_state_dict_from_url

    @functools.wraps(original)
    def load_state_dict_from_url(url: str, *arguments: Any, **named: Any) -> Any:
        try:
            return original(url, *arguments, **named)
        except Exception as error:
            if not _is_gone(error):
                raise
            if "download.pytorch.org/models" in url:
                standins.used("torch.hub", f"{url.rpartition('/')[2]}: weights at random")
                return Weights()
            standins.unreachable("torch.hub", url, f"{type(error).__name__}: {error}")
            raise

    module.load_state_dict_from_url = load_state_dict_from_url


def _watch_loading(torch: Any) -> None:
    original = torch.nn.Module.load_state_dict

    @functools.wraps(original)
    def load_state_dict(self: Any, state_dict: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(state_dict, Weights):
            return original(self, self.state_dict(), *arguments, **named)
        return original(self, state_dict, *arguments, **named)

    torch.nn.Module.load_state_dict = load_state_dict
