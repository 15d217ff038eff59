"""How documents start programs that read files of settings: the file that they name is the one that is held against the program."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

PROGRAM = """import argparse

import yaml

parser = argparse.ArgumentParser()
parser.add_argument("-c", "--config", default="configs/whole.yaml")
parser.add_argument("--epochs", type=int)
parser.add_argument("--net", choices=["small", "large"])
args = parser.parse_args()
config = yaml.safe_load(open(args.config))
print(config["width"])
"""
FILES = {"train.py": PROGRAM, "configs/whole.yaml": "width: 1\n", "configs/part.yaml": "depth: 1\n"}

NAMES_THE_FILE = {
    "fence": ("README.md", "```bash\npython train.py --config configs/part.yaml\n```\n"),
    "prompt": ("README.md", "    $ python3 train.py -c configs/part.yaml\n"),
    "variable": ("README.md", "CUDA_VISIBLE_DEVICES=0 python train.py --config=configs/part.yaml\n"),
    "launcher": ("README.md", "    torchrun --nproc_per_node 2 train.py --config configs/part.yaml --epochs 3\n"),
    "old launcher": ("README.md", "    python -m torch.distributed.launch --nproc_per_node=8 train.py -c configs/part.yaml\n"),
    "accelerate": ("README.md", "    accelerate launch train.py -c ./configs/part.yaml\n"),
    "module": ("README.md", "    python -m train -c configs/part.yaml\n"),
    "html": ("README.md", "<pre>python train.py --config configs/part.yaml</pre>\n"),
    "two lines": ("README.md", "```\npython train.py \\\n    --config configs/part.yaml\n```\n"),
    "sentence": ("docs/start.md", "Start it with `python train.py -c configs/part.yaml` and wait.\n"),
    "script": ("run.sh", "#!/bin/bash\nset -e\npython train.py -c configs/part.yaml > log.txt 2>&1\n"),
    "make": ("Makefile", "train:\n\tpython train.py -c configs/part.yaml\n"),
}
SAYS_NOTHING = {
    "variable": ("README.md", "    python train.py --config $CONFIG\n"),
    "name": ("README.md", "    python train.py --config CONFIG\n"),
    "brackets": ("README.md", "    python train.py --config <config>\n"),
    "place": ("README.md", "    python train.py --config path/to/config.yaml --net NET\n"),
    "other folder": ("README.md", "    python project/train.py --config configs/part.yaml\n"),
    "dots": ("README.md", "    python train.py --config configs/part.yaml ...\n"),
    "right": ("README.md", "    python train.py --config configs/whole.yaml\n"),
    "none": ("README.md", "    python train.py\n"),
    "sentence": ("README.md", "Then `python train.py` trains with --everything that there is.\n"),
    "slash": ("README.md", "    python train.py --net small/large\n"),
    "braces": ("README.md", "    python train.py --net {small,large}\n"),
    "bars": ("README.md", "    python train.py --net [small|large]\n"),
    "bars alone": ("README.md", "    python train.py --net small|large\n"),
    "optional": ("README.md", "    python train.py [--fast] [--net small]\n"),
    "stars": ("run.sh", "for net in small large; do\n  python train.py --net $net --epochs ${EPOCHS:-3}\ndone\n"),
    "prose": ("README.md", "python train.py starts it\n"),
}
REFUSED = {
    "unknown": ("README.md", "    python train.py --rate 3\n"),
    "choice": ("run.sh", "python train.py --net huge\n"),
    "old name": ("README.md", "    python train.py -c configs/whole.yaml --max-epochs 3\n"),
}


def found(document: tuple[str, str], composer) -> set[tuple[str, str]]:
    """The rules that speak, with the severity."""
    options = CheckOptions(contract="program", select=("CLI104", "CLI106"))
    verdict = check(experiment_of({**FILES, document[0]: document[1]}), options, composer)
    assert not verdict.undecided
    return {(finding.rule, str(finding.severity)) for finding in verdict.findings}


@pytest.mark.parametrize("name", NAMES_THE_FILE)
def test_the_file_that_a_document_names_is_read(name, composer):
    assert found(NAMES_THE_FILE[name], composer) == {("CLI104", "error")}


@pytest.mark.parametrize("name", SAYS_NOTHING)
def test_what_is_not_known_is_not_judged(name, composer):
    assert found(SAYS_NOTHING[name], composer) == set()


@pytest.mark.parametrize("name", REFUSED)
def test_commands_that_the_parser_refuses(name, composer):
    assert found(REFUSED[name], composer) == {("CLI106", "warning")}


def test_without_a_document_it_is_a_warning(composer):
    files = {**FILES, "configs/whole.yaml": "depth: 1\n"}
    verdict = check(experiment_of(files), CheckOptions(contract="program", select=("CLI104",)), composer)
    assert [str(finding.severity) for finding in verdict.findings] == ["warning"]
