"""Programs whose options are namespaces in namespaces: `jsonargparse`."""

IMPORTS = ["jsonargparse"]
NEEDS = "jsonargparse"
HEAD = """from dataclasses import dataclass
from jsonargparse import CLI, ActionConfigFile, ArgumentParser, auto_cli


@dataclass
class Data:
    root: str = "."
    rows: int = 8


class Model:
    def __init__(self, width: int = 1, name: str = "resnet"):
        self.width = width


class Deep(Model):
    def __init__(self, depth: int = 1, **kwargs):
        super().__init__(**kwargs)


def build(steps: int = 3, rate: float = 0.1):
    return steps


parser = ArgumentParser()
parser.add_argument("--config", action=ActionConfigFile)
parser.add_argument("--train.lr", type=float, default=0.1)
parser.add_argument("--max-epochs", type=int, default=1)
parser.add_class_arguments(Model, "model")
parser.add_class_arguments(Deep, "deep")
parser.add_function_arguments(build, "build")
parser.add_argument("--data", type=Data, default=Data())
"""
PARSED = HEAD + "cfg = parser.parse_args()\n"

RIGHT = {
    "plain": PARSED + "print(cfg.max_epochs, cfg.train.lr, cfg.config)\n",
    "item": PARSED + "print(cfg['train.lr'], cfg['model']['width'])\n",
    "classes": PARSED + "print(cfg.model.width, cfg.deep.depth, cfg.deep.width, cfg.data.rows, cfg.build.steps)\n",
    "instantiated": PARSED + "made = parser.instantiate_classes(cfg)\nprint(made.model.width)\n",
    "methods": PARSED + "print(cfg.as_dict(), cfg.get('rate'), cfg.get('train.rate'), 'train.rate' in cfg, cfg.clone().max_epochs)\n",
    "hasattr": PARSED + "if hasattr(cfg, 'rate'):\n    print(cfg.rate)\n",
    "getattr": PARSED + "print(getattr(cfg, 'rate', 1))\n",
    "set": PARSED + "cfg.rate = 1\nprint(cfg.rate)\n",
    "a group": HEAD + "group = parser.add_argument_group('more')\ngroup.add_argument('--size', type=int, default=1)\nprint(parser.parse_args().size)\n",
    "more arguments": HEAD + "def more(parser):\n    parser.add_argument('--size', type=int, default=1)\n\n\nmore(parser)\nprint(parser.parse_args().size)\n",
    "function": HEAD + "def main(lr: float = 0.1):\n    print(lr)\n\n\nCLI(main)\n",
    "function by its new name": HEAD + "def main(data: Data = Data()):\n    print(data.rows)\n\n\nauto_cli(main)\n",
    "from a text": HEAD + "print(parser.parse_object({'max_epochs': 3}).max_epochs)\n",
}  # fmt: skip
WRONG = {
    "plain": PARSED + "print(cfg.epochs)\n",
    "nested": PARSED + "print(cfg.train.rate)\n",
    "without its section": PARSED + "print(cfg.lr)\n",
    "class": PARSED + "print(cfg.model.depth)\n",
    "dataclass": PARSED + "print(cfg.data.folder)\n",
    "function arguments": PARSED + "print(cfg.build.epochs)\n",
    "item": PARSED + "print(cfg['train.rate'])\n",
    "alias": PARSED + "train = cfg.train\nprint(train.rate)\n",
    "in a function": PARSED + "def run(cfg):\n    print(f'{cfg.train.rate}')\n\n\nrun(cfg)\n",
    "in an object": PARSED + "class Trainer:\n    def __init__(self, cfg):\n        self.cfg = cfg\n\n    def run(self):\n        print(self.cfg.epochs)\n\n\nTrainer(cfg).run()\n",
    "clone": PARSED + "print(cfg.clone().epochs)\n",
    "getattr": PARSED + "print(getattr(cfg, 'epochs'))\n",
    "from a text": HEAD + "print(parser.parse_object({'max_epochs': 3}).epochs)\n",
}  # fmt: skip
