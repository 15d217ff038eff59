"""Options of `argparse` that are read and not defined: what the gate refuses ends in an AttributeError when the program is run."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from really_run import NO_ATTRIBUTE, exit_codes

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

HEAD = "import argparse\nimport json\nimport sys\nfrom functools import partial\n\n"
PARSER = HEAD + "parser = argparse.ArgumentParser(description='train')\nparser.add_argument('--lr', type=float, default=0.1)\n"
GET = (
    HEAD
    + "def get():\n    parser = argparse.ArgumentParser()\n    parser.add_argument('-b', '--batch-size', type=int, default=8)\n    return parser.parse_args()\n\n"
)

RIGHT = {
    "plain": PARSER + "args = parser.parse_args()\nprint(args.lr)\n",
    "dashes": GET + "print(get().batch_size)\n",
    "short only": PARSER + "parser.add_argument('-b', default=1)\nprint(parser.parse_args().b)\n",
    "dest": PARSER + "parser.add_argument('--no-cuda', dest='cuda', action='store_false')\nprint(parser.parse_args().cuda)\n",
    "positional": PARSER + "parser.add_argument('folder', nargs='?')\nprint(parser.parse_args().folder)\n",
    "boolean": PARSER + "parser.add_argument('--amp', action=argparse.BooleanOptionalAction, default=True)\nprint(parser.parse_args().amp)\n",
    "group": PARSER + "g = parser.add_argument_group('g')\ng.add_argument('--x')\nprint(parser.parse_args().x)\n",
    "exclusive": PARSER + "g = parser.add_mutually_exclusive_group()\ng.add_argument('--x')\ng.add_argument('--y')\nprint(parser.parse_args().y)\n",
    "sub-parsers": PARSER + "s = parser.add_subparsers()\na = s.add_parser('a')\na.add_argument('--deep', default=1)\nargs = parser.parse_args(['a'])\nprint(args.deep)\n",
    "parents": PARSER + "child = argparse.ArgumentParser(parents=[parser], add_help=False)\nprint(child.parse_args().lr)\n",
    "defaults": PARSER + "parser.set_defaults(extra=3)\nprint(parser.parse_args().extra)\n",
    "defaults of a dict": PARSER + "parser.set_defaults(**json.loads('{\"extra\": 3}'))\nprint(parser.parse_args().extra)\n",
    "set later": PARSER + "args = parser.parse_args()\nargs.device = 'cpu'\nprint(args.device)\n",
    "set by setattr": PARSER + "args = parser.parse_args()\nfor k, v in {'a': 1}.items():\n    setattr(args, k, v)\nprint(args.a)\n",
    "set by vars": PARSER + "args = parser.parse_args()\nvars(args).update(json.loads('{\"a\": 1}'))\nprint(args.a)\n",
    "set by vars, key": PARSER + "args = parser.parse_args()\nvars(args)['a'] = 1\nprint(args.a)\n",
    "set by __dict__": PARSER + "args = parser.parse_args()\nargs.__dict__.update(json.loads('{\"a\": 1}'))\nprint(args.a)\n",
    "set by __setattr__": PARSER + "args = parser.parse_args()\nfor k, v in json.loads('{\"a\": 1}').items():\n    args.__setattr__(k, v)\nprint(args.a)\n",
    "set by object's __setattr__": PARSER + "args = parser.parse_args()\nfor k, v in json.loads('{\"a\": 1}').items():\n    object.__setattr__(args, k, v)\nprint(args.a)\n",
    "__setattr__ of a name": PARSER + "args = parser.parse_args()\nargs.__setattr__('a', 1)\nprint(args.a)\n",
    "another __dict__": PARSER + "args = parser.parse_args()\nargs.__dict__ = json.loads('{\"a\": 1}')\nprint(args.a)\n",
    "a larger __dict__": PARSER + "args = parser.parse_args()\nargs.__dict__ |= json.loads('{\"a\": 1}')\nprint(args.a)\n",
    "an item of __dict__": PARSER + "args = parser.parse_args()\nfor k, v in json.loads('{\"a\": 1}').items():\n    args.__dict__[k] = v\nprint(args.a)\n",
    "set in a function": PARSER + "def prepare(a):\n    a.rank = 0\n\nargs = parser.parse_args()\nprepare(args)\nprint(args.rank)\n",
    "a default": PARSER + "args = parser.parse_args()\nprint(getattr(args, 'seed', 1))\n",
    "hasattr": PARSER + "args = parser.parse_args()\nif hasattr(args, 'seed'):\n    print(args.seed)\n",
    "in": PARSER + "args = parser.parse_args()\nif 'seed' in args:\n    print(args.seed)\n",
    "try": PARSER + "args = parser.parse_args()\ntry:\n    print(args.seed)\nexcept AttributeError:\n    print(0)\n",
    "an action of one's own": PARSER + "class Pairs(argparse.Action):\n    def __call__(self, p, n, v, o=None):\n        setattr(n, 'made', v)\n"
    "parser.add_argument('--pair', action=Pairs)\nargs = parser.parse_args(['--pair', 'a'])\nprint(args.made)\n",
    "in a loop": PARSER + "for name in ('a', 'b'):\n    parser.add_argument(f'--{name}', default=0)\nargs = parser.parse_args()\nprint(args.a)\n",
    "by a condition": PARSER + "if len(sys.argv) < 5:\n    parser.add_argument('--x')\nprint(parser.parse_args().x)\n",
    "another namespace": PARSER + "args = parser.parse_args(namespace=argparse.Namespace(a=1))\nprint(args.a)\n",
    "copied": PARSER + "import copy\nargs = copy.deepcopy(parser.parse_args())\nargs.x = 2\nprint(args.x)\n",
    "merged": PARSER + "args = argparse.Namespace(**vars(parser.parse_args()), extra=1)\nprint(args.extra)\n",
    "a method of the namespace": PARSER + "print(parser.parse_args()._get_kwargs())\n",
    "known": PARSER + "args, rest = parser.parse_known_args()\nprint(args.lr, rest)\n",
    "a class of one's own": HEAD + "class Parser(argparse.ArgumentParser):\n    def parse_args(self, *a, **k):\n        found = super().parse_args(*a, **k)\n        found.more = 1\n        return found\n\np = Parser()\nprint(p.parse_args().more)\n",
    "no such choice": PARSER + "parser.add_argument('--da', default='uda', choices=['uda'])\nargs = parser.parse_args()\nif not args.da == 'uda':\n    print(args.classes)\n",
    "no such choice, in": PARSER + "parser.add_argument('--da', default='a', choices=('a', 'b'))\nargs = parser.parse_args()\nif args.da in ['c', 'd']:\n    print(args.classes)\n",
    "in an object": GET + "class Trainer:\n    def __init__(self, args):\n        self.args = args\n        self.args.step = 0\n    def run(self):\n        print(self.args.step, self.args.batch_size)\n\nTrainer(get()).run()\n",
}  # fmt: skip
WRONG = {
    "plain": PARSER + "args = parser.parse_args()\nprint(args.epochs)\n",
    "dashes": GET + "print(get().batchsize)\n",
    "dest": PARSER + "parser.add_argument('--no-cuda', dest='cuda', action='store_false')\nprint(parser.parse_args().no_cuda)\n",
    "group": PARSER + "g = parser.add_argument_group('g')\ng.add_argument('--x')\nprint(parser.parse_args().y)\n",
    "known": PARSER + "args, rest = parser.parse_known_args()\nprint(args.epochs)\n",
    "in a function": GET + "def train(options):\n    for _ in range(options.epochs):\n        print(1)\n\ntrain(get())\n",
    "in an object": GET + "class Trainer:\n    def __init__(self, args):\n        self.args = args\n    def run(self):\n        print(self.args.epochs)\n\nTrainer(get()).run()\n",
    "a keyword": GET + "def train(lr=0.1, *, opt):\n    print(opt.momentum)\n\ntrain(opt=get())\n",
    "partial": GET + "def train(opt, lr):\n    print(opt.momentum)\n\npartial(train, get())(0.1)\n",
    "global": PARSER + "def train():\n    print(args.momentum)\n\nargs = parser.parse_args()\ntrain()\n",
    "comprehension": PARSER + "args = parser.parse_args()\nprint([n for n in range(args.epochs)])\n",
    "f-string": PARSER + "args = parser.parse_args()\nprint(f'{args.epochs}')\n",
    "getattr": PARSER + "args = parser.parse_args()\nprint(getattr(args, 'epochs'))\n",
    "defaults": PARSER + "parser.set_defaults(extra=3)\nprint(parser.parse_args().more)\n",
    "after vars": PARSER + "args = parser.parse_args()\nprint(vars(args))\nprint(args.epochs)\n",
    "given words": PARSER + "args = parser.parse_args(['--lr', '1'])\nprint(args.epochs)\n",
    "main": GET + "def main():\n    args = get()\n    print(args.epochs)\n\nif __name__ == '__main__':\n    main()\n",
}  # fmt: skip
PROGRAMS = {**{f"right: {name}": text for name, text in RIGHT.items()}, **{f"wrong: {name}": text for name, text in WRONG.items()}}


@pytest.fixture(scope="module")
def ends(tmp_path_factory) -> dict[str, int]:
    """How each program ends when it is run."""
    files = {name: {"train.py": text} for name, text in PROGRAMS.items()}
    return exit_codes(tmp_path_factory.mktemp("programs"), files, "train.py", ["argparse", "functools"])


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_options_that_are_not_there(name, ends, composer):
    assert ends[name] == (NO_ATTRIBUTE if name.startswith("wrong") else 0)
    options = CheckOptions(contract="program", select=("CLI101",))
    verdict = check(experiment_of({"train.py": PROGRAMS[name]}), options, composer)
    found = verdict.findings
    assert not verdict.undecided
    assert bool(found) is name.startswith("wrong"), found


def test_a_parser_in_another_file(composer):
    files = {
        "scripts/options.py": GET,
        "scripts/train.py": "from options import get\n\nif __name__ == '__main__':\n    args = get()\n    print(args.batch_size, args.epochs)\n",
        "eval.py": "from scripts.options import get\n\nif __name__ == '__main__':\n    args = get()\n    print(args.batch_size)\n",
    }
    options = CheckOptions(contract="program", select=("CLI",))
    found = check(experiment_of(files), options, composer).findings
    assert [(finding.rule, str(finding.location)) for finding in found] == [("CLI101", "scripts/train.py:5")]


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ("print(args.lr)\n", ["seed"]),
        ("print(args.lr, args.seed)\n", []),
        ("print(args.lr)\nuse(**vars(args))\n", []),
        ("def use(seed):\n    pass\n\nprint(args.lr)\n", []),
        ("import library\nlibrary.run(args)\nprint(args.lr)\n", []),
        ("print(getattr(args, 'seed'), args.lr)\n", []),
        ("print(args)\nprint(args.lr)\n", ["seed"]),
    ],
)
def test_options_that_nothing_reads(body, unread, composer):
    text = PARSER + "parser.add_argument('--seed', type=int, default=0)\nargs = parser.parse_args()\n" + body
    options = CheckOptions(contract="program", select=("CLI102",))
    found = check(experiment_of({"train.py": text}), options, composer).findings
    assert [finding.message for finding in found] == [f"nothing reads the option `{name}`" for name in unread]
