"""The tricky cases of the rules on caches and on the evaluation: what must fire once, and what must not fire."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, MAIN, MODEL, PREPROCESS, PROPOSED, PYPROJECT, TRAIN, Case, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

CHILD = "    subprocess.run(command, check=True)\n"
WRITE_RUN = '    write_json(run_dir / "metrics.json", run)\n'
LOAD_CONFIG = "    config = OmegaConf.load(CONFIG_FILE)\n"
KEY_VALUE = '    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)\n'
HISTORY = "pd.DataFrame(list(run.scan_history()))"
NO_ARGV = Edit("parse_arguments(sys.argv[1:])", "parse_arguments([])")
NOT_COUNTED = Edit("len(arguments) != 2 or set(values)", "set(values)")
ARGPARSE = Edit("import json\nimport sys\n", "import argparse\nimport json\nimport sys\n")


def download(call: str, imported: str, **more: Edit) -> Tree:
    """The golden experiment whose data come from a call of a library."""
    edits = (Edit("import torch\n", f"import torch\n{imported}\n"), Edit("    digits = load_digits()\n", f"    digits = {call}\n"))
    return Tree({PREPROCESS: edits, **more})


def evaluation(old: str, new: str, *more: Edit) -> Tree:
    """The golden experiment with changes to the evaluation."""
    return Tree({EVALUATE: (Edit(old, new), *more)})


def before_writing(*lines: str) -> Tree:
    """The golden experiment whose evaluation does more before it writes the metrics of a run."""
    return evaluation(WRITE_RUN, "".join(f"    {line}\n" for line in lines) + WRITE_RUN)


def parser(*lines: str) -> Tree:
    """The golden experiment whose evaluation uses argparse."""
    text = "    parser = argparse.ArgumentParser()\n" + "".join(f"    {line}\n" for line in lines)
    return evaluation(KEY_VALUE, text, ARGPARSE, NO_ARGV, NOT_COUNTED)


BAD: list[Case] = [
    (
        "DAT101",
        "a tokenizer",
        download(f'AutoTokenizer.from_pretrained("bert-base-uncased"){HERE}', "from transformers import AutoTokenizer"),
    ),
    ("DAT101", "a name from the config", download(f"load_dataset(cfg.dataset.name){HERE}", "from datasets import load_dataset")),
    (
        "DAT101",
        "torchvision in another folder",
        download(f'torchvision.datasets.MNIST("./data", download=True){HERE}', "import torchvision"),
    ),
    (
        "DAT101",
        "timm with the variable of another library",
        download(f'timm.create_model("resnet18", pretrained=True){HERE}', "import os\nimport timm\nos.environ['TORCH_HOME'] = '.cache'"),
    ),
    (
        "DAT101",
        "timm where the run config asks for weights",
        Tree(
            {
                MODEL: (
                    Edit("import torch\n", "import timm\nimport torch\n"),
                    Edit(
                        "    return MultiLayerPerceptron(",
                        f"    timm.create_model('resnet18', pretrained=model_cfg.pretrained){HERE}\n    return MultiLayerPerceptron(",
                    ),
                ),
                PROPOSED: Edit("  name: mlp\n", "  name: mlp\n  pretrained: true\n"),
            }
        ),
    ),
    (
        "EVA101",
        "in a shell",
        Tree({MAIN: Edit(CHILD, f'{CHILD}    subprocess.call("python -m src.evaluate results_dir=x", shell=True){HERE}\n')}),
    ),
    (
        "EVA101",
        "by its file",
        Tree({MAIN: Edit(CHILD, f'{CHILD}    subprocess.call([sys.executable, "src/evaluate.py"]){HERE}\n')}),
    ),
    ("EVA102", "weights of a run", before_writing(f'(run_dir / "model.pt").read_bytes(){HERE}')),
    (
        "EVA102",
        "only if it is there",
        before_writing("local = run_dir / 'model.pt'", "if local.exists():", f"    local.read_bytes(){HERE}"),
    ),
    ("EVA102", "through os.path and open", before_writing(f'open(os.path.join(run_dir, "losses.csv")){HERE}')),
    ("EVA102", "an f-string", before_writing(f'pd.read_csv(f"{{run_dir}}/losses.csv"){HERE}')),
    (
        "EVA102",
        "the config that a run left behind",
        evaluation(LOAD_CONFIG, f'    config = OmegaConf.load(results_dir / "config.yaml"){HERE}\n'),
    ),
    (
        "EVA103",
        "options",
        parser(
            f'parser.add_argument("--results_dir", required=True){HERE}',
            'parser.add_argument("--run_ids", required=True)',
            "values = vars(parser.parse_args())",
        ),
    ),
    (
        "EVA103",
        "a text that is split elsewhere",
        parser(
            f'parser.add_argument("results_dir", type=Path){HERE}',
            'parser.add_argument("run_ids")',
            "values = vars(parser.parse_args())",
            'values["results_dir"].name.split("-")',
        ),
    ),
    (
        "EVA107",
        "within a function of the training",
        Tree({TRAIN: Edit("    model.train()\n", f"    import matplotlib.pyplot as plt{HERE}\n\n    model.train()\n")}),
    ),
    ("EVA107", "in a module that training imports", Tree({MODEL: Edit("import torch\n", f"import seaborn as sns{HERE}\nimport torch\n")})),
    ("EVA108", "with keys", evaluation(HISTORY, f"run.history(keys=HISTORY_KEYS, pandas=True){HERE}")),
]

GOOD: list[Case] = [
    ("DAT101", "a variable", download("load_dataset('mnist', cache_dir=folder)", "from datasets import load_dataset")),
    (
        "DAT101",
        "HF_HOME",
        download("load_dataset('mnist')", "import os\nfrom datasets import load_dataset\nos.environ['HF_HOME'] = '.cache'"),
    ),
    ("DAT101", "local files", download("load_dataset('json', data_files='a.json')", "from datasets import load_dataset")),
    ("DAT101", "a model that a run saved", download("AutoModel.from_pretrained(run_dir)", "from transformers import AutoModel")),
    ("DAT101", "keywords that are not told", download("load_dataset('mnist', **options)", "from datasets import load_dataset")),
    ("DAT101", "nothing is downloaded", download("torchvision.datasets.MNIST('./data', download=False)", "import torchvision")),
    ("DAT101", "images of one's own", download("torchvision.datasets.ImageFolder('./data')", "import torchvision")),
    (
        "DAT101",
        "what is there already",
        download("AutoModel.from_pretrained('bert', local_files_only=True)", "from transformers import AutoModel"),
    ),
    ("DAT101", "another load_dataset", download("load_dataset('mnist')", "from src.model import load_dataset")),
    ("DAT101", "timm without weights", download("timm.create_model('resnet18', pretrained=False)", "import timm")),
    ("DAT101", "timm where no config asks for weights", download("timm.create_model('resnet18', pretrained=pretrained)", "import timm")),
    (
        "DAT101",
        "a timm that still uses torch.hub",
        download(
            "timm.create_model('resnet18', pretrained=True)",
            "import timm",
            **{PYPROJECT: Edit('"pandas>=2.2"', '"timm==0.6.13",\n    "pandas>=2.2"')},
        ),
    ),
    (
        "DAT101",
        "a parameter that nobody gives",
        Tree(
            {
                PREPROCESS: (
                    Edit("def cache_path(dataset_cfg: DictConfig)", "def cache_path(dataset_cfg: DictConfig, cache_dir=None)"),
                    Edit("return Path(dataset_cfg.cache_dir)", "return Path('digits')"),
                )
            }
        ),
    ),
    (
        "EVA101",
        "a helper of the evaluation",
        Tree({TRAIN: Edit("import wandb\n", "import wandb\n\nfrom src.evaluate import write_json\n")}),
    ),
    ("EVA101", "in a message", Tree({MAIN: Edit(CHILD, CHILD + '    print("now: python -m src.evaluate")\n')})),
    ("EVA102", "its own file", before_writing('(run_dir / "metrics.json").read_text()')),
    (
        "EVA102",
        "its own figure's data",
        before_writing("run_dir.joinpath('curve.csv').write_text('')", "pd.read_csv(run_dir / 'curve.csv')"),
    ),
    (
        "EVA102",
        "what it has downloaded into the folder of results",
        before_writing("api.run('x').file('model.pt').download(root=run_dir)", "(run_dir / 'model.pt').read_bytes()"),
    ),
    (
        "EVA102",
        "what it has downloaded elsewhere",
        before_writing("run.file('model.pt').download(root='x')", "Path('x', 'model.pt').read_bytes()"),
    ),
    (
        "EVA102",
        "a file that no run writes, if it is there",
        before_writing("note = run_dir / 'note.txt'", "if note.exists():", "    note.read_text()"),
    ),
    ("EVA102", "one of two places", before_writing("path = run_dir / 'a.csv' if run else Path('data/a.csv')", "pd.read_csv(path)")),
    (
        "EVA102",
        "a copy of the config, or else the config",
        evaluation(
            LOAD_CONFIG,
            '    local = results_dir / "config.yaml"\n    config = OmegaConf.load(local if local.exists() else CONFIG_FILE)\n',
        ),
    ),
    (
        "EVA102",
        "the config by its relative path",
        evaluation(LOAD_CONFIG, '    config = OmegaConf.load("config/config.yaml")\n'),
    ),
    (
        "EVA103",
        "the name is cut off",
        parser(
            'parser.add_argument("results_dir")',
            'parser.add_argument("run_ids")',
            "given = vars(parser.parse_args())",
            'values = {key: value.split("=", 1)[-1] for key, value in given.items()}',
        ),
    ),
    (
        "EVA103",
        "all words",
        parser('parser.add_argument("overrides", nargs="*")', "values = OmegaConf.from_dotlist(parser.parse_args().overrides)"),
    ),
    (
        "EVA103",
        "a conversion of its own",
        parser(
            'parser.add_argument("results_dir", type=after_equals)', 'parser.add_argument("run_ids")', "values = vars(parser.parse_args())"
        ),
    ),
    ("EVA103", "what is left over", parser('parser.add_argument("--results_dir")', "values = dict(parser.parse_known_args()[1])")),
    (
        "EVA107",
        "within a function of a module that training imports",
        Tree({MODEL: Edit('    if name != "sgd":\n', '    import matplotlib\n\n    if name != "sgd":\n')}),
    ),
    (
        "EVA107",
        "a module that only the evaluation imports",
        Tree({"src/figures.py": "import matplotlib\n", EVALUATE: Edit("import wandb\n", "import wandb\n\nfrom src import figures\n")}),
    ),
    ("EVA108", "with samples", evaluation(HISTORY, "run.history(samples=10_000)")),
    ("EVA108", "another history", Tree({TRAIN: Edit("import wandb\n", "import wandb\n\nRUN.history()\n")})),
]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_fires_once_where_marked(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_stays_silent(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []
