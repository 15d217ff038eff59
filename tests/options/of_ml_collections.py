"""Programs whose config is a `ConfigDict` of ml_collections, also behind a flag that names its file."""

IMPORTS = ["ml_collections", "ml_collections.config_flags", "absl.app", "absl.flags"]
NEEDS = "ml_collections"
HEAD = """import copy
import ml_collections
from ml_collections import config_dict, ConfigDict, FrozenConfigDict


def get_config():
    config = ml_collections.ConfigDict()
    config.seed = 1
    config.model = model = ml_collections.ConfigDict()
    model.name = "resnet"
    config.train = {"lr": 0.1}
    config.note = config_dict.placeholder(str)
    return config


config = get_config()
"""
CONFIG = HEAD.partition("\n\nconfig = get_config()")[0] + "\n"
WITH_ARGUMENT = "import ml_collections\n\n\ndef get_config(kind):\n    config = ml_collections.ConfigDict()\n    config.kind = kind\n    if kind == 'big':\n        config.size = 9\n    return config\n"
FLAGS = """from absl import app, flags
from ml_collections import config_flags

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", "configs/default.py")


def main(_):
    config = FLAGS.config
    {body}


if __name__ == "__main__":
    app.run(main)
"""


def flags(body: str, **more: str) -> dict[str, str]:
    """A program with a flag for the file of its config."""
    program = FLAGS.replace("{body}", body.replace("\n", "\n    "))
    return {
        "train.py": program.replace("default.py", more.get("file", "default.py")),
        "configs/default.py": CONFIG,
        "configs/sized.py": WITH_ARGUMENT,
    }


RIGHT = {
    "plain": HEAD + "print(config.seed, config.model.name, config.train.lr, config.note)\n",
    "item": HEAD + "print(config['seed'], config['model']['name'])\n",
    "methods": HEAD + "print(config.to_dict(), config.items(), config.get('rate', 1), config.is_locked, config.get_ref('seed'))\n",
    "in": HEAD + "if 'rate' in config:\n    print(config.rate)\n",
    "hasattr": HEAD + "if hasattr(config, 'rate'):\n    print(config.rate)\n",
    "getattr": HEAD + "print(getattr(config, 'rate', 1))\n",
    "set": HEAD + "config.rate = 1\nprint(config.rate)\n",
    "updated": HEAD + "config.update({'model': {'depth': 1}})\nprint(config.model.name, config.model.depth)\n",
    "unlocked": HEAD + "config.lock()\nwith config.unlocked():\n    config.rate = 1\nprint(config.rate)\n",
    "unlocked by hand": HEAD + "config.lock()\nconfig.unlock()\nconfig.rate = 1\nprint(config.rate)\n",
    "set while locked": HEAD + "config.lock()\nconfig.seed = 3\nprint(config.seed)\n",
    "of a dict": "from ml_collections import ConfigDict\n\nconfig = ConfigDict({'a': {'b': 1}})\nprint(config.a.b)\n",
    "created": "from ml_collections import config_dict\n\nconfig = config_dict.create(a=1)\nprint(config.a)\n",
    "frozen": HEAD + "print(FrozenConfigDict(config).seed)\n",
    "copied": HEAD + "other = ConfigDict(config)\nother.rate = 1\nprint(other.rate)\nprint(copy.deepcopy(config).seed)\n",
    "unpacked": HEAD + "print(dict(**config.train)['lr'])\n",
    "not this one": HEAD + "if config.model.name == 'vit':\n    print(config.model.heads)\n",
    "by a flag": flags("print(config.seed, config.model.name)"),
    "by a flag, in a function": flags("def train(config):\n    return config.train.lr\nprint(train(config))"),
    "by a flag, set": flags("with config.unlocked():\n    config.steps = 3\nprint(config.steps)"),
    "by a flag, not locked": {
        **flags("config.steps = 3\nprint(config.steps)"),
        "train.py": FLAGS.replace('default.py"', 'default.py", lock_config=False').replace("{body}", "config.steps = 3\n    print(config.steps)"),
    },
    "by a flag, with an argument": flags("print(config.size)", file="sized.py:big"),
}  # fmt: skip
WRONG = {
    "plain": HEAD + "print(config.rate)\n",
    "nested": HEAD + "print(config.model.depth)\n",
    "nested dict": HEAD + "print(config.train.rate)\n",
    "item": HEAD + "print(config['rate'])\n",
    "alias": HEAD + "model = config.model\nprint(model.depth)\n",
    "function": HEAD + "def train(config):\n    print(config.steps)\n\n\ntrain(config)\n",
    "class": HEAD + "class Trainer:\n    def __init__(self, config):\n        self.config = config\n\n    def run(self):\n        print(f'{self.config.model.depth}')\n\n\nTrainer(config).run()\n",
    "getattr": HEAD + "print(getattr(config, 'rate'))\n",
    "locked": HEAD + "config.lock()\nconfig.rate = 1\n",
    "locked below": HEAD + "config.lock()\nconfig.model.depth = 1\n",
    "of a dict": "from ml_collections import ConfigDict\n\nconfig = ConfigDict({'a': {'b': 1}})\nprint(config.a.c)\n",
    "created": "from ml_collections import config_dict\n\nconfig = config_dict.create(a=1)\nprint(config.b)\n",
    "copied": HEAD + "print(copy.deepcopy(config).rate)\n",
    "this one": HEAD + "if config.model.name == 'resnet':\n    print(config.model.heads)\n",
    "by a flag": flags("print(config.rate)"),
    "by a flag, in a function": flags("def train(config):\n    return config.train.rate\nprint(train(config))"),
    "by a flag, set": flags("config.steps = 3"),
    "by a flag, with an argument": flags("print(config.extent)", file="sized.py:small"),
}  # fmt: skip
