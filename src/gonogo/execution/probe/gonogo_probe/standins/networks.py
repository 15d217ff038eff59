"""Pretrained networks of timm and torchvision: the true architecture, with weights at random."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from typing import Any

from .. import hooks, places, standins

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
_HUB = re.compile(r"^hf[-_]hub:(?:timm/)?([^/]+)$")
VISION = "pytorch/vision"
_WITHOUT: dict[str, Any] = {"weights_backbone": None, "aux_loss": True}  # as a network is built that gets its weights as a whole


def start() -> None:
    """Stand in for `timm.create_model`, torchvision's weights and `torch.hub`."""
    hooks.when_imported("timm", _watch_timm)
    hooks.when_imported("torchvision.models._api", _watch_weights)
    hooks.when_imported("torch.hub", _watch_hub)


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
        try:
            return original(model_name, pretrained, *more, **named)
        except Exception as error:
            name = _HUB.sub(r"\1", str(model_name))
            if not _is_gone(error):
                raise
            if not timm.is_model(name.partition(".")[0]):
                standins.unreachable("timm.create_model", model_name, f"{type(error).__name__}: {error}")
                raise
        if not pretrained:  # the hub was asked for the architecture only
            return original(name, False, *more, **named)
        named.pop("pretrained_cfg", None)
        model = standins.seeded(lambda: original(name, False, *more, **named))
        standins.used("timm.create_model", f"{model_name}: weights at random")
        return model

    timm.create_model = timm.models.create_model = create_model
    factory = sys.modules.get("timm.models._factory")
    if factory is not None:
        factory.create_model = create_model  # type: ignore[attr-defined]


def _watch_weights(module: Any) -> None:
    original = module.WeightsEnum.get_state_dict

    @functools.wraps(original)
    def get_state_dict(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return original(self, *arguments, **named)
        except Exception as error:
            if not _is_gone(error):
                raise
            shown = f"{type(self).__name__}.{self.name}"
            made = _weights(module, self)
            if made is None:
                standins.unreachable("torchvision.models", shown, f"{type(error).__name__}: {error}")
                raise
        standins.used("torchvision.models", f"{shown}: weights at random")
        return made

    module.WeightsEnum.get_state_dict = get_state_dict


def _weights(api: Any, entry: Any) -> Any:
    """Weights for an entry of torchvision's lists, None where its network can't be built."""
    name = next((name for name in api.list_models() if api.get_model_weights(name) is type(entry)), None)
    if name is None:
        return None
    builder = api.get_model_builder(name)
    settings = {key: value for key, value in _WITHOUT.items() if key in inspect.signature(builder).parameters}
    if entry.meta.get("categories"):
        settings["num_classes"] = len(entry.meta["categories"])
    return standins.seeded(lambda: builder(weights=None, **settings)).state_dict()


def _weights_of(url: str) -> Any:
    """Weights for an address of torchvision's, None for any other."""
    if "download.pytorch.org/models" not in url:
        return None
    try:
        from torchvision.models import _api
    except ImportError:
        return None
    file = url.rpartition("/")[2]
    for name in _api.list_models():
        for entry in _api.get_model_weights(name):
            if entry.url.rpartition("/")[2] == file:
                return _weights(_api, entry)
    name = file.partition("-")[0]  # a file that newer versions do not list
    return standins.seeded(lambda: _api.get_model(name, weights=None)).state_dict() if name in _api.list_models() else None


def _watch_hub(module: Any) -> None:
    from_url, load = module.load_state_dict_from_url, module.load

    @functools.wraps(from_url)
    def load_state_dict_from_url(url: str, *arguments: Any, **named: Any) -> Any:
        try:
            return from_url(url, *arguments, **named)
        except Exception as error:
            if not _is_gone(error):
                raise
            is_asked = places.is_direct(sys._getframe(1))  # a library that asks has a stand-in of its own, or says so itself
            made = _weights_of(url) if is_asked else None
            if made is None:
                if is_asked:
                    standins.unreachable("torch.hub", url, f"{type(error).__name__}: {error}")
                raise
        standins.used("torch.hub", f"{url.rpartition('/')[2]}: weights at random")
        return made

    @functools.wraps(load)
    def load_model(repo_or_dir: Any, model: str, *arguments: Any, **named: Any) -> Any:
        try:
            return load(repo_or_dir, model, *arguments, **named)
        except Exception as error:
            if not (_is_gone(error) or "internet connection" in str(error)) or named.get("source", "github") != "github":
                raise
            if str(repo_or_dir).partition(":")[0] != VISION:
                standins.unreachable("torch.hub", f"{repo_or_dir} {model}", f"{type(error).__name__}: {error}")
                raise
        import torchvision

        own = ("source", "force_reload", "trust_repo", "verbose", "skip_validation")
        return getattr(torchvision.models, model)(*arguments, **{key: value for key, value in named.items() if key not in own})

    module.load_state_dict_from_url, module.load = load_state_dict_from_url, load_model
