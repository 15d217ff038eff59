"""Defects of the family WDB."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, plants

TRAIN = "src/train.py"
INIT = r"^( +)(run = wandb\.init\()\n((?:\1    .*\n)+)\1\)$"
FINISH = r"^( +)run\.finish\(\)$"


@plants("WDB101")
def no_entity(draft: Draft) -> None:
    draft.change(TRAIN, r"^( +)(run = wandb\.init\()\n\1    entity=.*\n", r"\1\2§\n")


@plants("WDB101")
def project_written_out(draft: Draft) -> None:
    draft.change(TRAIN, r"^( +)project=[\w.]+,$", r'\1project="experiments",§')


@plants("WDB101")
def run_never_begun(draft: Draft) -> None:
    draft.need("self." not in draft.files[TRAIN])
    draft.change(TRAIN, INIT, "")
    draft.change(TRAIN, r"^ +run\.(?:summary|finish|config).*\n", "", every=True)
    draft.change(TRAIN, r"^(def main\(.*)$", r"\1§")


@plants("WDB102")
def metrics_file(draft: Draft) -> None:
    draft.add_import(TRAIN, "import json")
    folder = "self.run_dir" if "self.run_dir" in draft.files[TRAIN] else "run_dir"
    name = draft.rng.choice(["results.json", "metrics.json", "test_scores.json"])
    draft.change(TRAIN, FINISH, rf'\1({folder} / "{name}").write_text(json.dumps({{"finished": True}}))§\n\1run.finish()')


@plants("WDB102")
def metrics_printed(draft: Draft) -> None:
    draft.add_import(TRAIN, "import json")
    draft.change(TRAIN, FINISH, r'\1run.finish()\n\1print(json.dumps({"loss": 0.5, "finished": True}))§')


@plants("WDB104")
def failed_init_ignored(draft: Draft) -> None:
    def tried(match: re.Match[str]) -> str:
        indent = match[1]
        inner = "".join(f"    {line}\n" for line in match[3].splitlines())
        return f"{indent}try:\n{indent}    {match[2]}\n{inner}{indent}    )\n{indent}except Exception as error:§\n{indent}    print('no W&B', error)\n{indent}    run = None"

    draft.change(TRAIN, INIT, tried)


@plants("WDB105")
def slash_in_the_id(draft: Draft) -> None:
    draft.change(TRAIN, r"^( +)(run = wandb\.init\()\n((?:\1    .*\n)*?)\1    id=([\w.]+),$", r'\1\2§\n\3\1    id=f"team/{\4}",')


@plants("WDB107")
def logged_after_the_end(draft: Draft) -> None:
    draft.change(TRAIN, FINISH, r'\1run.finish()\n\1wandb.log({"finished": 1})§')


@plants("WDB107")
def summary_after_the_end(draft: Draft) -> None:
    draft.change(TRAIN, FINISH, r'\1run.finish()\n\1run.summary["finished"] = 1§')


@plants("WDB108")
def id_with_a_suffix(draft: Draft) -> None:
    draft.change(TRAIN, r"^( +)(run = wandb\.init\()\n((?:\1    .*\n)*?)\1    id=([\w.]+),$", r'\1\2§\n\3\1    id=f"{\4}-second",')


@plants("WDB108")
def name_instead_of_id(draft: Draft) -> None:
    draft.change(TRAIN, r"^( +)(run = wandb\.init\()\n((?:\1    .*\n)*?)\1    id=([\w.]+),$", r"\1\2§\n\3\1    name=\4,")


@plants("WDB110")
def switched_off_in_the_config(draft: Draft) -> None:
    draft.change("config/config.yaml", r"^  mode: online$", "  mode: disabled")
    draft.change(TRAIN, r"^( +)(run = wandb\.init\()$", r"\1\2§")
