"""Programs that wrap their options in what has keys as attributes: namespaces, `easydict`, classes of their own."""

IMPORTS = ["easydict", "munch", "box", "yaml"]
NEEDS = "easydict"
HEAD = """import argparse
import copy
import json
from types import SimpleNamespace

import yaml
from easydict import EasyDict as edict
from munch import Munch, munchify
from box import Box


class AttrDict(dict):
    def __init__(self, *args, **kwargs):
        super(AttrDict, self).__init__(*args, **kwargs)
        self.__dict__ = self


class DotDict(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


class Soft(dict):
    __getattr__ = dict.get


class Polite(dict):
    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)


def to_namespace(config):
    namespace = argparse.Namespace()
    for key, value in config.items():
        setattr(namespace, key, to_namespace(value) if isinstance(value, dict) else value)
    return namespace


parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
"""
#: How the options are wrapped.
WRAPS = {
    "easydict": "cfg = edict(vars(args))\n",
    "easydict of literals": "cfg = edict({'lr': 0.1, 'epochs': 3})\n",
    "easydict of keywords": "cfg = edict(lr=0.1, epochs=3)\n",
    "easydict filled": "cfg = edict()\ncfg.lr = 0.1\ncfg['epochs'] = 3\n",
    "munch": "cfg = Munch(vars(args))\n",
    "munchify": "cfg = munchify({'lr': 0.1, 'epochs': 3})\n",
    "box": "cfg = Box(vars(args))\n",
    "namespace": "cfg = SimpleNamespace(**vars(args))\n",
    "namespace of argparse": "cfg = argparse.Namespace(lr=0.1, epochs=3)\n",
    "own": "cfg = AttrDict(vars(args))\n",
    "own, keywords": "cfg = DotDict(lr=0.1, epochs=3)\n",
    "own, polite": "cfg = Polite({'lr': 0.1, 'epochs': 3})\n",
    "filled in a loop": "cfg = to_namespace({'lr': 0.1, 'epochs': 3})\n",
    "updated": "cfg = edict()\ncfg.update(vars(args))\n",
}
READS = {
    "read": "print(cfg.{})\n",
    "in a function": "def train(config):\n    for _ in range(config.epochs):\n        print(config.{})\n\n\ntrain(cfg)\n",
}
SECTIONS = {
    "easydict": "cfg = edict({'model': {'width': 1}})\n",
    "munchify": "cfg = munchify({'model': {'width': 1}})\n",
    "box": "cfg = Box({'model': {'width': 1}})\n",
    "set as a dict": "cfg = edict()\ncfg.model = {'width': 1}\n",
    "section by section": "cfg = edict()\ncfg.model = edict()\ncfg.model.width = 1\n",
    "loop": "cfg = to_namespace({'model': {'width': 1}})\n",
}
FILE = HEAD + "with open('config.yaml') as file:\n    cfg = LOADED\n"
YAML = "lr: 0.1\nmodel:\n  width: 8\nlayers:\n  - size: 3\n"


def of_file(wrap: str, read: str) -> dict[str, str]:
    """A program that wraps what a file says, and the file."""
    return {"train.py": FILE.replace("LOADED", wrap.format("yaml.safe_load(file)")) + read, "config.yaml": YAML}


def after(line: str, wrap: str = WRAPS["easydict"]) -> str:
    """A program with some lines behind the wrapped options."""
    return HEAD + wrap + line + "\n"


RIGHT = {f"{wrap}: {read}": HEAD + WRAPS[wrap] + READS[read].format("lr") for wrap in WRAPS for read in READS}
RIGHT |= {f"{wrap}: a section": HEAD + SECTIONS[wrap] + "print(cfg.model.width)\n" for wrap in SECTIONS}
RIGHT |= {
    "hasattr": after("if hasattr(cfg, 'rate'):\n    print(cfg.rate)"),
    "in": after("if 'rate' in cfg:\n    print(cfg.rate)"),
    "get": after("print(cfg.get('rate', 1))"),
    "getattr": after("print(getattr(cfg, 'rate', 1))"),
    "set": after("cfg.rate = 1\nprint(cfg.rate)"),
    "set by name": after("for name in ('rate', 'decay'):\n    setattr(cfg, name, 1)\nprint(cfg.rate)"),
    "set through vars": after("vars(cfg)['rate'] = 1\nprint(cfg.rate)", WRAPS["namespace"]),
    "updated by dict": after("cfg.__dict__.update({'rate': 1})\nprint(cfg.rate)", WRAPS["namespace"]),
    "another dict": after("cfg.__dict__ = {'rate': 1}\nprint(cfg.rate)", WRAPS["namespace of argparse"]),
    "default": after("print(cfg.setdefault('rate', 1), cfg.rate)"),
    "try": after("try:\n    print(cfg.rate)\nexcept AttributeError:\n    print(1)"),
    "soft": after("print(cfg.rate)", "cfg = Soft(vars(args))\n"),
    "given to the parser": HEAD + "cfg = argparse.Namespace()\nparser.parse_args([], namespace=cfg)\nprint(cfg.lr)\n",
    "what a namespace has": after("print(cfg._get_kwargs(), cfg.__class__, 'lr' in cfg)", WRAPS["namespace of argparse"]),
    "copied": after("cfg = copy.deepcopy(cfg)\ncfg.rate = 1\nprint(cfg.rate)"),
    "unpacked": after("print(edict(**cfg, rate=1).rate)"),
    "text": after("cfg = edict(json.loads(json.dumps({'rate': 1})))\nprint(cfg.rate)"),
    "from a file": of_file("edict({})", "print(cfg.lr, cfg.model.width, cfg['model']['width'])\n"),
    "list of a file": of_file("edict({})", "print(cfg.layers[0].size)\n"),
    "own, of a file": of_file("AttrDict({})", "print(cfg.lr, cfg.model['width'])\n"),
    "set on a file's": of_file("edict({})", "cfg.rate = 1\nprint(cfg.rate)\n"),
    "loop over a file": of_file("to_namespace({})", "print(cfg.lr, cfg.model.width)\n"),
    "names of a dict": of_file("edict({})", "print(cfg.keys(), cfg.items(), cfg.get('rate'))\n"),
    "namespace of a file": of_file("SimpleNamespace(**{})", "print(cfg.lr, cfg.model['width'])\n"),
}  # fmt: skip
WRONG = {f"{wrap}: {read}": HEAD + WRAPS[wrap] + READS[read].format("rate") for wrap in WRAPS for read in READS}
WRONG |= {f"{wrap}: a section": HEAD + SECTIONS[wrap] + "print(cfg.model.depth)\n" for wrap in SECTIONS}
WRONG |= {
    "item": after("print(cfg['rate'])"),
    "getattr": after("print(getattr(cfg, 'rate'))"),
    "f-string": after("print(f'{cfg.rate}')"),
    "alias": after("config = cfg\nprint(config.rate)"),
    "copied": after("print(copy.deepcopy(cfg).rate)"),
    "class": after("class Trainer:\n    def __init__(self, cfg):\n        self.cfg = cfg\n\n    def run(self):\n        print(self.cfg.rate)\n\n\nTrainer(cfg).run()"),
    "unpacked": after("print(edict(**cfg, rate=1).rat)"),
    "from a file": of_file("edict({})", "print(cfg.rate)\n"),
    "section of a file": of_file("edict({})", "print(cfg.model.depth)\n"),
    "own, of a file": of_file("AttrDict({})", "print(cfg.rate)\n"),
    "loop over a file": of_file("to_namespace({})", "print(cfg.model.depth)\n"),
    "namespace of a file": of_file("SimpleNamespace(**{})", "print(cfg.rate)\n"),
}  # fmt: skip
