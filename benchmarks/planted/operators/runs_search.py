"""Defects of the families RUN and OPT."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, plants

TRAIN = "src/train.py"
TRAINING = "src/train.py|src/model.py|src/preprocess.py"


@plants("RUN101")
def run_config_missing(draft: Draft) -> None:
    path = draft.run_file(draft.rng.choice(["proposed", "comparative"]))
    del draft.files[path]
    draft.expect(path)


@plants("RUN101")
def run_that_nobody_planned(draft: Draft) -> None:
    text = re.sub(r"^run_id: .*$", "run_id: comparative-9-extra", draft.files[draft.run_file()], flags=re.MULTILINE)
    draft.files["config/run/comparative-9-extra.yaml"] = text
    draft.expect("config/run/comparative-9-extra.yaml")


@plants("RUN102")
def another_id_in_the_file(draft: Draft) -> None:
    draft.change("config/run/*", r"^run_id: (.*)$", r"run_id: \1-v1§")


@plants("RUN103")
def method_missing(draft: Draft) -> None:
    path = draft.run_file(draft.rng.choice(["proposed", "comparative"]))
    draft.change(path, r"^method: .*\n", "")
    draft.expect(path)


@plants("RUN103")
def search_section_missing(draft: Draft) -> None:
    path = draft.run_file(draft.rng.choice(["proposed", "comparative"]))
    draft.change(path, r"^optuna:\n(?:  .*\n)+", "")
    draft.expect(path)


@plants("RUN104")
def other_epochs_than_planned(draft: Draft) -> None:
    draft.plan = re.sub(r"\b\d+ epochs\b", "37 epochs", draft.plan)
    if "37 epochs" not in draft.plan:
        draft.plan = re.sub(r"^(design: >-\n  )", r"\1All runs use 37 epochs. ", draft.plan, flags=re.MULTILINE)
    draft.change("config/run/*", r"^(  epochs: \d+)$", r"\1§", every=True)


@plants("RUN105")
def value_that_the_code_refuses(draft: Draft) -> None:
    words = {"dataset": r"dataset:\n  name", "model": r"model:\n  name", "method": "method", "optimizer": r"  optimizer", "loss": r"  loss"}
    known = [word for word in words if re.search(rf"raise ValueError\(f\"unknown {word}\b", draft.text(TRAINING))]
    known = [word for word in known if re.search(rf"^{words[word]}: ", draft.files[draft.run_file()], re.MULTILINE)]
    draft.need(known)
    word = draft.rng.choice(known)
    draft.change("config/run/*", rf"^({words[word]}: )(\S+)$", r"\1\2-v2", every=True)
    draft.change(TRAINING, rf"^( +raise ValueError\(f\"unknown {word}\b.*)$", r"\1§", every=True)
    # Elsewhere the method may be held against another setting, and that refusal comes first.
    draft.change(
        TRAINING,
        r"^( +raise (?:\w+)\(.*)$",
        lambda match: match[0] if "§" in match[0] or "method" not in match[0] else f"{match[0]}§",
        every=True,
    )


@plants("OPT101")
def search_never_called(draft: Draft) -> None:
    forms = r"\bsearch\(cfg(?:, \w+)?\)"
    draft.need(re.search(r"^def search\(", draft.files[TRAIN], re.MULTILINE))
    draft.change(
        TRAIN,
        rf"(?<!def ){forms}(?! ->)(?!:)",
        '{"learning_rate": 0.01}' if "settings |=" in draft.files[TRAIN] or "best.update" in draft.files[TRAIN] else "{}",
    )
    draft.change(TRAIN, r"^(def main\(.*)$", r"\1§")


@plants("OPT101")
def study_replaced_by_a_loop(draft: Draft) -> None:
    draft.need("study.ask(" not in draft.files[TRAIN])
    draft.change(TRAIN, r"^ +sampler = optuna.*\n", "") if "    sampler = optuna" in draft.files[TRAIN] else None
    draft.change(TRAIN, r"^( +)study = optuna\.create_study\(.*\)\n\1study\.optimize\(.*\)\n", "")
    draft.change(
        TRAIN,
        r"study\.best_(?:params|trial\.params)(?:\[\"learning_rate\"\])?",
        "0.01" if "study.best_params[" in draft.files[TRAIN] else "{}",
        every=True,
    )
    draft.change(TRAIN, r"^(def main\(.*)$", r"\1§")


@plants("OPT102")
def bounds_swapped(draft: Draft) -> None:
    draft.change(draft.run_file(), r"^(      low: )(\S+)\n(      high: )(\S+)$", r"\1\4§\n\3\2")


@plants("OPT102")
def logarithmic_from_zero(draft: Draft) -> None:
    draft.change(
        draft.run_file(),
        r"^(      type: loguniform\n      low: )\S+$|^(      low: )\S+(?=\n      high: \S+\n      log: true)",
        lambda match: f"{match[1] or match[2]}0.0§",
    )


@plants("OPT102")
def type_that_optuna_lacks(draft: Draft) -> None:
    draft.change(draft.run_file(), r"^      type: \w+$", "      type: gaussian§")


@plants("OPT102")
def bound_in_quotes(draft: Draft) -> None:
    draft.change(draft.run_file(), r"^      low: (\S+)$", r'      low: "\1"§')


@plants("OPT102")
def no_choices(draft: Draft) -> None:
    draft.change(draft.run_file(), r"^      choices: \[.*\]$", "      choices: []§")


@plants("OPT103")
def whole_entry_as_keywords(draft: Draft) -> None:
    draft.change(
        TRAIN,
        r"^(.*trial\.suggest_float\((?:name|\"\w+\"), )space(?:\.low, space\.high|\[\"low\"\], space\[\"high\"\])(?:, log=(?:True|space\[\"log\"\]))?\)(.*)$",
        r"\1**space)\2§",
    )
    space = re.search(r"search_space:\n    \w+:\n      (?:type|kind):", draft.files[draft.run_file()])
    draft.need(space)


@plants("OPT103")
def type_that_the_code_lacks(draft: Draft) -> None:
    draft.need(re.search(r"search_space\.items\(\)", draft.files[TRAIN]))
    draft.change("config/run/*", r"^      type: uniform$", "      type: float", every=True)
    draft.change(TRAIN, r"^( +raise ValueError\(f\".*unknown type.*)$", r"\1§")


@plants("OPT104")
def parameter_that_is_no_setting(draft: Draft) -> None:
    draft.need("search_space.items()" in draft.files[TRAIN])
    draft.change(draft.run_file(), r"^(  search_space:\n)(    \w+):\n((?:      .*\n)+)", r"\1\2:\n\3    warmup_ratio:§\n\3")


@plants("OPT105")
def best_only_printed(draft: Draft) -> None:
    draft.need("study.optimize(" in draft.files[TRAIN] and "self." not in draft.files[TRAIN].partition("class Objective")[0])
    draft.change(
        TRAIN,
        r"^( +)(return |\w+ = |\w+ = replace\(settings, learning_rate=)study\.best_(?:params|trial\.params)(?:\[\"\w+\"\])?\)?$",
        lambda match: f"{match[1]}print('best:', study.best_params)" + (f"\n{match[1]}return {{}}" if match[2] == "return " else ""),
    )
    draft.change(TRAIN, r"^( +study\.optimize\(.*)$", r"\1§")
