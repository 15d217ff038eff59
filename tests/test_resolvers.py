"""Resolvers that nothing registers, held against what OmegaConf says; and the ways in which one may be registered."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from omegaconf import OmegaConf
from omegaconf.errors import UnsupportedInterpolationType

from gonogo.analysis.project.resolvers import BUILT_IN
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

MAIN = """import hydra
from omegaconf import OmegaConf
{before}

@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print(cfg.a)
"""


def found(composer, text: str, before: str = "", **others: str) -> list[str]:
    files = {"main.py": MAIN.format(before=before), "conf/config.yaml": f"a: {text}\nb: 1\n"}
    files |= {f"{name}.py": content for name, content in others.items()}
    verdict = check(experiment_of(files), CheckOptions(contract="generic", select=("HYD115",)), composer)
    return [finding.message for finding in verdict.findings if finding.blocks]


@pytest.mark.parametrize(
    "text",
    [
        "${tuned:b}",
        "x-${tuned:b}-y",
        "${tuned:}",
        "${my.own:1}",
        "${tuned:${b}}",
        "${oc.decode:${tuned:b}}",
        "'${tuned:\"b c\"}'",
    ],
)
def test_what_nothing_registers(composer, text):
    assert found(composer, text)
    with pytest.raises(UnsupportedInterpolationType):
        _ = OmegaConf.create(f"a: {text}\nb: 1\n").a


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "${oc.decode:'1'}", "${now:%Y}", "${hydra:job.name}", "\\${tuned:b}", "${b}", "'tuned: ${b}'"]
)
def test_what_is_there(composer, text):
    assert not found(composer, text)


def test_omegaconf_has_what_the_table_has():
    known = {name for name in BUILT_IN if name.startswith("oc.")}
    assert all(OmegaConf.has_resolver(name) for name in known)


REGISTERED = {
    "a call": "OmegaConf.register_new_resolver('tuned', lambda key: key)",
    "by name": "OmegaConf.register_new_resolver(name='tuned', resolver=str)",
    "the old call": "OmegaConf.register_resolver('tuned', str)",
    "a loop over a dict": "for name, call in {'tuned': str}.items():\n    OmegaConf.register_new_resolver(name, call)",
    "a loop over keywords": "for name, call in dict(tuned=str).items():\n    OmegaConf.register_new_resolver(name, call)",
    "a function's name": "def tuned(key):\n    return key\nOmegaConf.register_new_resolver(tuned.__name__, tuned)",
    "a constant": "NAME = 'tuned'\nOmegaConf.register_new_resolver(NAME, str)",
    "a computed name": "part = 'ned'\nOmegaConf.register_new_resolver(f'tu{part}', str)",
    "a sum": "part = 'ned'\nOmegaConf.register_new_resolver('tu' + part, str)",
    "a decorator of one's own": "def resolver(name):\n    return lambda call: OmegaConf.register_new_resolver(name, call)\n@resolver('tuned')\ndef f(key):\n    return key",
    "an alias": "add = OmegaConf.register_new_resolver\nadd('tuned', str)",
    "an unknown library": "import resolvers_of_others",
}


@pytest.mark.parametrize("before", REGISTERED.values(), ids=REGISTERED.keys())
def test_what_may_be_registered(composer, before):
    assert not found(composer, "${tuned:b}", before)


def test_another_module_may_register(composer):
    assert not found(
        composer, "${tuned:b}", "import more", more="from omegaconf import OmegaConf\nOmegaConf.register_new_resolver('tuned', str)\n"
    )


def test_another_resolver_does_not_help(composer):
    assert found(composer, "${tuned:b}", "OmegaConf.register_new_resolver('turned', str)")


def test_what_is_replaced_before_it_is_read(composer):
    files = {
        "main.py": MAIN.format(before="").replace("    print", "    cfg.a = 1\n    print"),
        "conf/config.yaml": "a: ${tuned:b}\nb: 1\n",
    }
    verdict = check(experiment_of(files), CheckOptions(contract="generic", select=("HYD115",)), composer)
    assert not verdict.findings
