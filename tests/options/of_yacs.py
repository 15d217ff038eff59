"""Programs whose config is a `CfgNode` of yacs."""

IMPORTS = ["yacs.config"]
NEEDS = "yacs"
HEAD = """import argparse
import copy
from functools import partial
from yacs.config import CfgNode as CN

_C = CN()
_C.SEED = 1
_C.NOTE = None
_C.MODEL = CN()
_C.MODEL.NAME = "resnet"
_C.MODEL.SIZES = (1, 2)
_C.SOLVER = CN()
_C.SOLVER.LR = 0.1
_C.SOLVER.STEPS = [1, 2]
_C.EXTRA = CN(new_allowed=True)


"""
CLONE = HEAD + "cfg = _C.clone()\n"
GET = HEAD + "def get_cfg_defaults():\n    return _C.clone()\n\n\n"
FILE = CLONE + "cfg.merge_from_file('configs/a.yaml')\ncfg.freeze()\nprint(cfg.MODEL.NAME)\n"


#: A network that a second program makes, which sets a key of its own first.
BUILD = """def build(cfg):
    if cfg.MODEL.NAME == "moby":
        return cfg.SOLVER.ROWS
    return cfg.SOLVER.LR
"""
START = """from build import build

parser = argparse.ArgumentParser()
parser.add_argument("--cfg")
args = parser.parse_args()
if args.cfg:
    cfg.merge_from_file(args.cfg)
"""


def given(yaml: str, program: str = FILE) -> dict[str, str]:
    """A program and the file that it reads."""
    return {"train.py": program, "configs/a.yaml": yaml}


PACKAGE = {
    "config/__init__.py": "from .defaults import _C as cfg\n",
    "config/defaults.py": "from yacs.config import CfgNode as CN\n\n_C = CN()\n_C.MODEL = CN()\n_C.MODEL.NAME = 'resnet'\n_C.OUTPUT = ''\n",
    "models.py": "def build(cfg):\n    return cfg.MODEL.NAME\n",
}

RIGHT = {
    "a key that another program sets": {
        "build.py": BUILD,
        "train.py": CLONE + START + "print(build(cfg))\n",
        "pretrain.py": CLONE + START + "cfg.SOLVER.ROWS = 3\nprint(build(cfg))\n",
    },
    "plain": CLONE + "print(cfg.MODEL.NAME, cfg.SOLVER.LR)\n",
    "items": CLONE + "print(cfg['MODEL']['NAME'], cfg['SEED'])\n",
    "get": CLONE + "print(cfg.get('NAME', 1), cfg.MODEL.get('DEPTH', 3))\n",
    "in": CLONE + "if 'DEPTH' in cfg.MODEL:\n    print(cfg.MODEL.DEPTH)\n",
    "hasattr": CLONE + "if hasattr(cfg.MODEL, 'DEPTH'):\n    print(cfg.MODEL.DEPTH)\n",
    "getattr": CLONE + "print(getattr(cfg.MODEL, 'DEPTH', 3))\n",
    "try": CLONE + "try:\n    print(cfg.MODEL.DEPTH)\nexcept AttributeError:\n    pass\n",
    "added": CLONE + "cfg.MODEL.DEPTH = 3\nprint(cfg.MODEL.DEPTH)\n",
    "added by item": CLONE + "cfg['DEPTH'] = 3\nprint(cfg.DEPTH)\n",
    "added by a function": CLONE + "def add(cfg):\n    cfg.DATA = CN()\n    cfg.DATA.ROOT = '.'\n\n\nadd(cfg)\nprint(cfg.DATA.ROOT)\n",
    "added by update": CLONE + "cfg.update({'DEPTH': 3})\nprint(cfg.DEPTH)\n",
    "added in a loop": CLONE + "for key in ('A', 'B'):\n    setattr(cfg, key, 1)\nprint(cfg.A)\n",
    "methods": CLONE + "cfg.freeze()\nprint(cfg.is_frozen(), cfg.dump(), list(cfg.MODEL.keys()))\n",
    "a dict": HEAD + "cfg = CN({'A': {'B': 1}})\nprint(cfg.A.B)\n",
    "list": CLONE + "cfg.merge_from_list(['SOLVER.LR', 0.2, 'MODEL.NAME', 'vgg'])\nprint(cfg.SOLVER.LR)\n",
    "list, tuple for list": CLONE + "cfg.merge_from_list(['SOLVER.STEPS', '(3, 4)'])\n",
    "words": CLONE + "p = argparse.ArgumentParser()\np.add_argument('opts', nargs='*')\ncfg.merge_from_list(p.parse_args().opts)\nprint(cfg.SEED)\n",
    "package": {**PACKAGE, "train.py": "from config import cfg\nfrom models import build\n\nif __name__ == '__main__':\n    cfg.OUTPUT = 'x'\n    cfg.freeze()\n    print(build(cfg))\n"},
    "file": given("MODEL:\n  NAME: vgg\nSOLVER:\n  LR: 0.2\n"),
    "file, a literal": given("SOLVER:\n  LR: 1e-3\n  STEPS: (1, 3)\n"),
    "file, none": given("NOTE: text\nSEED: null\n"),
    "file, new allowed": given("EXTRA:\n  ANY: 1\n  MORE:\n    X: 2\n"),
    "file, all new allowed": given("DATA:\n  X: 1\n", CLONE + "cfg.set_new_allowed(True)\ncfg.merge_from_file('configs/a.yaml')\nprint(cfg.DATA.X)\n"),
    "file, deprecated": given("OLD: 1\n", CLONE + "cfg.register_deprecated_key('OLD')\ncfg.merge_from_file('configs/a.yaml')\n"),
    "file, caught": given("OLD: 1\n", CLONE + "try:\n    cfg.merge_from_file('configs/a.yaml')\nexcept KeyError:\n    pass\n"),
    "file, added before": given("DATA:\n  X: 1\n", CLONE + "cfg.DATA = CN()\ncfg.DATA.X = 0\ncfg.merge_from_file('configs/a.yaml')\n"),
    "file that decides": given("MODEL:\n  NAME: vgg\n", CLONE + "cfg.merge_from_file('configs/a.yaml')\nif cfg.MODEL.NAME == 'resnet':\n    print(cfg.MODEL.RESNET)\n"),
    "deep copy": HEAD + "cfg = copy.deepcopy(_C)\ncfg.NEW = 1\nprint(cfg.NEW, cfg.MODEL.NAME)\n",
}  # fmt: skip
WRONG = {
    "plain": CLONE + "print(cfg.MODEL.NAM)\n",
    "a section that is not there": CLONE + "print(cfg.DATA.ROOT)\n",
    "in another section": CLONE + "print(cfg.SOLVER.NAME)\n",
    "at the top": CLONE + "print(cfg.NAME)\n",
    "an item": CLONE + "print(cfg['MODEL']['DEPTH'])\n",
    "getattr": CLONE + "print(getattr(cfg.MODEL, 'DEPTH'))\n",
    "in a function": GET + "def train(cfg):\n    for _ in range(cfg.SOLVER.EPOCHS):\n        print(1)\n\n\ntrain(get_cfg_defaults())\n",
    "in an object": GET + "class Trainer:\n    def __init__(self, cfg):\n        self.cfg = cfg\n    def run(self):\n        print(self.cfg.MODEL.DEPTH)\n\n\nTrainer(get_cfg_defaults()).run()\n",
    "partial": GET + "def train(cfg, lr):\n    print(cfg.SOLVER.EPOCHS)\n\n\npartial(train, get_cfg_defaults())(0.1)\n",
    "f-string": CLONE + "print(f'{cfg.MODEL.DEPTH}')\n",
    "an alias": CLONE + "model = cfg.MODEL\nprint(model.DEPTH)\n",
    "after a merge": CLONE + "cfg.merge_from_list(['SEED', 2])\ncfg.freeze()\nprint(cfg.SOLVER.EPOCHS)\n",
    "after words": CLONE + "p = argparse.ArgumentParser()\np.add_argument('opts', nargs='*')\ncfg.merge_from_list(p.parse_args().opts)\nprint(cfg.SEEDS)\n",
    "package": {**PACKAGE, "models.py": "def build(cfg):\n    return cfg.MODEL.DEPTH\n", "train.py": "from config import cfg\nfrom models import build\n\nif __name__ == '__main__':\n    cfg.freeze()\n    print(build(cfg))\n"},
    "a dict": HEAD + "cfg = CN({'A': {'B': 1}})\nprint(cfg.A.C)\n",
    "list": CLONE + "cfg.merge_from_list(['SOLVER.RATE', 0.2])\n",
    "list, type": CLONE + "cfg.merge_from_list(['SOLVER.LR', 'fast'])\n",
    "file, key": given("MODEL:\n  NAM: vgg\n"),
    "file, section": given("DATA:\n  ROOT: .\n"),
    "file, type": given("SEED: 1.5\n"),
    "file, whole number for a fraction": given("SOLVER:\n  LR: 1\n"),
    "file, value for a section": given("MODEL: resnet\n"),
    "file, empty section": given("MODEL:\n"),
    "file, section for a value": given("SEED:\n  A: 1\n"),
    "file, in a function": given("OLD: 1\n", GET + "def main():\n    cfg = get_cfg_defaults()\n    cfg.merge_from_file('configs/a.yaml')\n\n\nmain()\n"),
}  # fmt: skip
