"""The composer gives what Hydra alone gives, and gives nothing away."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gonogo.compose.client import Composer, keys_of
from gonogo.model.errors import StageError

CONFIG = """\
defaults:
  - _self_
  - model: small
  - optional extra: none_such
  - run: null
  - override hydra/job_logging: disabled
trial_mode: false
results_dir: out
seed: 1
lr: 1e-3
when: 2024-01-01
nothing: null
wandb: {entity: me, project: "${run.method}-${seed}", mode: online}
rate: ${model.lr}
bad: ${no.such}
place: ${oc.env:HOME}
layers: [1, 2, "${seed}"]
missing: ???
hydra:
  run:
    dir: ${results_dir}/${now:%Y}
  job:
    chdir: true
"""
SHARED = """\
defaults:
  - _self_
  - model: small
  - run: one
results_dir: out
seed: 1
flag: true
"""
FILES = {
    "config.yaml": CONFIG,
    "bare.yaml": "defaults:\n  - run: one\na: 1\n",
    "ordered.yaml": "defaults:\n  - model: small\n  - _self_\nmodel:\n  lr: 7\n",
    "chained.yaml": "defaults:\n  - _self_\n  - size: big\n  - width: ${size}\n",
    "late.yaml": "defaults:\n  - override model: big\n  - model: small\n",
    "must.yaml": "defaults:\n  - model: ???\n",
    "list.yaml": "- 1\n- 2\n",
    "empty.yaml": "",
    "twice.yaml": "a: 1\na: 2\n",
    "broken.yaml": "a: [1\n",
    "wrong_defaults.yaml": "defaults: {a: 1}\n",
    "wrong_hydra.yaml": "hydra:\n  no_such_key: 1\n",
    # What the `hydra` section and the rest may see of each other.
    "sectioned.yaml": SHARED + "hydra:\n  run: {dir: '${results_dir}/${seed}'}\n  job: {chdir: '${flag}'}\n",
    "named.yaml": SHARED + "hydra: {job: {name: '${new}'}}\n",
    "noted.yaml": SHARED + "hydra:\n  run: {dir: 'o/${hydra.job.override_dirname}/${hydra.runtime.choices.model}'}\n",
    "relative.yaml": SHARED + "hydra:\n  run: {dir: '${..job.override_dirname}'}\n  job: {chdir: null}\n",
    "separated.yaml": SHARED + "hydra:\n  run: {dir: '${results_dir}'}\n  job: {config: {override_dirname: {kv_sep: '\\\\q'}}}\n",
    "listed.yaml": SHARED + "hydra:\n  overrides: {task: [a]}\n  runtime: {choices: {z: 1}}\n",
    "env.yaml": SHARED + "hydra: {job: {env_copy: [PATH], env_set: {A: '${seed}'}}}\n",
    "looking.yaml": SHARED + "there: ${hydra.job.override_dirname}\nwhole: {on: '${hydra.job}'}\nchoice: ${hydra.runtime.choices.run}\n",
    "resolved.yaml": SHARED + "out: '${hydra:runtime.cwd}/${seed}'\nodd: '${hy${oc.env:x}dra.job.name}'\n",
    "nested.yaml": SHARED + "which: hydra.job.override_dirname\nthere: ${${which}}\n",
    "not_a_section.yaml": "hydra: ${x}\nx: 1\n",
    "no_section.yaml": "hydra: null\n",
    # Defaults lists.
    "into_hydra.yaml": "defaults:\n  - _self_\n  - model@hydra.job.env_set: small\na: 1\n",
    "quiet.yaml": "defaults:\n  - _self_\n  - override hydra/job_logging: none\n  - override hydra/hydra_logging: disabled\na: 1\n",
    "old_style.yaml": "defaults:\n  - _self_\n  - hydra/job_logging: disabled\na: 1\n",
    "several.yaml": "defaults:\n  - model: [small, big]\n  - optional size: none_such\n  - _self_\na: ${model.name}\n",
    "self_twice.yaml": "defaults:\n  - _self_\n  - model: small\n  - _self_\n",
    "packages.yaml": "defaults:\n  - model@first: small\n  - model@first.second: big\n  - /size@_global_: big\n  - _self_\nfirst: {lr: 3}\n",
    "interpolated.yaml": "defaults:\n  - size: big\n  - model: ${size}\n  - width: ${size}_x\n",
    "circle.yaml": "defaults:\n  - circle\n",
    "same_twice.yaml": "defaults:\n  - model: small\n  - model: big\n",
    # Values, and keys, that need OmegaConf's own way of making a config.
    "odd.yaml": "1: a\ntrue: b\n1.5: {x: [null, ???, .inf, 1e3, '$', '${a}', [], {}]}\na: 0x1F\nbytes: !!binary aGk=\n",
    "no_key.yaml": "a: {null: 1}\n",
    "half.yaml": "a: {b: [1, '${x']}\n",
    "run/late.yaml": "defaults:\n  - /model@deep: small\n  - override /model: big\nrun_id: late\nname: ${.run_id}-${..seed}\n",
    "run/section.yaml": "# @package _global_\nhydra: {run: {dir: '${seed}-of-run'}}\n",
    "run/looks.yaml": "run_id: looks\nsees: ${hydra.job.override_dirname}\n",
    "run/searches.yaml": "# @package _global_\nhydra: {searchpath: ['file:///etc']}\n",
    "run/list.yaml": "- 1\n",
    "run/text.yaml": "text\n",
    "run/nothing.yaml": "null\n",
    "run/missing.yaml": "defaults:\n  - /model/none_such\nrun_id: missing\n",
    "run/one.yaml": "run_id: one\nmethod: tent\ntraining: {lr: 0.1, steps: 3}\noptuna:\n  enabled: true\n",
    "run/global.yaml": "# @package _global_\nrun_id: global\ntraining:\n  lr: 5\nmodel:\n  lr: 9\n",
    "run/nested.yaml": "defaults:\n  - /model@inner: big\n  - _self_\nrun_id: nested\n",
    "run/switch.yaml": "# @package _global_\ndefaults:\n  - override /model: big\nrun_id: switch\n",
    "model/small.yaml": "name: small\nlr: 1\n",
    "model/big.yaml": "name: big\nlr: 2\ndepth: ${..seed}\n",
    "size/big.yaml": "n: 5\n",
    "width/big.yaml": "w: 6\n",
}
OWN_HYDRA = {
    "config.yaml": "defaults:\n  - _self_\n  - override hydra/job_logging: mine\na: 1\n",
    "plain.yaml": "a: 1\n",
    "hydra/job_logging/mine.yaml": "version: 1\n",
    "hydra/launcher/basic.yaml": "defaults:\n  - /extra@_global_: one\n  - _self_\n_target_: x\n",
    "extra/one.yaml": "added: true\n",
}
SECTIONED = ("sectioned", "named", "noted", "relative", "listed", "env", "looking", "nested", "resolved")
SECTIONED_ASKED: tuple[list[str], ...] = ([], ["seed=2"], ["run=global", "model.lr=5"], ["+new=3", "flag=false", "results_dir=hydra"])
ASKED: list[tuple[str | None, list[str]]] = [
    ("config", []),
    ("config", ["run=one"]),
    ("config", ["run=one", "results_dir=x", "trial_mode=true"]),
    ("config", ["run='one'", "seed=3", "layers=[4,{a: b}]"]),
    ("config", ["run=global"]),
    ("config", ["run=global", "training.lr=2"]),
    ("config", ["run=nested"]),
    ("config", ["run=switch"]),
    ("config", ["run=one", "model=big"]),
    ("config", ["run=one", "+run.new=1", "++seed=9", "~nothing"]),
    ("config", ["run=one", "~model"]),
    ("config", ["run=one", "~model=big"]),
    ("config", ["+model@second=big"]),
    ("config", ["run=one", "training.epochs=1"]),
    ("config", ["run=one", "+seed=4"]),
    ("config", ["run=one", "seed.deeper=1"]),
    ("config", ["run=none_such"]),
    ("config", ["run=a,b"]),
    ("config", ["run=a b (c)"]),
    ("config", ["no_group=x"]),
    ("config", ["seed=range(1,3)"]),
    ("config", ["hydra.run.dir=elsewhere", "hydra.job.chdir=null", "run=one"]),
    ("config", ["hydra/job_logging=none", "run=one"]),
    ("config", ["lr=${seed}", "wandb.mode=disabled"]),
    ("bare", []),
    ("bare", ["run=global"]),
    ("ordered", []),
    ("chained", []),
    ("late", []),
    ("must", []),
    ("must", ["model=small"]),
    ("list", []),
    ("empty", []),
    ("empty", ["+run=one"]),
    ("twice", []),
    ("broken", []),
    ("wrong_defaults", []),
    ("wrong_hydra", []),
    ("none_such", []),
    (None, ["+a=1"]),
    *((name, overrides) for name in SECTIONED for overrides in SECTIONED_ASKED),
    ("sectioned", ["run=section"]),
    ("sectioned", ["run=section", "seed=2"]),
    ("sectioned", ["run=looks", "seed=2"]),
    ("sectioned", ["run=searches"]),
    ("sectioned", ["run=list"]),
    ("sectioned", ["run=text"]),
    ("sectioned", ["run=nothing"]),
    ("sectioned", ["run=late", "run.name=x"]),
    ("sectioned", ["run=missing"]),
    ("sectioned", ["hydra.runtime.choices.model=x"]),
    ("sectioned", ["+a=${hydra.job.override_dirname}"]),
    ("sectioned", ["+a=$\\{hydra.job\\}", "a.name=x"]),
    ("sectioned", ["+run.x=[1,2]", "++hydra.job.env_set.A=1"]),
    ("sectioned", ["~hydra.job.env_set"]),
    ("looking", ["whole.on.name=x"]),
    ("not_a_section", []),
    ("no_section", []),
    ("into_hydra", []),
    ("quiet", []),
    ("quiet", ["hydra/job_logging=default"]),
    ("old_style", []),
    ("several", []),
    ("several", ["model=big"]),
    ("self_twice", []),
    ("packages", []),
    ("packages", ["model@first=big"]),
    ("packages", ["~model@first.second"]),
    ("interpolated", []),
    ("interpolated", ["size=none_such"]),
    ("circle", []),
    ("same_twice", []),
    ("odd", []),
    ("odd", ["a=2"]),
    ("no_key", []),
    ("half", []),
    ("hydra/config", []),
]


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture(scope="module")
def composer():
    with Composer() as composer:
        yield composer


def asked_of_hydra(folder: Path, version_base: str | None, asked: list) -> list[dict]:
    requests = [{"folder": str(folder), "config_name": name, "overrides": texts, "version_base": version_base} for name, texts in asked]
    process = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("plain_hydra.py"))],
        input=json.dumps(requests, default=str),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(process.stdout)


def assert_same_as_hydra_alone(folder: Path, composer: Composer, version_base: str | None, asked: list) -> None:
    expected = asked_of_hydra(folder, version_base, asked)
    assert sum("config" in answer for answer in expected) >= len(asked) / 2
    # Forwards and backwards: a cache must not show in what comes later.
    for index in [*range(len(asked)), *reversed(range(len(asked)))]:
        name, overrides = asked[index]
        got = composer.compose(folder, name, tuple(overrides), version_base, str(folder))
        if "config" in expected[index]:
            assert got.ok, (asked[index], got.message)
            seen = {path[-1]: [entry.text, entry.value] for path, entry in got.interpolations.items() if path[0] == "hydra"}
            answer = {"config": json.loads(json.dumps(got.config)), "choices": got.choices, "chdir": got.chdir, "seen": seen}
            assert answer == expected[index], asked[index]
        else:
            assert not got.ok, asked[index]
            assert got.error == expected[index]["error"], (asked[index], got.message)
            if expected[index]["first_line"] not in ([], ["None"]):
                assert expected[index]["first_line"][0] in got.message, asked[index]


@pytest.mark.parametrize("version_base", ["1.3", *(pytest.param(version, marks=pytest.mark.slow) for version in ("1.1", "1.2", None))])
def test_same_as_hydra_alone(tmp_path, composer, version_base):
    assert_same_as_hydra_alone(write(tmp_path, FILES), composer, version_base, ASKED)


@pytest.mark.slow
def test_same_as_hydra_alone_with_configs_in_hydra_s_place(tmp_path, composer):
    asked = [("config", []), ("plain", []), ("plain", ["hydra/job_logging=mine"]), ("plain", ["a=2"])]
    assert_same_as_hydra_alone(write(tmp_path / "some", OWN_HYDRA), composer, "1.3", asked)
    # A folder without them comes off as ever, and one that has another `hydra/config` has no section at all.
    assert_same_as_hydra_alone(write(tmp_path / "none", {"plain.yaml": "a: 1\n"}), composer, "1.3", asked[1:2] + asked[3:])
    folder = write(tmp_path / "all", {"plain.yaml": "a: 1\n", "hydra/config.yaml": "b: 1\n"})
    assert not composer.compose(folder, "plain", (), "1.3", "config").ok


def test_interpolations_are_told_apart(tmp_path, composer):
    got = composer.compose(write(tmp_path, FILES), "config", ("run=one",), "1.3", "config")
    status = {".".join(path): entry.status for path, entry in got.interpolations.items()}
    assert status["bad"] == "broken"
    assert status["place"] == status["hydra.run.dir"] == "unknown"
    assert got.interpolations["wandb", "project"].value == "tent-1"
    assert got.interpolations["rate",].value == 1
    assert got.config is not None
    assert got.config["place"] == "${oc.env:HOME}", "no resolver is run"


def test_nothing_outside_the_config_folder_is_read(tmp_path, composer):
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    folder = write(tmp_path / "config", FILES)
    for overrides in (["run=../../secret"], ["+../secret=x"], ["+x@../../y=secret"]):
        got = composer.compose(folder, "config", tuple(overrides), "1.3", "config")
        assert not got.ok
        assert "hunter2" not in got.message
    got = composer.compose(folder, "../secret", (), "1.3", "config")
    assert not got.ok
    assert "hunter2" not in got.message


@pytest.mark.parametrize("where", ["file:///etc", "pkg://this", "pkg://os.path"])
def test_search_path_is_refused(tmp_path, composer, where):
    folder = write(tmp_path, {"config.yaml": f"hydra:\n  searchpath: [{where}]\na: 1\n", "plain.yaml": "a: 1\n"})
    with pytest.raises(StageError, match="searchpath"):
        composer.compose(folder, "config", (), "1.3", "config")
    with pytest.raises(StageError, match="searchpath"):
        composer.compose(folder, "plain", (f"hydra.searchpath=[{where}]",), "1.3", "config")
    assert composer.compose(folder, "plain", (), "1.3", "config").ok, "the next request is answered as ever"


def test_nothing_is_instantiated(tmp_path, composer):
    trace = tmp_path / "trace"
    text = f"x: {{_target_: os.system, command: 'touch {trace}'}}\ny: !!python/object/apply:os.system ['touch {trace}']\n"
    folder = write(tmp_path / "config", {"config.yaml": text, "target.yaml": text.partition("\n")[0]})
    assert not composer.compose(folder, "config", (), "1.3", "config").ok
    got = composer.compose(folder, "target", (), "1.3", "config")
    assert got.ok
    assert not trace.exists()


def test_environment_is_not_shown(tmp_path, composer, monkeypatch):
    folder = write(tmp_path, {"config.yaml": "a: ${oc.env:WANDB_API_KEY}\nb: ${env:HOME}\nhydra: {job: {env_copy: [WANDB_API_KEY]}}\n"})
    monkeypatch.setenv("WANDB_API_KEY", "hunter2")
    with Composer() as fresh, pytest.raises(StageError, match="says nothing about the config"):
        fresh.compose(folder, "config", (), "1.3", "config")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]),
        "a: &a [*a]\n",
        "a: " + "[" * 50_000,
        "- " * 50_000,
        "? " * 50_000,
        "\n".join(" " * n + "a:" for n in range(3000)),
        "b0: x\n" + "\n".join(f"b{n}: ${{b{n - 1}}}${{b{n - 1}}}" for n in range(1, 40)),
    ],
    ids=["bomb", "recursive", "brackets", "dashes", "questions", "indented", "interpolation-bomb"],
)
def test_explosives_are_answered(tmp_path, text):
    folder = write(tmp_path, {"config.yaml": text, "good.yaml": "a: 1\n"})
    with Composer(timeout=1.5) as composer:
        try:
            got = composer.compose(folder, "config", (), "1.3", "config")
        except StageError as error:
            assert "took more than" in str(error) or "beyond what is composed" in str(error)
        else:
            assert not got.ok
        assert composer.compose(folder, "good", (), "1.3", "config").ok


@pytest.mark.slow
def test_a_dead_child_is_replaced(tmp_path):
    folder = write(tmp_path, {"good.yaml": "a: 1\n"})
    with Composer() as composer:
        assert composer.compose(folder, "good", (), "1.3", "config").ok
        os.kill(composer._process.pid, 9)
        composer._process.wait()
        assert composer.compose(folder, "good", (), "1.3", "config").ok


@pytest.mark.slow
def test_a_request_never_gets_the_answer_to_another(tmp_path):
    slow = "b0: x\n" + "\n".join(f"b{n}: ${{b{n - 1}}}${{b{n - 1}}}" for n in range(1, 40))
    folder = write(tmp_path, {"slow.yaml": slow, "good.yaml": "a: 1\n"})
    with Composer(timeout=1.0) as composer:
        with pytest.raises(StageError):
            composer.compose(folder, "slow", (), "1.3", "config")
        assert composer.compose(folder, "good", (), "1.3", "config").config == {"a": 1}


def test_grammar_complaints(composer):
    messages = composer.parse(["run=a", "run=a b (c)", "x=", "x", "\0"])
    assert [message is None for message in messages] == [True, False, True, False, False]


@pytest.mark.parametrize("reference", ["a", "x.a", ".near", "..a", "...a", "..longer", "...x.a", "x[a]", "..rows[1]"])
def test_what_an_interpolation_refers_to_is_what_omegaconf_reads(reference):
    inner = {"near": "x.y.near", "asks": f"${{{reference}}}"}
    tree = {"a": "a", "x": {"a": "x.a", "longer": "x.longer", "rows": [0, "x.rows.1"], "y": inner}}
    read = OmegaConf.create(tree).x.y.asks
    assert ".".join(keys_of(reference, ("x", "y", "asks"))) == read
