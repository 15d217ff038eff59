"""Choices that an option offers and the program refuses: what the gate says of each is what happens when the program is started with it."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from really_run import exit_codes

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

HEAD = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--net", choices=["small", "large", "huge"], default="small")
parser.add_argument("--depth", type=int, default=2)
"""
PARSED = HEAD + "args = parser.parse_args()\n"
MAIN = '\n\nif __name__ == "__main__":\n    main(parser.parse_args())\n'
START = "import runpy\nimport sys\n\nsys.argv = ['train.py', '--net', 'huge']\nrunpy.run_path('train.py', run_name='__main__')\n"

REFUSES = {
    "else": PARSED
    + "if args.net == 'small':\n    size = 1\nelif args.net == 'large':\n    size = 2\nelse:\n    raise ValueError(args.net)\n",
    "table": PARSED + "print({'small': 1, 'large': 2}[args.net])\n",
    "table by name": PARSED + "SIZES = {'small': 1, 'large': 2}\nsize = SIZES[args.net]\n",
    "assert": PARSED + "assert args.net in ('small', 'large'), args.net\n",
    "not in": PARSED + "if args.net not in ['small', 'large']:\n    raise NotImplementedError(args.net)\n",
    "function": HEAD + "\n\ndef build(name):\n    if name == 'small':\n        return 1\n    if name == 'large':\n        return 2\n"
    "    raise KeyError(name)\n\n\ndef main(args):\n    print(build(args.net))\n" + MAIN,
    "if and else in a function": HEAD
    + "\n\ndef build(net):\n    if net == 'small':\n        return 1\n    elif net == 'large':\n        return 2\n"
    "    else:\n        raise RuntimeError(f'no net {net}')\n\n\ndef main(args):\n    print(build(net=args.net))\n" + MAIN,
    "class": HEAD
    + "\n\nclass Net:\n    def __init__(self, args):\n        if args.net == 'small':\n            self.size = 1\n        elif args.net == 'large':\n"
    "            self.size = 2\n        else:\n            raise ValueError('unknown net')\n\n\ndef main(args):\n    print(Net(args).size)\n"
    + MAIN,
    "lower": PARSED + "if args.net.lower() not in ('small', 'large'):\n    raise ValueError(args.net)\n",
    "prefix": PARSED + "name = args.net\nif name.startswith('s') or name == 'large':\n    size = 1\nelse:\n    raise ValueError(name)\n",
}
TAKES = {
    "all": PARSED
    + "if args.net == 'small':\n    size = 1\nelif args.net in ('large', 'huge'):\n    size = 2\nelse:\n    raise ValueError(args.net)\n",
    "no else": PARSED + "size = 0\nif args.net == 'small':\n    size = 1\nelif args.net == 'large':\n    size = 2\nprint(size)\n",
    "get": PARSED + "print({'small': 1, 'large': 2}.get(args.net, 3))\n",
    "guarded": PARSED + "if args.net != 'huge':\n    print({'small': 1, 'large': 2}[args.net])\n",
    "grown": PARSED + "sizes = {'small': 1, 'large': 2}\nsizes['huge'] = 3\nprint(sizes[args.net])\n",
    "tried": PARSED + "try:\n    print({'small': 1, 'large': 2}[args.net])\nexcept KeyError:\n    print(3)\n",
    "changed": PARSED
    + "args.net = 'large'\nif args.net == 'small':\n    print(1)\nelif args.net != 'large':\n    raise ValueError(args.net)\n",
    "another option": PARSED + "if args.net == 'huge' and args.depth > 3:\n    raise ValueError(args.depth)\n",
    "unknown": PARSED + "import os\nif os.environ.get('STRICT') and args.net == 'huge':\n    raise ValueError(args.net)\n",
    "prefix": PARSED + "if args.net.startswith(('s', 'l', 'h')):\n    print(1)\nelse:\n    raise ValueError(args.net)\n",
    "first letter": PARSED + "print({'s': 1, 'l': 2, 'h': 3}[args.net[0]])\n",
}


@pytest.mark.slow
@pytest.mark.parametrize(("programs", "refused"), [(REFUSES, True), (TAKES, False)], ids=["refuses", "takes"])
def test_the_gate_says_what_happens(programs, refused, composer, tmp_path):
    said = {}
    for name, text in programs.items():
        verdict = check(experiment_of({"train.py": text}), CheckOptions(contract="program", select=("CLI107",)), composer)
        assert not verdict.undecided
        said[name] = [finding.message for finding in verdict.findings]
    ends = exit_codes(tmp_path, {name: {"train.py": text, "start.py": START} for name, text in programs.items()}, "start.py")
    assert {name: code != 0 for name, code in ends.items()} == dict.fromkeys(programs, refused)
    expected = ["`--net` offers 'huge', and the program refuses it"] if refused else []
    assert said == dict.fromkeys(programs, expected)
