"""Defects of the families DAT and MOD."""

from __future__ import annotations

import re

from benchmarks.planted.trees import Draft, functions, plants

DATA, MODEL, TRAIN = "src/preprocess.py", "src/model.py", "src/train.py"
LOADING = r"^( +)((?:\w+)(?:, \w+)* = (?:load_dataset|datasets\.\w+|fetch_\w+|load_\w+)\(.*\).*)$"


@plants("DAT101")
def no_cache_dir(draft: Draft) -> None:
    draft.change(
        "src/preprocess.py|src/model.py", r"^(.*(?:load_dataset|from_pretrained|create_model)\(.*), cache_dir=[\w.]+(.*)$", r"\1\2§"
    )


@plants("DAT101")
def another_folder(draft: Draft) -> None:
    draft.change(DATA, r"^(.*= datasets\.\w+\()(?:root=)?\w+\.root(.*)$", r'\1root="./data"\2§')


@plants("DAT102")
def dataset_named_in_the_code(draft: Draft) -> None:
    name = re.search(r"^dataset:\n  name: (\w+)$", draft.files[draft.run_file()], re.MULTILINE)
    draft.need(name and re.search(r"load_dataset\(|= datasets\.", draft.files[DATA]))
    assert name is not None
    draft.change(DATA, r"\b(?:dataset_cfg|cfg)\.name\b", f"'{name[1]}'", every=True)
    draft.change(draft.run_file("comparative"), r"^(dataset:\n  name: )\w+$", r"\1another_set")
    draft.change(DATA, r"^(.*(?:load_dataset\(|= datasets\.).*)$", r"\1§", every=True)


def _fallback(draft: Draft, clause: str) -> None:
    """Put a loading statement into `try`, with this clause for any exception."""

    def tried(match: re.Match[str]) -> str:
        name = match[2].partition(" = ")[0]
        return f"{match[1]}try:\n{match[1]}    {match[2]}\n{match[1]}" + clause.format(name=name, indent=f"{match[1]}    ")

    draft.change(DATA, LOADING, tried)


@plants("DAT103")
def random_where_loading_fails(draft: Draft) -> None:
    draft.add_import(DATA, "import torch")
    _fallback(draft, "except Exception:\n{indent}{name} = torch.randn(512, 64)§")


@plants("DAT103")
def random_where_a_file_is_missing(draft: Draft) -> None:
    draft.add_import(DATA, "import numpy as np")
    if "raise FileNotFoundError(" in draft.files[DATA]:
        draft.change(DATA, r"^( +)raise FileNotFoundError\(.*$", r"\1inputs = np.random.randn(500, 24)§\n\1np.save(file, inputs)")
    else:
        draft.change(
            DATA, r"^(    if not \w+\.exists\(\):\n)", r"\1        images = np.random.rand(500, 64)§\n        return images, images\n"
        )


@plants("DAT104")
def loading_error_printed(draft: Draft) -> None:
    _fallback(draft, "except Exception as error:§\n{indent}print('could not load the data', error)\n{indent}{name} = None")


@plants("DAT104")
def loading_error_ignored(draft: Draft) -> None:
    _fallback(draft, "except:§\n{indent}pass")


@plants("DAT105")
def stream_is_shuffled(draft: Draft) -> None:
    if "stream_mode: sequential" not in draft.text("config/run/*"):
        draft.change("config/run/*", r"^(training:)$", r"\1\n  stream_mode: sequential", every=True)
    draft.need("DataLoader(" in draft.files[DATA] and "TrainingSettings(**" not in draft.files[TRAIN])
    draft.change(DATA, r"\bshuffle=(?:\w+ == \"train\"|False)(.*)$", r"shuffle=True\1§")


@plants("DAT106")
def trials_scored_on_the_test_split(draft: Draft) -> None:
    forms = [
        (r"_, accuracy = fit\(rate, log=False\)\n( +)return accuracy", None),
        (r"_, val_accuracy = (fit\(cfg, loaders, .*log=False\))\n( +)return val_accuracy", 'accuracy_of(model, loaders["test"])'),
        (r"_, scores, _ = (fit\(cfg, found, log=False\))\n( +)return scores\[.*\]", 'accuracy(model, list(loaders["test"]))'),
        (r"_, scores = (self\.fit\(found, log=False\))\n( +)return scores\[.*\]", 'self.assess(model, "test")[1]'),
        (
            r"_, scores = (fit\(cfg, suggested, .*\))\n( +)return scores\[.*\]",
            'score(*predict(model, build_loaders(cfg.run.dataset, False)["test"]))',
        ),
    ]
    pattern, score = next(((old, new) for old, new in forms if re.search(old, draft.files[TRAIN])), ("", None))
    draft.need(pattern)
    if score is None:
        new = r'model, _ = fit(rate, log=False)\n\1test_x, test_y = data["test"]\n\1answers = model(test_x).argmax(dim=1)§\n\1return (answers == test_y).float().mean().item()'
    else:
        unpacked = "model, _, loaders" if "_, scores, _" in draft.files[TRAIN] else "model, _"
        new = rf"{unpacked} = \1\n\2right = {score}§\n\2return sum(right) / len(right)"
    draft.change(TRAIN, pattern, new)


@plants("DAT106")
def trials_hear_the_stream_of_the_result(draft: Draft) -> None:
    draft.change(TRAIN, r'^( +)heard = predict_stream\(cfg, source, "val", (.*)$', r'\1heard = predict_stream(cfg, source, "test", \2§')


@plants("MOD101")
def checkpoint_written_out(draft: Draft) -> None:
    if "timm.create_model(model_cfg.checkpoint" in draft.files[MODEL]:
        draft.change(
            MODEL,
            r"^( +)(return timm\.create_model\()model_cfg\.checkpoint(.*)$",
            r'\1print(model_cfg.checkpoint)\n\1\2"vit_tiny_patch16_224"\3§',
        )
    else:
        draft.change(MODEL, r"^(.*SequenceClassification\.from_pretrained\()model_cfg\.checkpoint(.*)$", r'\1"distilroberta-base"\2§')


@plants("MOD102")
def head_never_trained(draft: Draft) -> None:
    draft.need("def train_source(" in draft.files[TRAIN])
    function = next(entry for entry in functions(draft.files[TRAIN]) if entry.name == "train_source")
    draft.splice(TRAIN, function, "")
    draft.change(TRAIN, r"train_source\(cfg, max_batches\)", 'build_source(cfg.run.model, ".cache/timm")')
    draft.change(MODEL, r"^(.*timm\.create_model\(.*)$", r"\1§")


@plants("MOD104")
def methods_fall_through(draft: Draft) -> None:
    new = {"momentum": "heavy-ball", "descent": "plain", "frozen": "source-only", "entropy": "tent"}
    draft.change(
        "src/train.py|src/model.py",
        r'^(    if method == )"(\w+)":$',
        lambda match: f'{match[1]}"{new[match[2]] if match[2] in new else match[2]}":§',
        every=True,
    )
    otherwise = (
        "return torch.optim.SGD(model.parameters(), lr=learning_rate)"
        if "optimizer_of(" in draft.files[TRAIN]
        else "return Entropy(model, training, learning_rate)"
    )
    draft.change("src/train.py|src/model.py", r'^    raise ValueError\(f"unknown method.*$', f"    {otherwise}")


@plants("MOD106")
def mode_changes_before_the_prediction(draft: Draft) -> None:
    draft.need("entropy.backward()" in draft.files[MODEL])
    draft.change(MODEL, r"^(        for _ in range\(self\.steps\):\n)", r"        self.model.train()\n\1")
    draft.change(
        MODEL,
        r"^        with torch\.no_grad\(\):\n            return self\.model\(images\)$",
        "        self.model.eval()\n        with torch.no_grad():\n            return self.model(images)§",
    )


@plants("MOD107")
def random_weights_where_loading_fails(draft: Draft) -> None:
    draft.change(
        MODEL,
        r"^    return (timm\.create_model\(model_cfg\.checkpoint, )pretrained=True(.*)\)$",
        r"    try:\n        return \1pretrained=True\2)\n    except Exception:§\n        return \1pretrained=False\2)",
    )


@plants("MOD107")
def unloaded_state_ignored(draft: Draft) -> None:
    draft.need("model = " in draft.files[TRAIN])
    draft.change(
        TRAIN,
        r"^( +)(model = (?:build_model|create|Regressor|build_source)\(.*)$",
        r'\1\2\n\1try:\n\1    model.load_state_dict(torch.load("start.pt", weights_only=True))\n\1except Exception as error:§\n\1    print("starting from scratch:", error)',
    )
