"""How programs of a project are started: documents and scripts count, a bare start that they don't show does not."""

from __future__ import annotations

import json

import pytest
from experiments_of_texts import experiment_of

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.project.documented import documented_starts
from gonogo.analysis.project.shell import split_commands
from gonogo.analysis.python.modules import load_modules
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.verdict import Outcome, Verdict

PROGRAM = """import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="main")
def start(cfg):
    print(cfg.extra.rate)


if __name__ == "__main__":
    start()
"""
LAUNCH = {
    "version": "0.2.0",
    "configurations": [
        {"name": "a", "type": "debugpy", "program": "${workspaceFolder}/train.py", "args": ["+experiment=tuned"]},
    ],
}
TREE = {
    "train.py": PROGRAM,
    "conf/main.yaml": "extra:\n  flag: false\n",
    "conf/experiment/tuned.yaml": "# @package _global_\nextra:\n  rate: 0.1\n",
    "conf/small.yaml": "extra:\n  rate: 0.1\n",
    "other/small.yaml": "extra:\n  rate: 0.1\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["hydra-core"]\n[project.scripts]\ngo-train = "train:start"\n',
}
ELSEWHERE = {"README.md": "    python train.py extra.flag=true\n"}  # an undocumented program in the same tree is nobody's business


def judged(composer: Composer, files: dict[str, str], *entries: str) -> Verdict:
    return check(experiment_of(files), CheckOptions(contract="generic", entries=entries), composer)


def errors(verdict: Verdict) -> list[str]:
    return [f"{finding.rule} {finding.location.path}:{finding.location.line}" for finding in verdict.findings if finding.blocks]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "    python train.py +experiment=tuned\n"),
        ("README.md", "Run `python train.py +experiment=tuned` to train it.\n"),
        ("README.md", "```bash\n$ CUDA_VISIBLE_DEVICES=0 python3 -u train.py \\\n    +experiment=tuned  # as in the paper\n```\n"),
        ("README.md", "    python -m train +experiment=tuned\n"),
        ("README.md", "    torchrun --nproc_per_node=8 train.py +experiment=tuned\n"),
        ("README.md", "    python -m torch.distributed.run --nproc_per_node 8 train.py +experiment=tuned\n"),
        ("README.md", "    accelerate launch --config_file acc.yaml train.py +experiment=tuned\n"),
        ("README.md", "    go-train +experiment=tuned\n"),
        ("README.md", "    python train.py +experiment=<name>\n"),
        ("README.md", "    python train.py --config-name=small\n    python train.py -cn small extra.rate=1,2 -m\n"),
        ("README.md", "    python train.py --config-path other --config-name small\n"),
        ("README.md", "    python train.py -cp=other -cn=small\n"),
        ("docs/start.rst", "Start it::\n\n    python train.py --config-dir=other --config-name=small\n"),
        ("scripts/go.sh", '#!/bin/bash\nEXP=$1\nfor i in 1 2; do srun python train.py +experiment="$EXP" "$@" > log.txt; done\n'),
        ("job.sbatch", "#SBATCH --time=1\nsrun python -u train.py +experiment=tuned || exit 1\n"),
        ("Makefile", "train:\n\t@python train.py +experiment=tuned $(ARGS)\n"),
        (".github/workflows/ci.yml", "jobs:\n  a:\n    steps:\n      - run: python train.py +experiment=tuned\n"),
        (".vscode/launch.json", "// how to debug\n" + json.dumps(LAUNCH).replace("]}", "],}")),
        ("README.md", "    python train.py $ARGS\n"),
        ("README.md", "    python train.py [overrides]\n"),
        ("README.md", "    uv run train.py +experiment=tuned\n    python train.py --help\n    python train.py --cfg job\n"),
    ],
)
def test_a_bare_start_that_nobody_documents_counts_for_nothing(composer: Composer, path: str, text: str) -> None:
    verdict = judged(composer, {**TREE, path: text})
    assert errors(verdict) == []
    assert not [run for run in verdict.runs if run == "train.py"]


def test_a_docstring_documents_its_program(composer: Composer) -> None:
    text = f'"""Train.\n\nUsage:\n    python train.py +experiment=tuned\n"""\n{PROGRAM}'
    assert judged(composer, {**TREE, "train.py": text}).runs == ["train.py +experiment=tuned"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "    python train.py\n    python train.py +experiment=tuned\n"),
        ("README.md", "    python train.py extra.flag=true\n"),
        ("scripts/go.sh", "python train.py extra.flag=$1\n"),
        ("README.md", "    python train.py --config-name main\n"),
        ("README.md", "    python train.py --config-path=more --config-name=main\n"),
        ("README.md", "    python train.py -m extra.flag=true,false\n"),
        ("Makefile", "all:\n\tpython train.py\n"),
        (".vscode/launch.json", json.dumps(LAUNCH).replace("+experiment=tuned", "extra.flag=true")),
    ],
)
def test_a_documented_start_that_fails_is_an_error(composer: Composer, path: str, text: str) -> None:
    verdict = judged(composer, {**TREE, "more/main.yaml": "extra: {flag: true}\n", path: text})
    assert errors(verdict) == ["HYD104 train.py:6"]


def test_what_a_document_says_may_be_out_of_date(composer: Composer) -> None:
    text = "    python train.py model=big\n    python train.py +experiment=nothing\n    python train.py --config-name=gone\n"
    files = {**TREE, "conf/main.yaml": "extra:\n  rate: 1\n", "README.md": text}
    verdict = judged(composer, files)
    assert errors(verdict) == []
    assert "train.py" in verdict.runs  # as nothing else is left


def test_one_program_that_has_no_start_of_its_own(composer: Composer) -> None:
    """A key that only a group which nobody chose brings is not known to be absent where nobody says how the program is started."""
    assert errors(judged(composer, TREE)) == []
    without = {path: text for path, text in TREE.items() if path != "conf/experiment/tuned.yaml"}
    assert errors(judged(composer, without)) == ["HYD104 train.py:6"]


def test_every_value_of_a_sweep_is_a_run(composer: Composer) -> None:
    files = {
        **TREE,
        "conf/size/a.yaml": "rate: 1\n",
        "conf/size/b.yaml": "speed: 1\n",
        "README.md": "    python train.py -m +size@extra=a,b\n",
    }
    verdict = judged(composer, files)
    assert set(verdict.runs) == {"train.py +size@extra=a", "train.py +size@extra=b", "train.py experiment=tuned"}
    assert errors(verdict) == ["HYD104 train.py:6"]
    assert verdict.findings[0].runs == ["train.py +size@extra=b"]


@pytest.mark.parametrize("words", ["--config-name=small", "-cn small", "--config-path other --config-name small", "+experiment=tuned"])
def test_an_entry_is_named_with_its_command_line(composer: Composer, words: str) -> None:
    verdict = judged(composer, TREE, f"train.py {words}")
    assert verdict.outcome is Outcome.GO
    assert verdict.runs[0].startswith("train.py ")
    assert "train.py" not in verdict.runs


def test_words_of_shell() -> None:
    def words(text: str) -> list[list[str]]:
        return [each for each in split_commands(text) if each]

    assert words("a='${x.y}' b=\"$Z/1\" c=$(pwd)/x") == [["a=${x.y}", f"b={FILLER}/1", f"c={FILLER}/x"]]
    assert words("cd x && python t.py 2>&1 > log a=1 | tee y; true") == [["cd", "x"], ["python", "t.py", "a=1"], ["tee", "y"], ["true"]]
    assert words("python t.py a={b:1} d={name} e=<path> # no") == [["python", "t.py", "a={b:1}", f"d={FILLER}", f"e={FILLER}"]]
    assert words('python t.py "+a=[1, 2]" it\'s') == [["python", "t.py", "+a=[1, 2]", "it's"]]
    assert words("x=a\\ b $@") == [["x=a b", FILLER]]


def test_a_path_in_a_document_is_found_from_its_folder() -> None:
    files = {"a/run.py": PROGRAM, "b/run.py": PROGRAM, "b/README.md": "python run.py x=1\n", "README.md": "python run.py x=2\n"}
    experiment = experiment_of(files)
    programs = {path: frozenset({"start"}) for path in ("a/run.py", "b/run.py")}
    found = documented_starts(experiment, load_modules(experiment), programs)
    assert {path: [start.line.overrides for start in starts] for path, starts in found.items()} == {"b/run.py": [("x=1",)]}


def test_not_every_option_of_a_choice_left_to_the_reader_is_meant(composer: Composer) -> None:
    base = {"conf/experiment/base.yaml": "# @package _global_\ndefaults:\n  - override /net: nowhere\n"}
    verdict = judged(composer, {**TREE, **base, "README.md": "    python train.py +experiment=<name>\n"})
    assert verdict.outcome is Outcome.GO
