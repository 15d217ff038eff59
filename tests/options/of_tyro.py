"""Programs whose options are the fields of a dataclass, nested ones too: `tyro`."""

IMPORTS = ["tyro"]
NEEDS = "tyro"
HEAD = """from dataclasses import asdict, dataclass, field, replace
from functools import partial
import tyro


@dataclass
class Optimizer:
    lr: float = 0.1
    name: str = "sgd"


@dataclass
class Adam(Optimizer):
    beta: float = 0.9


@dataclass
class Config:
    seed: int = 1
    optimizer: Optimizer = field(default_factory=Optimizer)

    @property
    def title(self):
        return f"{self.seed}"


"""
CLI = HEAD + "config = tyro.cli(Config)\n"
PLAIN = HEAD + "config = Config()\nprint(tyro.cli(Config).seed)\n"

RIGHT = {
    "plain": CLI + "print(config.seed, config.title)\n",
    "nested": CLI + "print(config.optimizer.lr)\n",
    "nested, another class": HEAD + "@dataclass\nclass More(Config):\n    optimizer: Optimizer = field(default_factory=Adam)\n\n\nprint(tyro.cli(More).optimizer.beta)\n",
    "nested, a lambda": HEAD + "@dataclass\nclass More(Config):\n    optimizer: Optimizer = field(default_factory=lambda: Adam(beta=0.5))\n\n\nprint(tyro.cli(More).optimizer.beta)\n",
    "a default": HEAD + "config = tyro.cli(Config, default=Config(seed=3))\nprint(config.seed)\n",
    "a function": HEAD + "def main(config: Config) -> None:\n    print(config.seed)\n\n\nprint(tyro.cli(Config).seed)\nmain(Config())\n",
    "replace": CLI + "config = replace(config, seed=2)\nprint(config.seed)\n",
    "set later": CLI + "config.device = 'cpu'\nprint(config.device)\n",
    "hasattr": CLI + "if hasattr(config, 'device'):\n    print(config.device)\n",
    "getattr": CLI + "print(getattr(config.optimizer, 'beta', 0))\n",
    "isinstance": CLI + "if isinstance(config.optimizer, Adam):\n    print(config.optimizer.beta)\n",
    "as a dict": CLI + "print(asdict(config)['optimizer']['lr'])\n",
    "made by hand": PLAIN + "print(config.optimizer.lr)\n",
    "text annotation": HEAD.replace("from dataclasses", "from __future__ import annotations\nfrom dataclasses", 1) + "print(tyro.cli(Config).optimizer.name)\n",
}  # fmt: skip
WRONG = {
    "plain": CLI + "print(config.seeds)\n",
    "nested": CLI + "print(config.optimizer.beta)\n",
    "at the top": CLI + "print(config.lr)\n",
    "a default": HEAD + "config = tyro.cli(Config, default=Config(seed=3))\nprint(config.epochs)\n",
    "replace": CLI + "config = replace(config, seed=2)\nprint(config.epochs)\n",
    "an alias": CLI + "optimizer = config.optimizer\nprint(optimizer.beta)\n",
    "in a function": HEAD + "def train(config):\n    print(config.optimizer.rate)\n\n\ntrain(tyro.cli(Config))\n",
    "in an object": HEAD + "class Trainer:\n    def __init__(self, config):\n        self.config = config\n    def run(self):\n        print(self.config.epochs)\n\n\nTrainer(tyro.cli(Config)).run()\n",
    "partial": HEAD + "def train(config, lr):\n    print(config.epochs)\n\n\npartial(train, tyro.cli(Config))(0.1)\n",
    "made by hand": PLAIN + "print(config.optimizer.beta)\n",
    "f-string": CLI + "print(f'{config.epochs}')\n",
    "nested, another class": HEAD + "@dataclass\nclass More(Config):\n    optimizer: Optimizer = field(default_factory=Adam)\n\n\nprint(tyro.cli(More).optimizer.momentum)\n",
    "getattr": CLI + "print(getattr(config, 'epochs'))\n",
}  # fmt: skip
