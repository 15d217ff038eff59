"""Programs that take their options by `absl.flags`."""

IMPORTS = ["absl.app", "absl.flags", "absl.logging"]
NEEDS = "absl"
HEAD = """import sys
from functools import partial
from absl import app, flags, logging

FLAGS = flags.FLAGS
flags.DEFINE_float("lr", 0.1, "The learning rate.")
flags.DEFINE_integer("batch_size", 8, "Rows at a time.")
flags.DEFINE_enum("opt", "sgd", ["sgd", "adam"], "Which one.")
_SEED = flags.DEFINE_integer("seed", 1, "The seed.")


"""
RUN = "\n\nif __name__ == '__main__':\n    app.run(main)\n"


def main(body: str, head: str = HEAD) -> str:
    """A program with a main function."""
    return head + "def main(argv):\n    del argv\n" + "".join(f"    {line}\n" for line in body.splitlines()) + RUN


OTHER = "from absl import flags\n\nflags.DEFINE_string('root', '.', 'Where.')\n\n\ndef load():\n    return flags.FLAGS.root\n"

RIGHT = {
    "plain": main("print(FLAGS.lr, FLAGS.batch_size)"),
    "holder": main("print(_SEED.value, FLAGS.seed)"),
    "built in": main("print(FLAGS.log_dir, FLAGS.verbosity, FLAGS.v)"),
    "item": main("print(FLAGS['lr'].value)"),
    "methods": main("print(FLAGS.flag_values_dict(), FLAGS.is_parsed())"),
    "getattr": main("print(getattr(FLAGS, 'nothing', 1))"),
    "hasattr": main("if hasattr(FLAGS, 'nothing'):\n    print(FLAGS.nothing)"),
    "in": main("if 'nothing' in FLAGS:\n    print(FLAGS.nothing)"),
    "try": main("try:\n    print(FLAGS.nothing)\nexcept AttributeError:\n    pass"),
    "another module": {"train.py": "from absl import app, flags\nimport data\n\n\ndef main(_):\n    print(flags.FLAGS.root, data.load())\n" + RUN, "data.py": OTHER},
    "by hand": HEAD + "FLAGS(sys.argv[:1])\nprint(FLAGS.lr)\n",
    "set": main("FLAGS.lr = 0.2\nprint(FLAGS.lr)"),
    "in a loop": HEAD + "for name in ('a', 'b'):\n    flags.DEFINE_string(name, '', 'x')\n\n\n" + main("print(FLAGS.a)", ""),
    "by a function": HEAD + "def define():\n    flags.DEFINE_string('late', '', 'x')\n\n\ndefine()\n\n\n" + main("print(FLAGS.late)", ""),
    "no such case": main("if FLAGS.opt == 'lamb':\n    print(FLAGS.lamb_beta)"),
    "an import inside": {"train.py": "from absl import app, flags\n\n\ndef main(_):\n    import data\n    flags.FLAGS.unparse_flags()\n    flags.FLAGS(['x'])\n    print(flags.FLAGS.root)\n" + RUN, "data.py": OTHER},
    "lambda": HEAD + "def main():\n    print(FLAGS.lr)\n\n\nif __name__ == '__main__':\n    app.run(lambda _: main())\n",
    "an alias": main("f = flags.FLAGS\nprint(f.lr)"),
}  # fmt: skip
WRONG = {
    "plain": main("print(FLAGS.learning_rate)"),
    "by hand": HEAD + "FLAGS(sys.argv[:1])\nprint(FLAGS.epochs)\n",
    "in a function": HEAD + "def train(epochs):\n    for _ in range(FLAGS.epochs):\n        print(1)\n\n\n" + main("train(1)", ""),
    "in an object": HEAD + "class Trainer:\n    def run(self):\n        print(FLAGS.epochs)\n\n\n" + main("Trainer().run()", ""),
    "an alias": main("f = flags.FLAGS\nprint(f.epochs)"),
    "item": main("print(FLAGS['epochs'].value)"),
    "getattr": main("print(getattr(FLAGS, 'epochs'))"),
    "f-string": main("print(f'{FLAGS.epochs}')"),
    "another module": {"train.py": "from absl import app, flags\nimport data\n\n\ndef main(_):\n    print(flags.FLAGS.path, data.load())\n" + RUN, "data.py": OTHER},
    "in another module": {"train.py": "from absl import app, flags\nimport data\n\n\ndef main(_):\n    print(data.load())\n" + RUN, "data.py": OTHER.replace("FLAGS.root", "FLAGS.folder")},
    "a case": main("if FLAGS.opt == 'sgd':\n    print(FLAGS.momentum)"),
    "lambda": HEAD + "def main():\n    print(FLAGS.epochs)\n\n\nif __name__ == '__main__':\n    app.run(lambda _: main())\n",
    "partial": HEAD + "def train(lr, more):\n    print(FLAGS.epochs)\n\n\n" + main("partial(train, 0.1)(2)", ""),
    "comprehension": main("print([n for n in range(FLAGS.epochs)])"),
}  # fmt: skip
