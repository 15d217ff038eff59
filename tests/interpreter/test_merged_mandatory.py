"""A mandatory value (`???`) that is merged over another one leaves what is there: OmegaConf itself is the judge."""

from __future__ import annotations

import pytest
from omegaconf import MissingMandatoryValue, OmegaConf
from walked import absent, trace_of

# Each reads `part.lr` at its end; `run` is the run's config, whose `training.lr` is 0.1.
KEPT = {
    "two configs": "part = OmegaConf.merge(run.training, OmegaConf.create({'lr': '???'}))",
    "a dict": "part = OmegaConf.merge(run.training, {'lr': '???', 'more': 1})",
    "three configs": "part = OmegaConf.merge({'lr': '???'}, run.training, {'lr': '???'})",
    "one level below": "part = OmegaConf.merge(run, {'training': {'lr': '???'}}).training",
    "a section over a mandatory value": "part = OmegaConf.merge({'training': '???'}, run).training",
    "a mandatory value over a section": "part = OmegaConf.merge(run, {'training': '???'}).training",
    "merge_with": "part = OmegaConf.create({'lr': 3})\npart.merge_with({'lr': '???'})",
    "update of a section": "part = OmegaConf.create({'inner': {'lr': 3}})\nOmegaConf.update(part, 'inner', {'lr': '???'})\npart = part.inner",
    "unsafe_merge": "part = OmegaConf.unsafe_merge(OmegaConf.create({'lr': 3}), OmegaConf.create({'lr': '???'}))",
    "a copy of itself": "part = OmegaConf.create({'lr': 2, 'steps': '???'})\npart = OmegaConf.merge(part, part)",
    "in a loop": "part = run.training\nfor each in ({'lr': '???'}, {'lr': '???', 'a': 1}):\n    part = OmegaConf.merge(part, each)",
    "in a function": "def filled(first, *others):\n    return OmegaConf.merge(first, *others)\npart = filled(run.training, {'lr': '???'})",
}
LOST = {
    "nothing was there": "part = OmegaConf.merge({'steps': 1}, {'lr': '???'})",
    "both are mandatory": "part = OmegaConf.merge({'lr': '???'}, {'lr': '???'})",
    "assigned": "part = OmegaConf.create({'lr': 3})\npart.lr = '???'",
    "update of the dict": "part = OmegaConf.create({'lr': 3})\npart.update({'lr': '???'})",
}
HEAD = "OmegaConf.set_struct(cfg, False)\nrun = cfg.run\n"


def _real(body: str) -> bool:
    """Whether the real library has a value for `part.lr` at the end."""
    names = {"OmegaConf": OmegaConf, "run": OmegaConf.create({"training": {"lr": 0.1, "momentum": 0.9}})}
    exec(body, names)
    try:
        return names["part"].lr is not None  # type: ignore[attr-defined]
    except MissingMandatoryValue:
        return False


@pytest.mark.parametrize("body", KEPT.values(), ids=KEPT.keys())
def test_what_is_there_stays(composer, body):
    assert _real(body)
    assert absent(trace_of(composer, f"{HEAD}{body}\nx = part.lr")) == []


@pytest.mark.parametrize("body", LOST.values(), ids=LOST.keys())
def test_a_mandatory_value_without_one_before_is_still_missing(composer, body):
    assert not _real(body)
    assert absent(trace_of(composer, f"{HEAD}{body}\nx = part.lr"))
