"""Working directories and search paths of children: what must be found once, and what must not be."""

from __future__ import annotations

import pytest
from rule_cases import CONFIG, HERE, MAIN, PYPROJECT, TRAIN, Case, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

HYDRA_MAIN = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")'
CHILD = "    subprocess.run(command, check=True)\n"
COMMAND = '    command = [sys.executable, "-u", "-m", "src.train", *build_overrides(cfg)]\n'
PATHLIB = Edit("import sys\n", "import os\nimport sys\nfrom pathlib import Path\n")
OLD_BASE = Edit(HYDRA_MAIN, '@hydra.main(version_base="1.1", config_path="../config", config_name="config")')
NO_BASE = Edit(HYDRA_MAIN, '@hydra.main(config_path="../config", config_name="config")')
RUN_DIR = "    run_dir = Path(cfg.results_dir) / cfg.run.run_id\n"
CHDIR = Edit("wandb:\n", "hydra: {job: {chdir: true}}\nwandb:\n")
CWD = Edit(CHILD, "    subprocess.run(command, check=True, cwd=hydra.utils.get_original_cwd())\n")
ON_PATH = Edit("import hydra\n", "import sys\nsys.path.insert(0, str(Path(__file__).resolve().parents[1]))\nimport hydra\n")
BUILT = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n\n'


def script(path: str, here: str = HERE, before: str = "", call: str = CHILD) -> tuple[Edit, ...]:
    """The child started by its file."""
    return (
        PATHLIB,
        Edit(COMMAND, f'{before}    command = [sys.executable, "-u", {path}, *build_overrides(cfg)]\n'),
        Edit(CHILD, call.replace("\n", f"{here}\n")),
    )


def lost(line: str, *others: Edit, base: Edit = OLD_BASE) -> Tree:
    """Training in the folder of the job."""
    return Tree({TRAIN: (base, Edit(RUN_DIR, line), *others)})


BESIDE = 'str(Path(__file__).parent / "train.py")'
BAD: list[Case] = [
    ("HYD109", "a script beside", Tree({MAIN: script(BESIDE)})),
    ("HYD109", "a script in text", Tree({MAIN: script('"src/train.py"')})),
    ("HYD109", "a script from its folder", Tree({MAIN: script('os.path.join(os.path.dirname(__file__), "train.py")')})),
    ("HYD109", "a script by name", Tree({MAIN: script("str(place)", before='    place = Path(__file__).with_name("train.py")\n')})),
    ("HYD109", "a script in an f-string", Tree({MAIN: script("f'{place}/train.py'", before="    place = Path(__file__).parent\n")})),
    ("HYD109", "a script, elsewhere", Tree({MAIN: script(BESIDE, call='    subprocess.check_call(command, cwd="/")\n')})),
    ("HYD109", "a script with Popen", Tree({MAIN: script(BESIDE, call="    subprocess.Popen(command).wait()\n")})),
    (
        "HYD109",
        "only what lies in `src` is installed",
        Tree(
            {
                PYPROJECT: Edit("[tool.uv]\npackage = false", BUILT + '[tool.setuptools]\npackage-dir = { "" = "src" }'),
                MAIN: (NO_BASE, Edit(CHILD, CHILD.replace("\n", f"{HERE}\n"))),
            }
        ),
    ),
    (
        "HYD109",
        "only what is found in `src` is installed",
        Tree(
            {
                PYPROJECT: Edit("[tool.uv]\npackage = false", BUILT + '[tool.setuptools.packages.find]\nwhere = ["src"]\ninclude = ["*"]'),
                MAIN: (NO_BASE, Edit(CHILD, CHILD.replace("\n", f"{HERE}\n"))),
            }
        ),
    ),
    (
        "HYD109",
        "what the child makes absolute",
        Tree(
            {
                MAIN: (OLD_BASE, *script(BESIDE)),
                TRAIN: (
                    ON_PATH,
                    Edit(RUN_DIR, f'{RUN_DIR}    print(OmegaConf.load(hydra.utils.to_absolute_path("config/config.yaml")))\n'),
                ),
            }
        ),
    ),
    ("HYD113", "by name", lost(RUN_DIR.replace("\n", f"{HERE}\n"))),
    ("HYD113", "no version_base", lost(RUN_DIR.replace("\n", f"{HERE}\n"), base=NO_BASE)),
    ("HYD113", "by key", lost(f'    run_dir = Path(cfg["results_dir"]) / cfg.run.run_id{HERE}\n')),
    ("HYD113", "as text", lost(f"    run_dir = Path(str(cfg.results_dir), cfg.run.run_id){HERE}\n")),
    (
        "HYD113",
        "os.path.join",
        lost(
            f"    run_dir = Path(os.path.join(cfg.results_dir, cfg.run.run_id)){HERE}\n",
            Edit("import hydra\n", "import os\nimport hydra\n"),
        ),
    ),
    (
        "HYD113",
        "in a helper function",
        lost(
            "    run_dir = folder_of(cfg)\n",
            Edit(OLD_BASE.new, f"def folder_of(cfg):\n    return Path(cfg.results_dir) / cfg.run.run_id{HERE}\n\n\n{OLD_BASE.new}"),
        ),
    ),
    (
        "HYD113",
        "chdir in the config",
        Tree({CONFIG: CHDIR, MAIN: CWD, TRAIN: Edit(RUN_DIR, RUN_DIR.replace("\n", f"{HERE}\n"))}),
    ),
]
GOOD: list[Case] = [
    ("HYD109", "a script that changes its path", Tree({MAIN: script(BESIDE, here=""), TRAIN: ON_PATH})),
    ("HYD109", "PYTHONPATH", Tree({MAIN: script(BESIDE, here="", call='    subprocess.run(command, env={"PYTHONPATH": "."})\n')})),
    ("HYD109", "an environment", Tree({MAIN: script(BESIDE, here="", call="    subprocess.run(command, env=dict(os.environ))\n")})),
    ("HYD109", "unknown keywords", Tree({MAIN: script(BESIDE, here="", call="    subprocess.run(command, **{'check': True})\n")})),
    (
        "HYD109",
        "`src` is installed",
        Tree(
            {
                PYPROJECT: Edit("[tool.uv]\npackage = false", BUILT + '[tool.setuptools]\npackages = ["src"]'),
                MAIN: script(BESIDE, here=""),
            }
        ),
    ),
    (
        "HYD109",
        "`src` is installed from the root",
        Tree(
            {
                PYPROJECT: Edit("[tool.uv]\npackage = false", BUILT + '[tool.setuptools]\npackage-dir = { "" = "." }'),
                MAIN: script(BESIDE, here=""),
            }
        ),
    ),
    ("HYD113", "made absolute", lost("    run_dir = Path(hydra.utils.to_absolute_path(cfg.results_dir)) / cfg.run.run_id\n")),
    (
        "HYD113",
        "made absolute under another name",
        lost("    wanted = cfg.results_dir\n    run_dir = Path(hydra.utils.to_absolute_path(wanted)) / cfg.run.run_id\n"),
    ),
    ("HYD113", "from where it was", lost("    run_dir = Path(hydra.utils.get_original_cwd()) / cfg.results_dir / cfg.run.run_id\n")),
    (
        "HYD113",
        "made absolute by what starts it",
        Tree(
            {
                MAIN: Edit("quoted(cfg.results_dir)", "quoted(hydra.utils.to_absolute_path(cfg.results_dir))"),
                TRAIN: OLD_BASE,
            }
        ),
    ),
    ("HYD113", "version_base is None", Tree({TRAIN: Edit(HYDRA_MAIN, HYDRA_MAIN.replace('"1.3"', "None"))})),
    ("HYD113", "the job's folder is here", Tree({CONFIG: Edit("wandb:\n", "hydra: {run: {dir: .}}\nwandb:\n"), TRAIN: NO_BASE})),
    ("HYD113", "chdir switched off", Tree({CONFIG: Edit("wandb:\n", "hydra: {job: {chdir: false}}\nwandb:\n"), TRAIN: NO_BASE})),
]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_found_where_it_is(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_left_alone(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []
