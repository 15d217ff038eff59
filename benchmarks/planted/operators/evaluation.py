"""Defects of the families EVA and SCI."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, functions, plants

MAIN, TRAIN, EVALUATE = "src/main.py", "src/train.py", "src/evaluate.py"
RUN = r"^( +)run = api\.run\(f\"\{project_path\}/\{run_id\}\"\)$"
LOOP = r"^    for (run|result) in (runs|results):\n"


def mark_main(draft: Draft) -> None:
    draft.change(EVALUATE, r"^(def main\(.*)$", r"\1§")


@plants("EVA101")
def main_calls_evaluation(draft: Draft) -> None:
    draft.add_import(MAIN, "from src import evaluate")
    draft.change(MAIN, r'^(    .*\n)(\n\nif __name__ == "__main__":)', r"\1    evaluate.main()§\n\2")


@plants("EVA101")
def main_starts_evaluation(draft: Draft) -> None:
    draft.add_import(MAIN, "import subprocess")
    draft.add_import(MAIN, "import sys")
    draft.change(
        MAIN,
        r'^(    .*\n)(\n\nif __name__ == "__main__":)',
        r'\1    subprocess.run([sys.executable, "-m", "src.evaluate"], check=True)§\n\2',
    )


@plants("EVA102")
def reads_what_training_left(draft: Draft) -> None:
    name = draft.rng.choice(["history.json", "predictions.json"])
    draft.change(EVALUATE, LOOP, rf'    for \1 in \2:\n        print(json.loads((results_dir / \1["run_id"] / "{name}").read_text()))§\n')


@plants("EVA102")
def opens_a_table_of_training(draft: Draft) -> None:
    draft.change(
        EVALUATE,
        LOOP,
        r'    for \1 in \2:\n        with open(results_dir / \1["run_id"] / "losses.csv") as file:§\n            print(file.read())\n',
    )


def _parser(draft: Draft, prefix: str, name: str, arguments: str) -> None:
    """Replace how evaluation reads its command line by a plain argparse parser."""
    draft.add_import(EVALUATE, "import argparse")
    function = next((entry for entry in functions(draft.files[EVALUATE]) if entry.name.startswith("parse")), None)
    draft.need(function)
    assert function is not None
    typed = ", required=True" if prefix else ""
    draft.splice(
        EVALUATE,
        function,
        f'def {function.name}({arguments}):\n    parser = argparse.ArgumentParser()\n    parser.add_argument("{prefix}{name}"{typed})§\n'
        f'    parser.add_argument("{prefix}run_ids"{typed})§\n    given = parser.parse_args()\n    return Path(given.results_dir), json.loads(given.run_ids)',
    )
    draft.change(EVALUATE, rf"= {function.name}\(sys\.argv\[1:\]\)|= {function.name}\(\)", f"= {function.name}()")
    draft.files[EVALUATE] = draft.files[EVALUATE].replace("import sys\n", "")


@plants("EVA103")
def options_with_dashes(draft: Draft) -> None:
    _parser(draft, "--", "results_dir", "")


@plants("EVA103")
def plain_positionals(draft: Draft) -> None:
    _parser(draft, "", "results_dir", "")


@plants("EVA104")
def metrics_under_another_name(draft: Draft) -> None:
    draft.change(EVALUATE, r'"(metrics|aggregated_metrics)\.json"', '"numbers.json"')
    mark_main(draft)


@plants("EVA105")
def no_test(draft: Draft) -> None:
    function = next(entry for entry in functions(draft.files[EVALUATE]) if entry.name == "compare")
    key = re.search(r'float\(run\.summary\["(test_\w+)"\]\)', draft.files[EVALUATE])
    draft.need(key)
    assert key is not None
    draft.splice(
        EVALUATE,
        function,
        f'def compare(proposed, baseline):\n    return {{"improvement_rate": proposed["{key[1]}"] / baseline["{key[1]}"] - 1}}',
    )
    draft.change(EVALUATE, r"^from scipy\.stats import \w+\n", "")
    mark_main(draft)


@plants("EVA107")
def training_imports_plotting(draft: Draft) -> None:
    library = draft.rng.choice(["import matplotlib.pyplot as plt", "import seaborn as sns"])
    draft.change("src/train.py|src/main.py", r"^(import hydra)$", rf"\1\n{library}§")


@plants("EVA108")
def sampled(draft: Draft) -> None:
    draft.change(EVALUATE, r"^(.*)run\.scan_history\(\)(.*)$", r"\1run.history(pandas=False)\2§")


@plants("EVA109")
def summary_key_misspelt(draft: Draft) -> None:
    draft.change(EVALUATE, r'^(.*float\(run\.summary\[")test_(\w+)("\]\).*)$', r"\1\2_on_test\3§")


@plants("EVA109")
def history_key_misspelt(draft: Draft) -> None:
    draft.change(EVALUATE, r"^(.*)run\.scan_history\(\)(.*)$", r'\1run.scan_history(keys=["epoch", "validation_acc"])\2§')


@plants("EVA109")
def training_logs_another_key(draft: Draft) -> None:
    draft.change(TRAIN, r'(wandb\.log\(\{(?:"test_loss": \w+, )?)"test_(\w+)":', r'\1"final/\2":')
    key = re.search(r'"final/(\w+)":', draft.files[TRAIN])
    assert key is not None
    draft.need(f"test_{key[1]}" not in draft.text("src/train.py|src/model.py|src/preprocess.py|config/*"))
    draft.change(EVALUATE, rf'^(.*run\.summary\["test_{key[1]}"\].*)$', r"\1§")


@plants("EVA112")
def random_results_for_a_missing_run(draft: Draft) -> None:
    draft.add_import(EVALUATE, "import random")
    draft.change(
        EVALUATE,
        RUN,
        r'\1try:\n\1    run = api.run(f"{project_path}/{run_id}")\n\1except Exception:\n\1    return {"run_id": run_id, "accuracy": random.random()}§',
    )


@plants("EVA112")
def written_result_for_a_missing_run(draft: Draft) -> None:
    draft.change(
        EVALUATE,
        RUN,
        r'\1try:\n\1    run = api.run(f"{project_path}/{run_id}")\n\1except Exception:\n\1    return {"run_id": run_id, "test_accuracy": 0.873}§',
    )


@plants("EVA113")
def every_run_of_the_project(draft: Draft) -> None:
    function = next(entry for entry in functions(draft.files[EVALUATE]) if entry.name.startswith("parse"))
    draft.splice(EVALUATE, function, f'def {function.name}(arguments):\n    return Path(arguments[0].removeprefix("results_dir=")), []')
    draft.change(EVALUATE, rf"^    (\w+), \w+ = {function.name}\(.*\)$", rf"    \1, _ = {function.name}(__import__('sys').argv[1:])")
    draft.change(
        EVALUATE,
        r"^    (\w+) = \[(\w+)\(api, (.*), run_id\) for run_id in run_ids\]$",
        r"    \1 = [\2(api, \3, run.id) for run in api.runs(\3)]§",
    )


@plants("SCI105")
def test_of_one_number(draft: Draft) -> None:
    key = re.search(r'float\(run\.summary\["(test_\w+)"\]\)', draft.files[EVALUATE])
    draft.need(key)
    assert key is not None
    test = draft.rng.choice(["ttest_ind", "ttest_rel", "wilcoxon"])
    draft.change(
        EVALUATE,
        r"^from scipy\.stats import (\w+)$",
        rf"from scipy.stats import \1, {test}"
        if test != "wilcoxon" or "wilcoxon" not in draft.files[EVALUATE]
        else r"from scipy.stats import \1",
    )
    draft.change(
        EVALUATE,
        r'^(    )return \{\n        "proposed":',
        rf'\1print({test}([proposed["{key[1]}"]], [baseline["{key[1]}"]]))§\n\1return {{\n        "proposed":',
    )
