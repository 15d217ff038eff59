"""Programs whose settings stand in files of YAML, JSON or TOML."""

IMPORTS = ["yaml", "json", "tomllib", "torch"]
NEEDS = "torch"  # some programs make an optimizer
YAML = "seed: 1\nmodel:\n  name: resnet\n  width: 64\ntrain:\n  lr: 1.0e-3\n  steps: [1, 2]\n  warmup:\n"
JSON = '{"seed": 1, "model": {"name": "resnet", "width": 64}, "train": {"lr": 0.1, "steps": [1, 2]}}'
TOML = 'seed = 1\n[model]\nname = "resnet"\nwidth = 64\n[train]\nlr = 0.1\nsteps = [1, 2]\n'
FILES = {"configs/a.yaml": YAML, "configs/b.yaml": "model:\n  width: 8\n", "config.json": JSON, "settings.toml": TOML}

LOAD = "import yaml\n\nwith open('configs/a.yaml') as file:\n    config = yaml.safe_load(file)\n"
OPTION = """import argparse
import yaml

parser = argparse.ArgumentParser()
parser.add_argument("--config", default="configs/a.yaml")
args = parser.parse_args()
config = yaml.load(open(args.config), Loader=yaml.SafeLoader)
"""
LOADS = {
    "yaml": LOAD,
    "yaml of an option": OPTION,
    "yaml text": "import yaml\nfrom pathlib import Path\n\nconfig = yaml.safe_load(Path('configs/a.yaml').read_text())\n",
    "yaml beside the program": "import os\nimport yaml\n\nhere = os.path.dirname(os.path.abspath(__file__))\n"
    "with open(os.path.join(here, 'configs', 'a.yaml')) as file:\n    config = yaml.safe_load(file)\n",
    "full": "import yaml\n\nconfig = yaml.full_load(open('configs/a.yaml', 'r'))\n",
    "tried": "import yaml\n\nwith open('configs/a.yaml') as file:\n    try:\n        config = yaml.safe_load(file)\n"
    "    except yaml.YAMLError as error:\n        print(error)\n",
    "missing": "import json\n\ntry:\n    with open('config.json') as file:\n        config = json.load(file)\n"
    "except (FileNotFoundError, json.JSONDecodeError):\n    config = {}\n",
    "json": "import json\n\nwith open('config.json') as file:\n    config = json.load(file)\n",
    "json text": "import json\n\nwith open('config.json') as file:\n    text = file.read()\nconfig = json.loads(text)\n",
    "toml": "import tomllib\n\nwith open('settings.toml', 'rb') as file:\n    config = tomllib.load(file)\n",
    "function": "import yaml\n\n\ndef load(path):\n    with open(path, encoding='utf-8') as file:\n        return yaml.safe_load(file)\n\n\n"
    "config = load('configs/a.yaml')\n",
    "class": "import yaml\n\n\nclass Config:\n    def __init__(self, path):\n        with open(path) as file:\n            self.data = yaml.safe_load(file)\n\n\n"
    "config = Config(f\"configs/{'a'}.yaml\").data\n",
}
READS = {
    "item": "print(config['model']['{}'])\n",
    "alias": "model = config['model']\nprint(model['{}'])\n",
    "handed on": "def build(settings):\n    return settings['{}']\n\n\nprint(build(config['model']))\n",
    "keyword": "def build(*, model):\n    return [model['{}']]\n\n\nprint(build(model=config['model']))\n",
    "in a class": "class Trainer:\n    def __init__(self, settings):\n        self.settings = settings\n\n    def run(self):\n"
    "        return self.settings['model']['{}']\n\n\nTrainer(config).run()\n",
    "name of the key": "key = '{}'\nprint(config['model'][key])\n",
    "popped": "print(config['model'].pop('{}'))\n",
    "two at once": "name, size = config['model']['name'], config['model']['{}']\nprint(name, size)\n",
}


def program(text: str, **more: str) -> dict[str, str]:
    """A program and the files that it may read."""
    return {"train.py": text, **FILES, **more}


WRONG = {
    f"{load}, {read}": program(LOADS[load] + READS[read].format("depth"))
    for load in LOADS
    for read in READS
    if load in ("yaml", "yaml of an option") or read == "item" or (load, read) == ("function", "in a class")
}
WRONG |= {
    "section": program(LOAD + "print(config['optimizer']['lr'])\n"),
    "spelling": program(LOAD + "print(config['train']['LR'])\n"),
    "one file over another": program(
        "import yaml\n\nconfig = yaml.safe_load(open('configs/a.yaml'))\nconfig.update(yaml.safe_load(open('configs/b.yaml')))\nprint(config['model']['name'])\n"
    ),
    "number": program("import torch\n" + LOAD.replace("a.yaml", "c.yaml") + "torch.optim.SGD([torch.zeros(1)], lr=config['lr'])\n", **{"configs/c.yaml": "lr: 1e-3\n"}),
    "number by place": program(
        "import torch\n" + LOAD.replace("a.yaml", "c.yaml") + "rate = config['lr']\ntorch.optim.Adam([torch.zeros(1)], rate)\n", **{"configs/c.yaml": "lr: 3e4\n"}
    ),
    "decay": program(
        "from torch import optim, zeros\n" + LOAD.replace("a.yaml", "c.yaml") + "optim.AdamW([zeros(1)], lr=0.1, weight_decay=config['decay'])\n",
        **{"configs/c.yaml": "decay: 5e-4\n"},
    ),
}  # fmt: skip
RIGHT = {f"{load}, there": program(text + "print(config['model']['width'], config['train']['lr'])\n") for load, text in LOADS.items()}
RIGHT |= {
    "default": program(LOAD + "print(config['model'].get('depth', 2))\n"),
    "asked": program(LOAD + "if 'depth' in config['model']:\n    print(config['model']['depth'])\n"),
    "tried": program(LOAD + "try:\n    print(config['model']['depth'])\nexcept KeyError:\n    print(2)\n"),
    "set": program(LOAD + "config['model']['depth'] = 2\nprint(config['model']['depth'])\n"),
    "set by default": program(LOAD + "config['model'].setdefault('depth', 2)\nprint(config['model']['depth'])\n"),
    "updated": program(LOAD + "config['model'].update({'depth': 2})\nprint(config['model']['depth'])\n"),
    "updated by unknown": program("import os\n" + LOAD + "config['model'].update(os.environ, depth=1)\nprint(config['model']['depth'])\n"),
    "merged": program(LOAD + "config = {'depth': 2, **config['model']}\nprint(config['depth'])\n"),
    "union": program(LOAD + "defaults = {'depth': 2}\nprint((defaults | config['model'])['depth'])\n"),
    "defaults": program("from collections import defaultdict\n" + LOAD + "model = defaultdict(int, config['model'])\nprint(model['depth'])\n"),
    "chain": program("from collections import ChainMap\n" + LOAD + "print(ChainMap(config['model'], {'depth': 2})['depth'])\n"),
    "class with defaults": program(
        LOAD + "class Config(dict):\n    def __missing__(self, key):\n        return 0\n\n\nprint(Config(config['model'])['depth'])\n"
    ),
    "written before": program(
        "import yaml\n\nwith open('configs/a.yaml', 'w') as file:\n    yaml.dump({'model': {'depth': 2}}, file)\n"
        "config = yaml.safe_load(open('configs/a.yaml'))\nprint(config['model']['depth'])\n"
    ),
    "written by its name": program(
        "import json\nfrom pathlib import Path\n\nout = Path('.')\n(out / 'config.json').write_text(json.dumps({'model': {'depth': 2}}))\n"
        "config = json.loads(Path('config.json').read_text())\nprint(config['model']['depth'])\n"
    ),
    "other branch": program(LOAD + "if config['model']['name'] == 'vit':\n    print(config['model']['depth'])\n"),
    "other branch by an option": program(
        OPTION.replace("args =", "parser.add_argument('--deep', action='store_true')\nargs =") + "if args.deep:\n    print(config['model']['depth'])\n"
    ),
    "null": program(LOAD + "print(config['train']['warmup'] or 3)\n"),
    "list": program(LOAD + "print(config['train']['steps'][1])\n"),
    "loop": program(LOAD + "for name in ('name', 'width'):\n    print(config['model'][name])\n"),
    "absent loop": program(LOAD + "for name in config['model']:\n    print(config['model'][name])\n"),
    "chosen file": program(
        "import os\nimport yaml\n\nname = 'b' if os.environ.get('NO_SUCH') else 'a'\nconfig = yaml.safe_load(open(f'configs/{name}.yaml'))\nprint(config['model']['name'])\n"
    ),
    "number with a dot": program("import torch\n" + LOAD + "torch.optim.SGD([torch.zeros(1)], lr=config['train']['lr'])\n"),
    "number made": program(
        "import torch\n" + LOAD.replace("a.yaml", "c.yaml") + "torch.optim.SGD([torch.zeros(1)], lr=float(config['lr']))\n", **{"configs/c.yaml": "lr: 1e-3\n"}
    ),
    "number in json": program("import json\nimport torch\n\nconfig = json.load(open('c.json'))\ntorch.optim.SGD([torch.zeros(1)], lr=config['lr'])\n", **{"c.json": '{"lr": 1e-3}'}),
}  # fmt: skip
