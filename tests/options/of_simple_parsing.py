"""Programs whose options are dataclasses, each under a name: `simple_parsing`."""

IMPORTS = ["simple_parsing"]
NEEDS = "simple_parsing"
HEAD = """from dataclasses import asdict, dataclass, field
import simple_parsing
from simple_parsing import ArgumentParser, parse, parse_known_args


@dataclass
class Optimizer:
    lr: float = 0.1


@dataclass
class Config:
    seed: int = 1
    optimizer: Optimizer = field(default_factory=Optimizer)


"""
PARSER = (
    HEAD
    + "parser = ArgumentParser()\nparser.add_arguments(Config, dest='config')\nparser.add_argument('--name', default='x')\nargs = parser.parse_args()\n"
)

RIGHT = {
    "plain": PARSER + "print(args.config.seed, args.name)\n",
    "nested": PARSER + "print(args.config.optimizer.lr)\n",
    "two": HEAD + "parser = ArgumentParser()\nparser.add_arguments(Config, 'config')\nparser.add_arguments(Optimizer, 'extra', prefix='e_')\nargs = parser.parse_args()\nprint(args.config.seed, args.extra.lr)\n",
    "parse": HEAD + "config = parse(Config)\nprint(config.seed, config.optimizer.lr)\n",
    "parse with a default": HEAD + "config = parse(Config, default=Config(seed=3))\nprint(config.seed)\n",
    "rest": HEAD + "config, rest = parse_known_args(Config)\nprint(config.seed, rest)\n",
    "getattr": PARSER + "print(getattr(args, 'epochs', 1))\n",
    "set": PARSER + "args.config.epochs = 1\nprint(args.config.epochs)\n",
    "as a dict": PARSER + "print(asdict(args.config)['optimizer']['lr'])\n",
    "groups": HEAD + "parser = ArgumentParser(description='x')\ngroup = parser.add_argument_group('more')\ngroup.add_argument('--depth', type=int, default=1)\nprint(parser.parse_args().depth)\n",
}  # fmt: skip
WRONG = {
    "plain": PARSER + "print(args.seed)\n",
    "a name": PARSER + "print(args.cfg.seed)\n",
    "a field": PARSER + "print(args.config.epochs)\n",
    "nested": PARSER + "print(args.config.lr)\n",
    "nested deeper": PARSER + "print(args.config.optimizer.rate)\n",
    "parse": HEAD + "config = parse(Config)\nprint(config.epochs)\n",
    "parse by module": HEAD + "config = simple_parsing.parse(config_class=Config)\nprint(config.optimizer.rate)\n",
    "rest": HEAD + "config, rest = parse_known_args(Config)\nprint(config.epochs, rest)\n",
    "function": PARSER + "def train(config):\n    print(config.optimizer.rate)\n\n\ntrain(args.config)\n",
    "class": PARSER + "class Trainer:\n    def __init__(self, args):\n        self.args = args\n\n    def run(self):\n        print(f'{self.args.epochs}')\n\n\nTrainer(args).run()\n",
    "known": HEAD + "parser = ArgumentParser()\nparser.add_arguments(Config, dest='config')\nargs, _ = parser.parse_known_args()\nprint(args.config.epochs)\n",
}  # fmt: skip
