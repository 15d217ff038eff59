"""The child process: composes configs with Hydra and answers in JSON, one line a request.

Run as a script, alone: it imports nothing of gonogo, so that it starts as fast as Hydra does and shares no state with the gate.
Every OmegaConf resolver is removed first, `oc.env` included: a config under review can name one, and nothing happens.
"""

from __future__ import annotations

import copy
import json
import re
import resource
import sys
from typing import Any

import yaml

if hasattr(yaml, "CSafeLoader"):
    # OmegaConf derives its loader from yaml.SafeLoader at each load; the C scanner reads the same language ten times faster.
    yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc]

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException, UnsupportedInterpolationType

MEMORY_BYTES = 4 << 30
MAX_DEPTH = 200
NODE_REFERENCE = re.compile(r"\$\{([^${}:]+)\}")


class Loader(ConfigLoaderImpl):
    """Hydra's own loader that merges the same defaults only once: value overrides come after the merge and are applied anew each time."""

    def __init__(self, folder: str) -> None:
        super().__init__(config_search_path=create_config_search_path(folder))
        self._merged: dict[str, DictConfig] = {}

    def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> DictConfig:
        key = repr(defaults)
        if key not in self._merged:
            self._merged[key] = super()._compose_config_from_defaults_list(defaults=defaults, repo=repo)
        return copy.deepcopy(self._merged[key])


def _share_hydra_configs() -> None:
    """Read the configs that ship with Hydra once for all loaders; they are the same for every experiment."""
    from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource as Source

    read, cache = Source.load_config, {}

    def load_config(self: Any, config_path: str) -> Any:
        if not self.path.startswith("hydra."):
            return read(self, config_path)
        key = (self.path, config_path)
        if key not in cache:
            cache[key] = read(self, config_path)
        return copy.deepcopy(cache[key])

    Source.load_config = load_config


def compose(loader: Loader, request: dict[str, Any]) -> dict[str, Any]:
    """Compose one config exactly as `@hydra.main` would for these overrides."""
    version.setbase(request["version_base"])
    try:
        config = loader.load_configuration(request["config_name"], request["overrides"], RunMode.RUN, from_shell=False)
    except (
        HydraException,
        OmegaConfBaseException,
        yaml.YAMLError,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        return {"ok": False, "error": type(error).__name__, "message": _messages(error)}
    choices = dict(OmegaConf.to_container(config.hydra.runtime.choices, resolve=False))  # type: ignore[arg-type]
    hydra = {
        "chdir": config.hydra.job.chdir,
        "choices": {str(key): value for key, value in choices.items() if not str(key).startswith("hydra/")},
    }
    interpolations: list[dict[str, Any]] = []
    for key in ("run.dir", "job.name"):
        node = OmegaConf.select(config.hydra, key.rpartition(".")[0])
        _check_interpolation(node, key.rpartition(".")[2], ["hydra", *key.split(".")], interpolations)
    with_flags = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    for key in with_flags:
        _check_interpolation(config, key, [key], interpolations)
    return {"ok": True, "config": OmegaConf.to_container(with_flags, resolve=False), "interpolations": interpolations, "hydra": hydra}


def _check_interpolation(parent: BaseContainer, key: Any, path: list[Any], found: list[dict[str, Any]]) -> None:
    if len(path) > MAX_DEPTH:
        return
    node = parent._get_node(key)
    if node is None:
        return
    if node._is_interpolation():  # type: ignore[union-attr]
        found.append({"path": [str(part) for part in path], **_resolve(parent, key, str(node._value()))})  # type: ignore[union-attr]
    elif isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        for child in node:
            _check_interpolation(node, child, [*path, child], found)
    elif isinstance(node, ListConfig) and not node._is_none() and not node._is_missing():
        for index in range(len(node)):
            _check_interpolation(node, index, [*path, index], found)


def _resolve(parent: BaseContainer, key: Any, text: str) -> dict[str, Any]:
    """What an interpolation gives: a value, nothing that exists (broken), or what only a resolver could say (unknown)."""
    result: dict[str, Any] = {"text": text, "references": NODE_REFERENCE.findall(text)}
    try:
        value = parent[key]
    except UnsupportedInterpolationType:
        return {**result, "status": "unknown"}
    except InterpolationResolutionError as error:
        status = "unknown" if "Unsupported interpolation type" in str(error) else "broken"
        return {**result, "status": status, "message": str(error).strip().splitlines()[0]}
    except (OmegaConfBaseException, ValueError, TypeError, RecursionError):
        return {**result, "status": "unknown"}
    if isinstance(value, (DictConfig, ListConfig)):
        value = OmegaConf.to_container(value, resolve=False)
    return {**result, "status": "value", "value": value}


def parse(overrides: list[str]) -> list[str | None]:
    """Hydra's complaint about each override's grammar, None where it parses."""
    parser = OverridesParser.create()
    messages: list[str | None] = []
    for text in overrides:
        try:
            parser.parse_override(text)
            messages.append(None)
        except (HydraException, ValueError, RecursionError) as error:
            messages.append(_messages(error))
    return messages


def _messages(error: BaseException) -> str:
    """The message of an error and of what caused it, without Hydra's link to its manual."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 4:
        text = (
            ""
            if str(cause) == "None"
            else "\n".join(
                line
                for line in str(cause).splitlines()
                if line.strip() and not line.startswith(("See https", "    full_key", "    object_type", "    reference"))
            )
        )
        if text and not any(text in part for part in parts):
            parts.append(text)
        cause = cause.__cause__
    return "\n".join(parts)


def main() -> None:
    """Answer requests until standard input ends."""
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not end up among the replies
    version.setbase("1.1")
    setup_globals()
    _share_hydra_configs()
    BaseContainer._resolvers.clear()
    parse(["warm=up"])  # the grammar's tables are built at first use
    folder, loader = "", None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "parse":
                reply: Any = parse(request["overrides"])
            else:
                if loader is None or request["folder"] != folder:
                    folder, loader = request["folder"], Loader(request["folder"])
                reply = compose(loader, request)
        except MemoryError:
            reply = {"ok": False, "error": "MemoryError", "message": "composition needs more memory than the gate allows"}
        replies.write(json.dumps(reply, default=str) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
