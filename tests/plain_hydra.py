"""Composes with Hydra alone, without anything of gonogo between; run as a script by test_compose.py."""

import json
import sys

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException


def compose(request):
    version.setbase(request["version_base"])
    loader = ConfigLoaderImpl(config_search_path=create_config_search_path(request["folder"]))
    try:
        config = loader.load_configuration(request["config_name"], request["overrides"], RunMode.RUN, from_shell=False)
    except Exception as error:
        return {"error": type(error).__name__, "first_line": str(error).strip().splitlines()[:1]}
    choices = OmegaConf.to_container(config.hydra.runtime.choices, resolve=False)
    chdir = config.hydra.job.chdir
    seen = {}
    for section, key in (("run", "dir"), ("job", "name")):
        text = config.hydra[section]._get_node(key)._value()
        if "${" in str(text):
            try:
                seen[key] = [text, config.hydra[section][key]]
            except OmegaConfBaseException:
                seen[key] = [text, None]
    with open_dict(config):
        config.pop("hydra")
    return {
        "config": OmegaConf.to_container(config, resolve=False),
        "choices": {key: value for key, value in choices.items() if not key.startswith("hydra/")},
        "chdir": chdir,
        "seen": seen,
    }


def prepare():
    assert yaml.SafeLoader.__module__.startswith("yaml"), "this must be PyYAML's own"
    version.setbase("1.1")
    setup_globals()
    BaseContainer._resolvers.clear()


def main():
    prepare()
    print(json.dumps([compose(request) for request in json.load(sys.stdin)]))


def serve():
    """Answer a list of requests a line, until standard input ends."""
    prepare()
    for line in sys.stdin:
        print(json.dumps([compose(request) for request in json.loads(line)]), flush=True)


if __name__ == "__main__":
    main()
