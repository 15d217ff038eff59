"""Programs that take their options by `HfArgumentParser`."""

IMPORTS = ["transformers"]
NEEDS = "transformers"
HEAD = """from dataclasses import asdict, dataclass, field, fields
from functools import partial
import json
import sys
from transformers import HfArgumentParser


@dataclass
class ModelArguments:
    name: str = field(default="resnet", metadata={"help": "which"})
    dropout: float = 0.1

    @property
    def title(self):
        return self.name.upper()

    def describe(self):
        return f"{self.name} {self.dropout}"


@dataclass
class DataArguments:
    folder: str = "data"
    batch_size: int = field(default=8)


"""
PARSE = HEAD + "parser = HfArgumentParser((ModelArguments, DataArguments))\nmodel_args, data_args = parser.parse_args_into_dataclasses()\n"
ONE = HEAD + "args = HfArgumentParser(ModelArguments).parse_args_into_dataclasses()[0]\n"
MAIN = (
    HEAD
    + "def get():\n    parser = HfArgumentParser([ModelArguments, DataArguments])\n    return parser.parse_args_into_dataclasses()\n\n\n"
)
JSON = """def main():
    parser = HfArgumentParser((ModelArguments, DataArguments))
    if len(sys.argv) == 2 and sys.argv[1].endswith(".json"):
        model_args, data_args = parser.parse_json_file(json_file=sys.argv[1])
    else:
        model_args, data_args = parser.parse_args_into_dataclasses()
    print({read})


if __name__ == "__main__":
    main()
"""

RIGHT = {
    "plain": PARSE + "print(model_args.name, data_args.batch_size)\n",
    "one class": ONE + "print(args.dropout)\n",
    "one unpacked": HEAD + "(args,) = HfArgumentParser(DataArguments).parse_args_into_dataclasses()\nprint(args.folder)\n",
    "property": PARSE + "print(model_args.title)\n",
    "method": PARSE + "print(model_args.describe())\n",
    "json or words": HEAD + JSON.format(read="model_args.name, data_args.folder"),
    "set later": PARSE + "model_args.device = 'cpu'\nprint(model_args.device)\n",
    "setattr": PARSE + "for k in ('a', 'b'):\n    setattr(data_args, k, 1)\nprint(data_args.a)\n",
    "vars": PARSE + "vars(data_args).update(json.loads('{\"a\": 1}'))\nprint(data_args.a)\n",
    "getattr": PARSE + "print(getattr(data_args, 'seed', 0))\n",
    "hasattr": PARSE + "if hasattr(data_args, 'seed'):\n    print(data_args.seed)\n",
    "try": PARSE + "try:\n    print(data_args.seed)\nexcept AttributeError:\n    print(0)\n",
    "rest": HEAD
    + "a, b, rest = HfArgumentParser((ModelArguments, DataArguments)).parse_args_into_dataclasses(return_remaining_strings=True)\nprint(a.name, b.folder, rest)\n",
    "namespace": HEAD
    + "parser = HfArgumentParser((ModelArguments,))\nparser.add_argument('--x', default=1)\na, rest = parser.parse_args_into_dataclasses()\nprint(rest.x)\n",
    "a base": HEAD + "@dataclass\nclass More(ModelArguments):\n    extra: int = 1\n\n\n(a,) = HfArgumentParser(More).parse_args_into_dataclasses()\nprint(a.extra, a.name)\n",
    "post init": HEAD
    + "@dataclass\nclass More(ModelArguments):\n    extra: int = 1\n\n    def __post_init__(self):\n        self.twice = self.extra * 2\n\n\n(a,) = HfArgumentParser(More).parse_args_into_dataclasses()\nprint(a.twice)\n",
    "any name": HEAD
    + "@dataclass\nclass More:\n    extra: int = 1\n\n    def __getattr__(self, name):\n        return 0\n\n\n(a,) = HfArgumentParser(More).parse_args_into_dataclasses()\nprint(a.twice)\n",
    "class attribute": HEAD + "@dataclass\nclass More:\n    extra: int = 1\n    KIND = 'more'\n\n\n(a,) = HfArgumentParser(More).parse_args_into_dataclasses()\nprint(a.KIND)\n",
    "isinstance": PARSE + "for a in (model_args, data_args):\n    if isinstance(a, DataArguments):\n        print(a.folder)\n    else:\n        print(a.name)\n",
    "match": PARSE
    + "def show(a):\n    match a:\n        case DataArguments():\n            print(a.folder)\n        case ModelArguments():\n            print(a.name)\n\n\nshow(model_args)\nshow(data_args)\n",
    "asdict": PARSE + "print(asdict(model_args)['name'], [f.name for f in fields(data_args)])\n",
    "in an object": MAIN
    + "class Trainer:\n    def __init__(self, model_args, data_args):\n        self.model_args, self.data_args = model_args, data_args\n    def run(self):\n        print(self.model_args.name, self.data_args.folder)\n\n\nTrainer(*get()).run()\n",
}  # fmt: skip
WRONG = {
    "plain": PARSE + "print(model_args.nam)\n",
    "exchanged": HEAD + "data_args, model_args = HfArgumentParser((ModelArguments, DataArguments)).parse_args_into_dataclasses()\nprint(model_args.name)\n",
    "of the other": PARSE + "print(model_args.batch_size)\n",
    "one class": ONE + "print(args.folder)\n",
    "json or words": HEAD + JSON.format(read="model_args.name, data_args.dropout"),
    "in a function": MAIN + "def main(model_args, data_args):\n    print(data_args.split)\n\n\nmain(*get())\n",
    "in an object": MAIN
    + "class Trainer:\n    def __init__(self, model_args, data_args):\n        self.model_args, self.data_args = model_args, data_args\n    def run(self):\n        print(self.model_args.name, self.data_args.fold)\n\n\nTrainer(*get()).run()\n",
    "partial": MAIN + "def train(args, lr):\n    print(args.momentum)\n\n\npartial(train, get()[0])(0.1)\n",
    "f-string": PARSE + "print(f'{data_args.path}')\n",
    "getattr": PARSE + "print(getattr(data_args, 'path'))\n",
    "a base": HEAD + "@dataclass\nclass More(ModelArguments):\n    extra: int = 1\n\n\n(a,) = HfArgumentParser(More).parse_args_into_dataclasses()\nprint(a.extras)\n",
    "rest": HEAD
    + "a, b, rest = HfArgumentParser((ModelArguments, DataArguments)).parse_args_into_dataclasses(return_remaining_strings=True)\nprint(a.name, b.name, rest)\n",
    "a dict": HEAD + "(a,) = HfArgumentParser(ModelArguments).parse_dict({'name': 'x'})\nprint(a.epochs)\n",
    "by position": PARSE.replace("model_args, data_args =", "both =") + "print(both[1].name)\n",
    "given words": HEAD + "(a,) = HfArgumentParser(ModelArguments).parse_args_into_dataclasses(['--name', 'x'])\nprint(a.epochs)\n",
    "comprehension": PARSE + "print([n for n in range(data_args.epochs)])\n",
    "method": PARSE + "print(model_args.show())\n",
}  # fmt: skip
