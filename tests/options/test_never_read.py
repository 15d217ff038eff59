"""Options that are defined and that nothing reads, by the library that takes them."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

HF = (
    "from dataclasses import asdict, dataclass\nfrom transformers import HfArgumentParser\n\n\n@dataclass\nclass Arguments:\n"
    "    lr: float = 0.1\n    decay: float = 0.0\n\n\n(args,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()\n"
)
TYRO = HF.replace("from transformers import HfArgumentParser", "import tyro").replace(
    "(args,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()", "args = tyro.cli(Arguments)"
)
ABSL = (
    "from absl import app, flags\n\nFLAGS = flags.FLAGS\nflags.DEFINE_float('lr', 0.1, '')\nflags.DEFINE_float('decay', 0.1, '')\n\n\n"
    "def main(_):\n    {body}\n\n\napp.run(main)\n"
)
CLICK = "import click\n\n\n@click.command()\n@click.option('--lr')\n@click.option('--decay'{more})\ndef main(lr, decay):\n    {body}\n\n\nmain()\n"
TYPER = "import typer\n\napp = typer.Typer()\n\n\n@app.command()\ndef main(lr: float = 0.1, decay: float = 0.0):\n    {body}\n\n\napp()\n"
FIRE = "import fire\n\n\ndef main(lr=0.1, decay=0.0):\n    {body}\n\n\nfire.Fire(main)\n"

CASES = [
    (HF + "print(args.lr)\n", ["decay"]),
    (HF + "print(args)\nprint(args.lr)\n", ["decay"]),
    (HF + "print(args.lr, args.decay)\n", []),
    (HF + "print(args.lr, asdict(args))\n", []),
    (HF + "print(args.lr, vars(args))\n", []),
    (HF + "import library\nlibrary.train(args)\n", []),
    (HF + "for name in ('lr', 'decay'):\n    print(getattr(args, name))\n", []),
    (HF + "import sys\nprint(args.lr, getattr(args, sys.argv[0]))\n", []),
    (TYRO + "print(args.lr)\n", ["decay"]),
    (TYRO + "print(args.lr, args.decay)\n", []),
    (ABSL.format(body="print(FLAGS.lr)"), ["decay"]),
    (ABSL.format(body="print(FLAGS.lr, FLAGS.decay)"), []),
    (ABSL.format(body="print(FLAGS.flag_values_dict())"), []),
    (ABSL.format(body="print(FLAGS.lr)").replace("flags.DEFINE_float('decay'", "_DECAY = flags.DEFINE_float('decay'"), []),
    (CLICK.format(body="print(lr)", more=""), ["decay"]),
    (CLICK.format(body="print(lr, decay)", more=""), []),
    (CLICK.format(body="print(lr, locals())", more=""), []),
    (CLICK.format(body="print(lr)", more=", callback=print"), []),
    (CLICK.format(body="pass", more=""), []),
    (TYPER.format(body="print(lr)"), ["decay"]),
    (TYPER.format(body="print(lr, decay)"), []),
    (TYPER.format(body="print(lr)").replace("decay: float = 0.0", "decay: float = typer.Option(0.0, callback=print)"), []),
    (FIRE.format(body="print(lr)"), ["decay"]),
    (FIRE.format(body="print(lr)\n    del decay"), []),
    (FIRE.format(body="print(lr, decay)"), []),
    (FIRE.format(body="print(lr)").replace("decay=0.0", "_decay=0.0"), []),
]


@pytest.mark.parametrize(("text", "unread"), CASES)
def test_options_that_nothing_reads(text, unread, composer):
    verdict = check(experiment_of({"train.py": text}), CheckOptions(contract="program", select=("CLI102",)), composer)
    assert not verdict.undecided
    assert [finding.message for finding in verdict.findings] == [f"nothing reads the option `{name}`" for name in unread]
