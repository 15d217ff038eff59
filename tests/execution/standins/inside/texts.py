"""Data sets of the Hugging Face hub, none of which is here."""

import time

import numpy


def classification():
    from datasets import ClassLabel, DatasetDict, load_dataset

    data = load_dataset("ag_news", cache_dir=".cache/")
    assert isinstance(data, DatasetDict) and {name: len(rows) for name, rows in data.items()} == {"train": 120_000, "test": 7_600}
    train = data["train"]
    assert isinstance(train.features["label"], ClassLabel) and train.features["label"].names[2] == "Business"
    assert set(train[:8]["label"]) == {0, 1, 2, 3} and isinstance(train[5]["text"], str)
    small = train.shuffle(seed=1).select(range(500)).train_test_split(test_size=0.2, stratify_by_column="label")
    assert len(small["test"]) == 100
    assert load_dataset("fancyzhx/ag_news", split="train")[7] == train[7]
    return ["stand-in datasets.load_dataset: ag_news: made-up rows"]


def splits():
    from datasets import Split, load_dataset

    assert len(load_dataset("imdb", split="train[:10%]")) == 2_500
    assert len(load_dataset("stanfordnlp/imdb", split="train[100:200]+test[-50:]")) == 150
    assert [len(part) for part in load_dataset("rotten_tomatoes", split=["train", "test"])] == [8_530, 1_066]
    assert load_dataset("imdb", split=Split.TEST).split == "test"
    try:
        load_dataset("imdb", split="validation")
    except ValueError as error:
        assert "Unknown split" in str(error)
    else:
        raise AssertionError("imdb has a validation split")


def configs():
    from datasets import load_dataset

    data = load_dataset("glue", "mnli", cache_dir=".cache")
    assert set(data) == {"train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched"}
    assert data["train"].column_names == ["premise", "hypothesis", "label", "idx"] and data["train"][300]["idx"] == 300
    assert set(load_dataset("glue", "sst2", split="test")["label"]) == {-1}
    assert set(load_dataset("nyu-mll/glue", "mrpc", split="test")["label"]) == {0, 1}
    for wrong in (("glue",), ("glue", "sst-2"), ("gsm8k",)):
        try:
            load_dataset(*wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)
    return ["stand-in datasets.load_dataset: glue (mnli): made-up rows"]


def streaming():
    from datasets import IterableDataset, load_dataset

    rows = load_dataset("allenai/c4", "en", split="train", streaming=True)
    assert isinstance(rows, IterableDataset) and len(list(rows.shuffle(buffer_size=10, seed=0).take(5))) == 5
    assert set(load_dataset("openai/gsm8k", "main", streaming=True)) == {"train", "test"}


def every_one_of_them():
    from datasets import load_dataset
    from gonogo_probe.standins.corpora import KNOWN

    for names, known in KNOWN.items():
        for config, (columns, splits) in known.items():
            smallest = min(splits, key=lambda name: abs(splits[name]))
            rows = load_dataset(names.split()[0], config or None, split=smallest)
            assert rows.column_names == list(columns), names
            assert rows[len(rows) - 1] and rows[0], names


def mapped():
    import torch
    from datasets import load_dataset
    from torch.utils.data import DataLoader
    from transformers import AutoTokenizer, DataCollatorWithPadding

    tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")
    data = load_dataset("glue", "sst2")
    data = data.map(
        lambda rows: tokenizer(rows["sentence"], truncation=True, max_length=64), batched=True, remove_columns=["sentence", "idx"]
    )
    data = data.rename_column("label", "labels").with_format("torch")
    batch = next(iter(DataLoader(data["train"], batch_size=16, shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer))))
    assert batch["input_ids"].shape[0] == 16 and batch["labels"].dtype == torch.int64
    plain = load_dataset("gsm8k", "main", split="test").map(lambda row: {"number": row["answer"].split("####")[1].strip()})
    assert plain[3]["number"] == "6"
    assert len(plain.filter(lambda row: row["number"] == "0")) == 6


def pictures():
    from datasets import load_dataset
    from PIL import Image
    from torchvision import transforms

    data = load_dataset("uoft-cs/cifar10", split="train", cache_dir=".cache/")
    assert len(data) == 50_000 and data[0]["img"].size == (32, 32) and data.features["label"].names[9] == "truck"
    assert data[49_999]["img"].mode == "RGB" and len(data["label"]) == 50_000
    images = numpy.stack([numpy.array(image) for image in data[:256]["img"]]).astype(float)
    labels = numpy.array(data[:256]["label"])
    means = numpy.array([images[labels == each].mean((0, 1, 2)) for each in range(10)])
    assert len(numpy.unique(means.round(), axis=0)) == 10
    ready = data.with_transform(lambda rows: {"x": [transforms.ToTensor()(image) for image in rows["img"]], "y": rows["label"]})
    assert ready[3]["x"].shape == (3, 32, 32)
    digit = load_dataset("mnist", split="test[:10]")[0]["image"]
    assert isinstance(digit, Image.Image) and digit.size == (28, 28) and digit.mode == "L"


def corrupted_pictures():
    from datasets import load_dataset

    data = load_dataset("robro/cifar10-c-parquet", split="train", cache_dir=".cache/").select(range(2_000))
    assert set(data.column_names) == {"image", "label", "corruption_name", "corruption_level"}
    foggy = data.filter(lambda row: row["corruption_level"] == 5 and row["corruption_name"] in {"fog", "jpeg_compression"})
    assert len(set(foggy["label"])) > 2 and foggy[0]["image"].size == (32, 32)
    assert set(data["corruption_level"]) == {1, 2, 3, 4, 5} and len(set(data["corruption_name"])) == 19
    return ["stand-in datasets.load_dataset: robro/cifar10-c-parquet: made-up rows"]


def shapes_of_rows():
    from datasets import load_dataset

    row = load_dataset("squad", split="validation")[2]
    assert row["context"][row["answers"]["answer_start"][0] :].startswith(row["answers"]["text"][0])
    row = load_dataset("argilla/dpo-mix-7k", split="train")[1]
    assert [each["role"] for each in row["chosen"]] == ["user", "assistant"]
    row = load_dataset("conll2003", split="train")[0]
    assert len(row["tokens"]) == len(row["ner_tags"])
    row = load_dataset("wmt14", "fr-en", split="test")[0]
    assert set(row["translation"]) == {"fr", "en"}
    row = load_dataset("allenai/ai2_arc", "ARC-Easy", split="test")[1]
    assert row["answerKey"] in row["choices"]["label"] and len(row["choices"]["text"]) == 4


def untidy():
    from datasets import load_dataset

    rows = load_dataset("imdb", split="train")[:16]
    lengths = [len(text.split()) for text in rows["text"]]
    assert max(lengths) > 1_024 and min(lengths) < 50 and len(set(lengths)) > 10
    alpaca = load_dataset("tatsu-lab/alpaca", split="train")[:16]
    assert "" in alpaca["input"] and any(alpaca["input"]) and all(alpaca["instruction"])
    assert not all(text.isascii() for text in alpaca["output"])
    assert {len(row["label"]) for row in load_dataset("ai2_arc", "ARC-Easy", split="train")["choices"][:64]} == {3, 4, 5}
    keys = load_dataset("ai2_arc", "ARC-Easy", split="train")
    assert all(row["answerKey"] in row["choices"]["label"] for row in keys.select(range(256))) and "2" in set(keys["answerKey"])
    assert -1 in load_dataset("snli", split="train")["label"][:32]
    words = load_dataset("conll2003", split="train")
    assert all(len(row["tokens"]) == len(row["ner_tags"]) == len(row["pos_tags"]) for row in words.select(range(256)))
    assert [] in [row["text"] for row in load_dataset("squad_v2", split="validation")["answers"][:16]]
    assert len({image.size for image in load_dataset("food101", split="train")[:8]["image"]}) > 1


def secret_labels():
    from datasets import load_dataset

    for name, config, column, secret in (
        ("tau/commonsense_qa", None, "answerKey", ""),
        ("hellaswag", None, "label", ""),
        ("winogrande", "winogrande_xl", "answer", ""),
        ("piqa", None, "label", -1),
        ("cosmos_qa", None, "label", -1),
        ("super_glue", "boolq", "label", -1),
    ):
        assert set(load_dataset(name, config, split="test")[column]) == {secret}, name
        assert secret not in load_dataset(name, config, split="validation")[column], name


def copies():
    from datasets import load_dataset

    assert load_dataset("ChilleD/CommonsenseQA", split="validation").column_names[0] == "id"
    assert len(load_dataset("lhoestq/conll2003")["train"]) == 14_041
    return [
        "unreachable datasets.load_dataset: ChilleD/CommonsenseQA",
        "stand-in datasets.load_dataset: lhoestq/conll2003, taken for a copy of conll2003",
    ]


def local_files():
    import json

    from datasets import load_dataset

    with open("rows.json", "w") as file:
        file.write("\n".join(json.dumps({"a": number}) for number in range(3)))
    assert load_dataset("json", data_files="rows.json", split="train")["a"][:] == [0, 1, 2]


def names_that_are_none():
    from datasets import load_dataset

    started = time.monotonic()
    for name, split in (("cifar10_corrupted", "test"), ("nobody/imdb", "validation"), ("nobody/cifar10-c", "test")):
        try:
            load_dataset(name, split=split)
        except Exception as error:
            assert not isinstance(error, (AttributeError, KeyError)), error
            continue
        raise AssertionError(name)
    assert time.monotonic() - started < 5
    return ["unreachable datasets.load_dataset: cifar10_corrupted", "unreachable datasets.load_dataset: nobody/imdb"]
