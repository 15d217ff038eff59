"""`isinstance` of parts of a config: what is always false is found, and what is right is left alone."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from omegaconf import OmegaConf

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

MAIN = """import hydra
import numpy as np
import torch
from collections.abc import Sequence
from omegaconf import {imported}

{before}
@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    {body}
    print(cfg.n, widths)
"""
CONFIG = "w: [1, 2]\nn: 1\nm:\n  a: 1\n"

WRONG = {
    "a choice": "widths = cfg.w if isinstance(cfg.w, (list, tuple)) else [cfg.w]",
    "list alone": "widths = cfg.w if isinstance(cfg.w, list) else [cfg.w]",
    "an alias": "w = cfg.w\n    widths = w if isinstance(w, list) else [w]",
    "by key": "widths = cfg['w'] if isinstance(cfg['w'], list) else [cfg['w']]",
    "by get": "w = cfg.get('w')\n    widths = 1\n    if isinstance(w, (tuple, list)):\n        widths = w[0]",
    "an assertion": "widths = cfg.w\n    assert isinstance(widths, list)",
    "with others": "widths = 0\n    if isinstance(cfg.w, (list, tuple, np.ndarray)):\n        widths = len(cfg.w)",
    "a function": "widths = many(cfg.w)",
    "an f-string": "widths = f'{1 if isinstance(cfg.w, list) else 2}'",
    "a class": "widths = Net(cfg.w).widths",
}
BEFORE = """
def many(w):
    if isinstance(w, list):
        return w
    return [w]


class Net:
    def __init__(self, w):
        self.widths = w if isinstance(w, (list, tuple)) else [w]

"""
RIGHT = {
    "a slice": "widths = 0\n    if isinstance(cfg.w[:1], list):\n        widths = 1",
    "a number": "widths = 1 if isinstance(cfg.w, (int, float)) else 2",
    "plain data": "widths = OmegaConf.to_container(cfg.w)\n    widths = widths if isinstance(widths, list) else [widths]",
    "a list made of it": "w = list(cfg.w)\n    widths = w if isinstance(w, list) else [w]",
    "sorted": "w = sorted(cfg.w)\n    widths = w if isinstance(w, list) else [w]",
    "keys": "w = list(cfg.m.keys())\n    widths = w if isinstance(w, list) else [w]",
    "with ListConfig": "widths = cfg.w if isinstance(cfg.w, (list, ListConfig)) else [cfg.w]",
    "Sequence": "widths = cfg.w if isinstance(cfg.w, Sequence) else [cfg.w]",
    "told apart": "widths = cfg.w if isinstance(cfg.w, list) else list(cfg.w)",
    "converted": "widths = cfg.w\n    if not isinstance(widths, list):\n        widths = list(widths)",
    "a number of the config": "widths = cfg.n if isinstance(cfg.n, list) else [cfg.n]",
    "a comprehension": "widths = [w for w in cfg.w]\n    widths = widths if isinstance(widths, list) else [widths]",
    "a sum": "widths = [0] + list(cfg.w)\n    widths = widths if isinstance(widths, list) else [widths]",
}


def misuses(composer, body: str) -> list[str]:
    imported = "ListConfig, OmegaConf" if "ListConfig" in body else "OmegaConf"
    files = {"main.py": MAIN.format(imported=imported, before=BEFORE, body=body), "conf/config.yaml": CONFIG}
    verdict = check(experiment_of(files), CheckOptions(contract="generic", select=("HYD110",)), composer)
    return [finding.message for finding in verdict.findings if finding.blocks]


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_what_is_always_false(composer, body):
    assert misuses(composer, body)


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right(composer, body):
    assert not misuses(composer, body)


def test_omegaconf_says_so():
    part = OmegaConf.create(CONFIG).w
    assert not isinstance(part, (list, tuple, set, frozenset))
    assert isinstance(part[:1], list)
    assert isinstance(OmegaConf.to_container(part), list)
