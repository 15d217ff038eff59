"""The tricky cases of the rules that read Hydra entry points off the text: what must fire once, and what must not fire."""

from __future__ import annotations

import pytest
from rule_cases import CONFIG, HERE, MAIN, MODEL, PREPROCESS, PROPOSED, PYPROJECT, TRAIN, Case, findings_of, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

HYDRA_MAIN = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")'
CHILD = "    subprocess.run(command, check=True)\n"
CHILD_HERE = CHILD.replace("\n", f"{HERE}\n")
NO_VERSION_BASE = Edit(HYDRA_MAIN, '@hydra.main(config_path="../config", config_name="config")')


def train(*edits: Edit) -> Tree:
    """The golden experiment with changes to training."""
    return Tree({TRAIN: edits})


BAD: list[Case] = [
    ("HYD101", "no config name", train(Edit(HYDRA_MAIN, f'@hydra.main(version_base="1.3", config_path="../config"){HERE}'))),
    ("HYD101", "no config path", train(Edit(HYDRA_MAIN, f'@hydra.main(version_base="1.3", config_name="config"){HERE}'))),
    ("HYD101", "the folder of another project", train(Edit(HYDRA_MAIN, f'@hydra.main("conf", "config", None){HERE}'))),
    (
        "HYD108",
        "the learning rate by place",
        Tree({MODEL: Edit('        lr=settings["learning_rate"],\n', f"        0.05,{HERE}\n")}),
    ),
    (
        "HYD108",
        "the batch size",
        Tree({PREPROCESS: Edit("            batch_size=dataset_cfg.batch_size,", f"            batch_size=64,{HERE}")}),
    ),
    (
        "HYD108",
        "epochs",
        train(Edit("    epochs = 1 if cfg.trial_mode else cfg.run.training.epochs\n", f"    epochs = 15{HERE}\n")),
    ),
    ("HYD109", "no version_base", Tree({MAIN: (NO_VERSION_BASE, Edit(CHILD, CHILD_HERE))})),
    (
        "HYD109",
        "chdir in the config",
        Tree({CONFIG: Edit("wandb:\n", "hydra: {job: {chdir: true}}\nwandb:\n"), MAIN: Edit(CHILD, CHILD_HERE)}),
    ),
    (
        "HYD109",
        "an environment that says nothing of paths",
        Tree({MAIN: (NO_VERSION_BASE, Edit(CHILD, f"    subprocess.run(command, check=True, env={{'WANDB_MODE': 'offline'}}){HERE}\n"))}),
    ),
]

GOOD: list[Case] = [
    ("HYD101", "by place", train(Edit(HYDRA_MAIN, '@hydra.main("../config", "config", "1.3")'))),
    (
        "HYD101",
        "a folder that is computed",
        train(Edit(HYDRA_MAIN, '@hydra.main(version_base=None, config_path=str(Path("x")), config_name="c")')),
    ),
    (
        "HYD101",
        "imported under another name",
        train(Edit("import hydra\n", "from hydra import main as entry\n"), Edit(HYDRA_MAIN, HYDRA_MAIN.replace("hydra.main", "entry"))),
    ),
    (
        "HYD101",
        "main hands its arguments on",
        Tree({MAIN: "import subprocess\nimport sys\n\nsubprocess.run([sys.executable, '-m', 'src.train', *sys.argv[1:]], check=True)\n"}),
    ),
    ("HYD101", "main calls the training's entry point", Tree({MAIN: "from src.train import main\n\nmain()\n"})),
    (
        "HYD101",
        "composed by hand",
        Tree({MAIN: "from hydra import compose, initialize\n\nwith initialize('../config'):\n    compose('config')\n"}),
    ),
    (
        "HYD108",
        "another key than the config's",
        Tree({MODEL: Edit("        model.parameters(),\n", "        model.parameters(),\n        dampening=0.0,\n")}),
    ),
    (
        "HYD108",
        "a second optimiser",
        Tree(
            {
                MODEL: Edit(
                    "    return torch.optim.SGD(\n",
                    "    helper = torch.optim.Adam(model.parameters(), lr=0.001)\n    return torch.optim.SGD(\n",
                )
            }
        ),
    ),
    (
        "HYD108",
        "a trial",
        Tree(
            {
                PREPROCESS: Edit(
                    "    loaders = {}\n",
                    "    if trial_mode:\n        return {'test': DataLoader(TensorDataset(torch.ones(4)), batch_size=2)}\n    loaders = {}\n",
                )
            }
        ),
    ),
    (
        "HYD108",
        "a split of its own",
        train(
            Edit(
                "    loaders = build_loaders(cfg.run.dataset",
                "    torch.Generator().manual_seed(0)\n    loaders = build_loaders(cfg.run.dataset",
            )
        ),
    ),
    ("HYD109", "version_base is None", Tree({MAIN: Edit(HYDRA_MAIN, HYDRA_MAIN.replace('"1.3"', "None"))})),
    ("HYD109", "chdir switched off", Tree({MAIN: NO_VERSION_BASE, CONFIG: Edit("wandb:\n", "hydra: {job: {chdir: false}}\nwandb:\n")})),
    ("HYD109", "the job's folder is here", Tree({MAIN: NO_VERSION_BASE, CONFIG: Edit("wandb:\n", "hydra: {run: {dir: .}}\nwandb:\n")})),
    ("HYD109", "PYTHONPATH is set", Tree({MAIN: (NO_VERSION_BASE, Edit(CHILD, "    subprocess.run(command, env={'PYTHONPATH': '/'})\n"))})),
    (
        "HYD109",
        "the package is installed",
        Tree(
            {MAIN: NO_VERSION_BASE, PYPROJECT: Edit("[tool.uv]\npackage = false", '[tool.hatch.build.targets.wheel]\npackages = ["src"]')}
        ),
    ),
    (
        "HYD109",
        "two folders up",
        Tree(
            {
                MAIN: (
                    Edit("import sys\n", "import sys\nfrom pathlib import Path\n"),
                    Edit(CHILD, "    subprocess.run(command, cwd=Path(__file__).resolve().parents[1])\n"),
                )
            }
        ),
    ),
    (
        "HYD109",
        "paths that are made absolute",
        Tree(
            {
                CONFIG: Edit("wandb:\n", "hydra: {job: {chdir: true}}\nwandb:\n"),
                MAIN: Edit(CHILD, "    subprocess.run(command, cwd=hydra.utils.get_original_cwd())\n"),
                TRAIN: Edit(
                    "    run_dir.mkdir(parents=True, exist_ok=True)\n",
                    '    run_dir.mkdir()\n    open(hydra.utils.to_absolute_path("config/config.yaml"))\n'
                    '    (Path(hydra.utils.get_original_cwd()) / "config" / "config.yaml").read_text()\n',
                ),
            }
        ),
    ),
    (
        "HYD109",
        "a file that is read before Hydra starts",
        Tree(
            {
                MAIN: (
                    NO_VERSION_BASE,
                    Edit("# These three are", 'open("config/config.yaml").close()\n# These three are'),
                    Edit(CHILD, "    subprocess.run(command, cwd=hydra.utils.get_original_cwd())\n"),
                )
            }
        ),
    ),
]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_fires_once_where_marked(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_stays_silent(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []


def test_an_id_that_only_a_child_gets_unquoted_is_shown_where_it_is_set(golden: dict[str, str], composer: Composer) -> None:
    quoting = (
        'if __name__ == "__main__":\n'
        "    for place, argument in enumerate(sys.argv):\n"
        '        if argument.startswith("run="):\n'
        '            sys.argv[place] = "run=\'" + argument[4:] + "\'"\n'
    )
    run = "config/run/proposed-mlp (64 units).yaml"
    files = {path: text for path, text in golden.items() if path != PROPOSED}
    files[MAIN] = golden[MAIN].replace('if __name__ == "__main__":\n', quoting)
    files[run] = golden[PROPOSED].replace("proposed-mlp-digits", "proposed-mlp (64 units)")
    (finding,) = findings_of(files, "HYD103", composer, plan=None)
    assert finding.location.path == MAIN
    assert [related.location.path for related in finding.related] == [run]


def test_keys_of_a_run_config_that_the_code_loads_itself(composer: Composer) -> None:
    files = {
        CONFIG: "defaults: [_self_]\nrun: null\nmode: full\nresults_dir: results\ntraining: {lr: 0.1}\n",
        "config/runs/a.yaml": "run_id: a\ntraining:\n  lr: 0.2\n  warmup: 3\nmodel:\n  width: 8\n  depth: 2\n",
        TRAIN: (
            "import hydra\nfrom omegaconf import OmegaConf\n\n\n"
            f"{HYDRA_MAIN}\ndef main(cfg):\n    OmegaConf.set_struct(cfg, False)\n"
            '    cfg = OmegaConf.merge(cfg, OmegaConf.load(f"config/runs/{cfg.run}.yaml"))\n'
            "    print(cfg.run_id, cfg.mode, cfg.results_dir, cfg.training.lr, cfg.model.width)\n\n\n"
            'if __name__ == "__main__":\n    main()\n'
        ),
        MAIN: (
            "import subprocess\nimport sys\n\nimport hydra\n\n\n"
            f"{HYDRA_MAIN}\ndef main(cfg):\n"
            '    subprocess.run([sys.executable, "-m", "src.train", f"run={cfg.run}", f"mode={cfg.mode}"], check=True)\n\n\n'
            'if __name__ == "__main__":\n    main()\n'
        ),
    }
    found = findings_of(files, "HYD105", composer, plan=None)
    assert [(str(finding.location), finding.message) for finding in found] == [
        ("config/runs/a.yaml:4", "nothing reads `training.warmup` of the run config"),
        ("config/runs/a.yaml:7", "nothing reads `model.depth` of the run config"),
    ]
