"""What CLI105 says to write is a number to PyYAML, and the same one."""

from __future__ import annotations

import re

import pytest
import yaml
from experiments_of_texts import experiment_of

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

PROGRAM = """import torch
import yaml

config = yaml.safe_load(open("config.yaml"))
torch.optim.SGD([torch.zeros(1)], lr=config["lr"])
"""


@pytest.mark.parametrize("text", ["1e-3", "125e-5", "1.25e3", "3E-4", "2e+1", "12.5E2", "'0.1'", '"1.0e-3"', "'1'"])
def test_the_advice_keeps_the_number(text, composer):
    read = yaml.safe_load(text)
    assert isinstance(read, str)
    files = {"train.py": PROGRAM, "config.yaml": f"lr: {text}\n"}
    (finding,) = check(experiment_of(files), CheckOptions(contract="program", select=("CLI105",)), composer).findings
    (written,) = re.findall(r"^write `(.*?)` here", finding.action)
    assert yaml.safe_load(written) == float(read)
