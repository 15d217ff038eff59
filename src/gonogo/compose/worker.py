"""The child process: composes configs with Hydra and answers in JSON, one line a request.

It imports next to nothing else of gonogo, so that it starts as fast as Hydra does, and shares no state with the gate.
Every OmegaConf resolver is removed first, `oc.env` included: a config under review can name one, and nothing happens.
"""

from __future__ import annotations

import gc
import json
import re
import resource
import signal
import sys
from itertools import islice
from typing import Any

import yaml
from hydra import version
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.base import UnionNode
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException, UnsupportedInterpolationType

from gonogo.compose.loader import Loader, RefusedError
from gonogo.compose.patches import install
from gonogo.compose.project import ProjectLoader
from gonogo.documents.limits import LimitError

MEMORY_BYTES = 4 << 30
MAX_DEPTH = 200
MOST_SWEPT = 64
NODE_REFERENCE = re.compile(r"\$\{([^${}:]+)\}")
RESOLVERS_ONLY = re.compile(r"(?:[^$\\]*\$\{[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[^${}\\'\"]*\})+[^$\\]*")
# What Hydra and OmegaConf raise on a config they can't use; anything else is a fault of the gate, not of the config.
COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    yaml.YAMLError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
)


def compose(loader: Loader, request: dict[str, Any]) -> dict[str, Any]:
    """Compose one config exactly as `@hydra.main` would for these overrides."""
    try:
        config = loader.load(request["config_name"], request["overrides"], request["version_base"])
    except COMPOSITION_ERRORS as error:
        return {"ok": False, "error": type(error).__name__, "message": _messages(error), "unsure": _unsure(loader)}
    hydra = {
        "chdir": _chdir(config),
        "sweeper": _swept(config) if isinstance(loader, ProjectLoader) else [],
        "choices": {str(key): name for key, name in loader.choices(config).items() if not str(key).startswith("hydra/")},
    }
    interpolations: list[dict[str, Any]] = []
    for section, key in (("run", "dir"), ("job", "name")):
        node = config.hydra._get_node(section)
        if isinstance(node, DictConfig) and isinstance(node._value(), dict):
            _unfold(node, key, node._get_node(key), ["hydra", section, key], interpolations)
    nodes = {name: node for name, node in config.__dict__["_content"].items() if name != "hydra"}
    plain = {name: _unfold(config, name, node, [name], interpolations) for name, node in nodes.items()}
    sources = loader.sources() if isinstance(loader, ProjectLoader) else []
    return {"ok": True, "config": plain, "interpolations": interpolations, "hydra": hydra, "sources": sources, "unsure": _unsure(loader)}


def _swept(config: DictConfig) -> list[str]:
    """The keys that the sweeper's own settings set, `*` where they may set any."""
    sweeper = config.hydra._get_node("sweeper")
    plain = OmegaConf.to_container(sweeper, resolve=False) if isinstance(sweeper, DictConfig) and not sweeper._is_none() else None
    if not isinstance(plain, dict):
        return []
    params = plain.get("params")
    names = [str(key).lstrip("+") for key in params] if isinstance(params, dict) else []
    return names + (["*"] if any(plain.get(key) for key in ("custom_search_space", "ax_config", "parametrization")) else [])


def _unsure(loader: Loader) -> str:
    return loader.unsure if isinstance(loader, ProjectLoader) else ""


def _chdir(config: DictConfig) -> bool | None:
    """`hydra.job.chdir`; None if it is not set, or only a resolver could say."""
    try:
        value: bool | None = config.hydra.job.chdir
    except OmegaConfBaseException:
        return None
    return value


def _unfold(parent: BaseContainer, key: Any, node: Any, path: list[Any], found: list[dict[str, Any]]) -> Any:
    """Return the plain value of `node`, which `parent` has under `key`.

    Interpolations in it stay as written, and are added to `found`.
    """
    content = node._value() if node is not None else None
    if isinstance(content, UnionNode):
        content = content._value()
    if len(path) > MAX_DEPTH:
        return None if isinstance(content, (dict, list)) else content
    if isinstance(content, dict):
        return {name: _unfold(node, name, child, [*path, name], found) for name, child in content.items()}
    if isinstance(content, list):
        return [_unfold(node, index, child, [*path, index], found) for index, child in enumerate(content)]
    if isinstance(content, str) and "${" in content and node._is_interpolation():
        found.append({"path": [str(part) for part in path], **_resolve(parent, key, content)})
    return content


def _resolve(parent: BaseContainer, key: Any, text: str) -> dict[str, Any]:
    """Return what an interpolation resolves to.

    It is a value, nothing that exists (broken), or what only a resolver could say (unknown).
    """
    result: dict[str, Any] = {"text": text, "references": NODE_REFERENCE.findall(text)}
    if RESOLVERS_ONLY.fullmatch(text):  # there are none, so what OmegaConf would say is known
        return {**result, "status": "unknown"}
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


def sweep(overrides: list[str]) -> list[list[str]]:
    """Return the single runs of a multirun.

    They are the very first one, and for each override that sweeps, one for each of its other values.
    """
    parser, values = OverridesParser.create(), []
    for text in overrides:
        try:
            override = parser.parse_override(text)
            swept = override.is_sweep_override() and override.is_discrete_sweep()
            key = override.get_key_element()
            found = [f"{key}={value}" for value in islice(override.sweep_string_iterator(), MOST_SWEPT)] if swept else [text]
        except (HydraException, ValueError, RecursionError):
            found = [text]  # what it names by a pattern, or Hydra's complaint is yet to come
        values.append(found or [text])
    first = [each[0] for each in values]
    others = [[*first[:index], value, *first[index + 1 :]] for index, each in enumerate(values) for value in each[1:]]
    return [first, *others][:MOST_SWEPT]


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


def answer(request: dict[str, Any], loaders: dict[str, Loader]) -> Any:
    """The reply to one request; `loaders` holds the loader of the last folder asked for."""
    try:
        if request["do"] == "parse":
            return parse(request["overrides"])
        if request["do"] == "sweep":
            return sweep(request["overrides"])
        folder, project = request["folder"], request.get("project")
        key = json.dumps([folder, project])
        if key not in loaders:
            loaders.clear()
            loaders[key] = ProjectLoader(folder, **project) if project is not None else Loader(folder)
        return compose(loaders[key], request)
    except MemoryError:
        loaders.clear()
        return {"failed": "composition needs more memory than the gate allows"}
    except LimitError as error:
        return {"failed": f"a config file is beyond what is composed: {error}"}
    except RefusedError as error:
        return {"failed": str(error)}
    except Exception as error:  # not the config's fault as far as we know: nothing may be concluded from it
        loaders.clear()
        return {"failed": f"composition failed in a way that says nothing about the config ({type(error).__name__}: {error})"}


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gate's to handle; it ends this process when it is done
    patience = int(float(sys.argv[1])) + 5 if len(sys.argv) > 1 else 0
    if sys.platform != "darwin":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    replies, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints must not end up among the replies
    version.setbase("1.1")
    setup_globals()
    install()
    BaseContainer._resolvers.clear()
    parse(["warm=up"])  # the grammar's tables are built at first use
    gc.freeze()  # what is imported stays: no collection need look at it again
    gc.set_threshold(50_000, 20, 50)  # a config is many small objects
    loaders: dict[str, Loader] = {}
    for line in sys.stdin:
        signal.alarm(patience)  # if the gate was killed meanwhile, nobody else would stop this process
        reply = answer(json.loads(line), loaders)
        replies.write(json.dumps(reply, default=str) + "\n")
        replies.flush()
        signal.alarm(0)


if __name__ == "__main__":
    main()
