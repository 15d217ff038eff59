"""Options that are given as texts or lists and used as numbers: what the gate says is what happens when the program is started with them."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from really_run import exit_codes

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

HEAD = "import argparse\nimport functools\nfrom dataclasses import dataclass\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--size', {}default=10)\n"
PARSED = HEAD + "args = parser.parse_args()\n"
START = "import runpy\nimport sys\n\nsys.argv = ['train.py', '--size', '7']\nrunpy.run_path('train.py', run_name='__main__')\n"

USES = {
    "range": "for epoch in range(args.size):\n    print(epoch)\n",
    "range from a number": "print(list(range(1, args.size)))\n",
    "compared": "if args.size > 3:\n    print(1)\n",
    "compared the other way": "print(0 < args.size)\n",
    "divided": "print(args.size / 2)\n",
    "difference": "print(args.size - 1)\n",
    "sum": "print(1 + args.size)\n",
    "times a fraction": "print(args.size * 0.5)\n",
    "function": "def train(epochs):\n    for epoch in range(epochs):\n        print(epoch)\n\n\ntrain(args.size)\n",
    "keyword": "def train(*, size):\n    return size - 1\n\n\nprint(train(size=args.size))\n",
    "class": "class Trainer:\n    def __init__(self, args):\n        self.epochs = args.size\n\n    def run(self):\n        return [epoch for epoch in range(self.epochs)]\n\n\nTrainer(args).run()\n",
    "dataclass": "@dataclass\nclass Config:\n    size: int\n\n\nprint(Config(size=args.size).size > 1)\n",
    "partial": "def train(size, rate):\n    return size * rate\n\n\nprint(functools.partial(train, args.size)(0.1))\n",
    "f-string": "print(f'{args.size / 2}')\n",
    "alias": "size = vars(args)['size']\nprint(size >= 3)\n",
}  # fmt: skip
KINDS = {"a text": "", "a text by its type": "type=str, ", "a list": "type=int, nargs='+', "}
TAKEN = {
    "converted": PARSED.format("") + "print(int(args.size) / 2)\n",
    "converted where it is read": PARSED.format("") + "args.size = int(args.size)\nprint(args.size > 3)\n",
    "repeated": PARSED.format("") + "print(args.size * 2)\n",
    "shown": PARSED.format("") + "print('%s rows' % args.size, f'{args.size}')\n",
    "equal": PARSED.format("") + "print(args.size == 3)\n",
    "tried": PARSED.format("") + "try:\n    print(args.size / 2)\nexcept TypeError:\n    print('a text')\n",
    "first of a list": PARSED.format("type=int, nargs='+', ") + "size = args.size[0] if isinstance(args.size, list) else args.size\nprint(size / 2)\n",
    "a text is asked for": PARSED.format("") + "if not isinstance(args.size, str):\n    print(args.size / 2)\n",
    "never reached": PARSED.format("") + "def unused():\n    return args.size / 2\n",
    **{f"int, {use}": PARSED.format("type=int, ") + USES[use] for use in USES},
    **{f"float, {use}": PARSED.format("type=float, ") + USES[use] for use in ("compared", "divided", "times a fraction")},
}  # fmt: skip
REFUSED = {f"{kind}, {use}": PARSED.format(KINDS[kind]) + USES[use] for kind in KINDS for use in USES}


@pytest.mark.slow
@pytest.mark.parametrize(("programs", "refused"), [(REFUSED, True), (TAKEN, False)], ids=["refused", "taken"])
def test_the_gate_says_what_happens(programs, refused, composer, tmp_path):
    said = {}
    for name, text in programs.items():
        verdict = check(experiment_of({"train.py": text}), CheckOptions(contract="program", select=("CLI109",)), composer)
        assert not verdict.undecided
        said[name] = len(verdict.findings)
    ends = exit_codes(tmp_path, {name: {"train.py": text, "start.py": START} for name, text in programs.items()}, "start.py")
    assert {name: code != 0 for name, code in ends.items()} == dict.fromkeys(programs, refused)
    assert said == dict.fromkeys(programs, int(refused))


@pytest.mark.parametrize(
    ("more", "readme", "severity"),
    [("", "", "warning"), ("", "python train.py --size 3", "error"), ("type=int, ", "python train.py --size 3", None)],
)
def test_a_command_that_is_documented_is_an_error(more, readme, severity, composer):
    files = {"train.py": PARSED.format(more) + USES["range"], "README.md": f"    {readme}\n"}
    verdict = check(experiment_of(files), CheckOptions(contract="program", select=("CLI109",)), composer)
    assert [finding.severity.value for finding in verdict.findings] == ([] if severity is None else [severity])


BOOL = "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--fast', type={}, default=False)\nargs = parser.parse_args()\nassert not args.fast\n"
BOOL_START = "import runpy\nimport sys\n\nsys.argv = ['train.py', '--fast', 'False']\nrunpy.run_path('train.py', run_name='__main__')\n"


@pytest.mark.parametrize("kind", ["bool", "lambda text: text == 'True'", "eval", "int"])
@pytest.mark.parametrize(
    "readme", ["", "python train.py", "python train.py --fast False", "python train.py --fast=false", "python train.py --fast True"]
)
def test_false_that_is_true(kind, readme, composer, tmp_path):
    files = {"train.py": BOOL.format(kind), "README.md": f"    {readme}\n"}
    verdict = check(experiment_of(files), CheckOptions(contract="program", select=("CLI108",)), composer)
    wrong = kind == "bool"
    assert [finding.severity.value for finding in verdict.findings] == (["error" if "alse" in readme else "warning"] if wrong else [])
    ends = exit_codes(tmp_path, {"it": {**files, "start.py": BOOL_START}}, "start.py")
    assert wrong is (ends["it"] != 0) or kind == "int"  # `int` refuses the word
