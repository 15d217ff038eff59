"""Defects of the family HYD."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, plants

SHARED = "config/config.yaml"
MAIN, TRAIN = "src/main.py", "src/train.py"
TRAINING = "src/train.py|src/model.py|src/preprocess.py"
DECORATED = r"@hydra\.main\(version_base=\"1\.3\", config_path=\"\.\./config\", config_name=\"config\"\)"
CHILD = r"subprocess\.(?:run|Popen|check_call)\("
SECTIONS = ("training", "dataset", "model", "optuna")
# What the golden experiments call a section of the run, or the config itself.
OWNER = r"(?:self\.)?(?:cfg|root)(?:\.run)?(?:\.\w+)?|training|dataset_cfg|model_cfg|training_cfg|dataset|model|data"


def starts_child(draft: Draft) -> bool:
    return re.search(CHILD, draft.files[MAIN]) is not None


def begin_main(draft: Draft, path: str, line: str) -> None:
    """Put a statement first into the function under `@hydra.main`."""
    draft.change(path, r"^(@hydra\.main\(.*\)\ndef \w+\(cfg.*:\n(?:    \"\"\".*\"\"\"\n)?)", lambda match: f"{match[1]}    {line}\n")


def leaves(draft: Draft) -> list[tuple[str, str]]:
    """Sections and keys of the proposed run, outside the search space."""
    found, section = [], ""
    for line in draft.files[draft.run_file()].splitlines():
        if match := re.match(r"^(\w+):$", line):
            section = match[1]
        elif (match := re.match(r"^  (\w+): \S", line)) and section in SECTIONS:
            found.append((section, match[1]))
    return found


@plants("HYD101")
def config_path_wrong(draft: Draft) -> None:
    draft.change("src/main.py|src/train.py", DECORATED, '@hydra.main(version_base="1.3", config_path="config", config_name="config")§')


@plants("HYD101")
def config_name_wrong(draft: Draft) -> None:
    draft.change("src/main.py|src/train.py", DECORATED, '@hydra.main(version_base="1.3", config_path="../config", config_name="base")§')


@plants("HYD101")
def version_base_missing(draft: Draft) -> None:
    draft.change("src/main.py|src/train.py", DECORATED, '@hydra.main(config_path="../config", config_name="config")§')


@plants("HYD102")
def run_group_missing(draft: Draft) -> None:
    draft.change(SHARED, r"^defaults:\n  - _self_\n  - run: \?\?\?$", "defaults:§\n  - _self_")


@plants("HYD102")
def group_that_is_not_there(draft: Draft) -> None:
    draft.change(SHARED, r"^  - run: \?\?\?$", "  - run: ???\n  - optimizer: sgd§")


@plants("HYD103")
def brackets_in_run_id(draft: Draft) -> None:
    path = draft.run_file()
    old = path.rpartition("/")[2].removesuffix(".yaml")
    new = f"{old} (v2)"
    text = draft.files.pop(path)
    draft.plan = draft.plan.replace(old, new)
    draft.files[f"config/run/{new}.yaml"] = text.replace(f"run_id: {old}", f"run_id: {new}§")


@plants("HYD104")
def key_misspelt(draft: Draft) -> None:
    keys = "|".join(sorted({key for _, key in leaves(draft)} - {"name", "metric"}))
    draft.change(TRAINING, rf"(?<![\w.])((?:{OWNER})\.)({keys})\b(?!\()(.*)$", r"\1\2_value\3§")


@plants("HYD104")
def section_skipped(draft: Draft) -> None:
    draft.change(TRAINING, r"\bcfg\.run\.(training|dataset|model|optuna)\b(.*)$", r"cfg.\1\2§")


@plants("HYD104")
def section_of_another_name(draft: Draft) -> None:
    draft.change(TRAIN, r"\bcfg(\.run)?\.training\.(\w+)\b(.*)$", r"cfg\1.train.\2\3§")


@plants("HYD104")
def key_renamed_in_the_runs(draft: Draft) -> None:
    key = draft.rng.choice(sorted({key for section, key in leaves(draft) if section in ("training", "dataset") and key != "name"}))
    draft.change(TRAINING, rf"(?<![\w.])((?:{OWNER})\.{key}\b(?!\().*)$", r"\1§", every=True)
    draft.change("config/run/*", rf"^  {key}:", f"  {key}_setting:", every=True)


@plants("HYD105")
def key_that_nothing_reads(draft: Draft) -> None:
    draft.need("TrainingSettings(**" not in draft.text(TRAINING))
    draft.change(draft.run_file(), r"^(  epochs: \d+|  source_epochs: \d+)$", r"\1\n  warmup_steps: 100§")


@plants("HYD105")
def checkpoint_that_nothing_loads(draft: Draft) -> None:
    draft.need("ModelSettings(**" not in draft.text(TRAINING) and "checkpoint" not in draft.text("src/*.py"))
    draft.change(draft.run_file(), r"^(model:\n)", r"\1  pretrained_checkpoint: weights.pt§\n")


@plants("HYD106")
def override_of_no_key(draft: Draft) -> None:
    draft.need(starts_child(draft))
    if '"wandb.mode=disabled"' in draft.files[MAIN]:
        draft.change(MAIN, r'^(.*)"wandb\.mode=disabled"(.*)$', r'\1"trainer.max_epochs=1"\2§')
    else:
        draft.change(MAIN, r"^( +)(command\.append\(.*\))$", r'\1\2\n\1command.append("trainer.max_epochs=1")§')


@plants("HYD106")
def documented_override_refused(draft: Draft) -> None:
    draft.change(SHARED, r"^trial_mode: false\n", "")
    draft.change("src/*.py", r"\bself\.trial_mode = cfg\.trial_mode|cfg\.trial_mode", lambda match: match[0], every=True)
    draft.expect(SHARED)


@plants("HYD107")
def new_key_assigned(draft: Draft) -> None:
    key = draft.rng.choice(["max_batches", "device", "num_epochs"])
    begin_main(draft, draft.rng.choice([MAIN, TRAIN]), f"cfg.{key} = 2§")


@plants("HYD107")
def new_key_in_trial_mode(draft: Draft) -> None:
    begin_main(draft, MAIN, "if cfg.trial_mode:\n        cfg.wandb.silent = True§")


@plants("HYD108")
def learning_rate_written_out(draft: Draft) -> None:
    draft.change(TRAINING, r"\blr=[\w.]+(?:\[\"\w+\"\])?(.*)$", r"lr=0.01\1§", every=True)


@plants("HYD108")
def seed_written_out(draft: Draft) -> None:
    draft.change(TRAINING, r"\btorch\.manual_seed\(.*\)$", "torch.manual_seed(42)§", every=True)


@plants("HYD108")
def batch_size_written_out(draft: Draft) -> None:
    draft.need("DataLoader(" in draft.files["src/preprocess.py"])
    draft.change("src/preprocess.py", r"\bbatch_size=[\w.]*batch_size\b(.*)$", r"batch_size=64\1§", every=True)


@plants("HYD109")
def old_version_base_with_child(draft: Draft) -> None:
    draft.need(starts_child(draft) and "cwd=" not in draft.files[MAIN])
    draft.change(MAIN, r'version_base="1\.3"', 'version_base="1.1"')
    draft.change(MAIN, rf"^(.*{CHILD}.*)$", r"\1§")


@plants("HYD109")
def child_in_the_folder_of_the_code(draft: Draft) -> None:
    draft.need(starts_child(draft))
    draft.add_import(MAIN, "from pathlib import Path")
    if "cwd=ROOT" in draft.files[MAIN]:
        draft.change(MAIN, r"^(.*)cwd=ROOT(.*)$", r"\1cwd=Path(__file__).resolve().parent\2§")
    else:
        draft.change(MAIN, rf"^(.*{CHILD}.*)\)$", r"\1, cwd=Path(__file__).resolve().parent)§")


@plants("HYD110")
def hydra_node(draft: Draft) -> None:
    begin_main(draft, draft.rng.choice([MAIN, TRAIN]), "print(cfg.hydra.job.name)§")


@plants("HYD110")
def config_to_json(draft: Draft) -> None:
    draft.add_import(MAIN, "import json")
    begin_main(draft, MAIN, "print('settings', len(json.dumps(cfg.wandb)))§")


@plants("HYD111")
def results_dir_dropped(draft: Draft) -> None:
    draft.need(starts_child(draft))
    draft.change(MAIN, r"^    command\.append\(f\"results_dir=.*\n|, f\"results_dir='\{cfg\.results_dir\}'\"|\"results_dir\": .*?\", ", "")
    draft.change(MAIN, rf"^(.*{CHILD}.*)$", r"\1§")


@plants("HYD112")
def runs_are_twins(draft: Draft) -> None:
    one, other = draft.run_file("proposed"), draft.run_file("comparative")
    own = other.rpartition("/")[2].removesuffix(".yaml")
    draft.files[other] = re.sub(r"^run_id: .*$", f"run_id: {own}", draft.files[one], flags=re.MULTILINE)
    draft.expect(other)


@plants("HYD113")
def fixed_folder(draft: Draft) -> None:
    draft.need("torch.save(" in draft.files[TRAIN] and "self." not in draft.files[TRAIN])
    draft.change(TRAIN, r"^    run_dir = Path\(cfg\.results_dir\).*$", '    run_dir = Path("trained")')
    draft.need("results_dir" not in draft.text(TRAINING) and (starts_child(draft) or "results_dir" not in draft.files[MAIN]))
    draft.change(TRAIN, r"^(    torch\.save\(.*)$", r"\1§")


def _with_default(draft: Draft, form: str) -> None:
    """Look one key up at the root, with a default, where it is read once."""
    reads = re.findall(r"\bcfg(?:\.run)?\.training\.(\w+)\b", draft.text(TRAINING))
    once = [key for key in sorted(set(reads)) if len(re.findall(rf"\.{key}\b", draft.text(TRAINING))) == 1 and key != "objective"]
    draft.need(once)
    key = draft.rng.choice(once)
    draft.change(TRAINING, rf"(?<!\.)\bcfg(?:\.run)?\.training\.{key}\b(.*)$", rf"{form.format(key=key)}\1§")


@plants("HYD114")
def get_with_default(draft: Draft) -> None:
    _with_default(draft, 'cfg.get("{key}", 3)')


@plants("HYD114")
def getattr_with_default(draft: Draft) -> None:
    _with_default(draft, 'getattr(cfg, "{key}", 3)')


@plants("HYD115")
def interpolation_of_nothing(draft: Draft) -> None:
    draft.change(SHARED, r"^  project: .*$", "  project: ${run.project_name}§")


@plants("HYD115")
def interpolation_in_a_run(draft: Draft) -> None:
    draft.change(draft.run_file(), r"^  seed: \d+$", "  seed: ${defaults.seed}§")


@plants("TRI109")
def trial_flag_not_handed_on(draft: Draft) -> None:
    draft.need(starts_child(draft))
    removed = r"^    (?:command|overrides)\.append\(f\"trial_mode=.*\n|, f\"trial_mode=[^\"]*\"|\"trial_mode\": .*?\(\), "
    draft.change(MAIN, removed, "")
    if "training.epochs=1" in draft.files[MAIN]:
        draft.change(MAIN, r'\["training\.epochs=1", "wandb\.mode=disabled", "optuna\.enabled=false"\]', '["wandb.mode=disabled"]')
    draft.change(MAIN, rf"^(.*{CHILD}.*)$", r"\1§")


@plants("TRI109")
def trial_flag_read_nowhere(draft: Draft) -> None:
    draft.need(not starts_child(draft))
    draft.change("src/*.py", r"\bcfg\.trial_mode\b", "False", every=True)
    draft.change(SHARED, r"^trial_mode: false$", "trial_mode: false§")


@plants("HYD116")
def target_that_is_not_there(draft: Draft) -> None:
    draft.change(SHARED, r"^(trial_mode: .*)$", r"\1\nscorer:\n  _target_: src.model.no_such_scorer§")
