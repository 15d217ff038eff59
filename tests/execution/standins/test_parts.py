"""Parts of the stand-ins that need no library but NumPy: names of models, files, configs."""

from __future__ import annotations

import pickle
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

INJECTED = Path(__file__).parents[3] / "src" / "gonogo" / "execution" / "probe"
sys.path.append(str(INJECTED))

from gonogo_probe import settings, standins  # noqa: E402
from gonogo_probe.standins import columns, corpora, corruptions, families, photos, pictures, texts, vision, words  # noqa: E402


@pytest.fixture(autouse=True)
def allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "scratch", str(tmp_path))
    monkeypatch.setattr(settings, "bounds", {"rows": 8})
    monkeypatch.setattr(settings, "tree", str(tmp_path / "tree") + "/")
    monkeypatch.setattr(standins, "_loaded", [corruptions])
    monkeypatch.setattr(standins, "_said_classes", set())
    monkeypatch.chdir(tmp_path)
    yield


def found(name: str) -> families.Model:
    model = families.model(name)
    assert model is not None, name
    return model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, True)
            for name in ("distilbert-base-66M", "bert-base", "roberta-small", "gpt2-small", "t5-xl", "DeBERTa-base-v9", "bart-base")
        ),
        *((name, False) for name in ("bert-base-uncased", "Bert-Base-Uncased", "xlnet-base-cased", "t5-small", "xlm-roberta-base", "ctrl")),
        *((name, False) for name in ("google/bert-base", "./bert-base", "bert-base-finetuned", "my-folder", "bert", "resnet18", "results")),
    ],
)
def test_name_without_an_owner_that_the_hub_can_not_have(name: str, expected: bool) -> None:
    assert families.cannot_be(name) is expected


@pytest.mark.parametrize(
    ("name", "kind", "width", "layers"),
    [
        ("bert-base-uncased", "bert", 768, 12),
        ("google-bert/bert-base-cased", "bert", 768, 12),
        ("distilbert-base-uncased-finetuned-sst-2-english", "distilbert", 768, 6),
        ("distilroberta-base", "roberta", 768, 6),
        ("roberta-large", "roberta", 1024, 7),
        ("FacebookAI/xlm-roberta-base", "xlm-roberta", 768, 12),
        ("microsoft/deberta-v3-base", "deberta-v2", 768, 12),
        ("microsoft/deberta-v3-small", "deberta-v2", 768, 6),
        ("albert/albert-base-v2", "albert", 768, 12),
        ("facebook/bart-large-cnn", "bart", 1024, 7),
        ("gpt2-medium", "gpt2", 1024, 7),
        ("distilgpt2", "gpt2", 768, 6),
        ("EleutherAI/pythia-160m", "gpt_neox", 768, 12),
        ("EleutherAI/pythia-6.9b", "gpt_neox", 64, 4),
        ("facebook/opt-350m", "opt", 1024, 7),
        ("facebook/opt-1.3b", "opt", 64, 4),
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2", 896, 9),
        ("Qwen/Qwen2.5-1.5B-Instruct", "qwen2", 64, 4),
        ("meta-llama/Llama-2-7b-chat-hf", "llama", 64, 4),
        ("georgesung/llama2_7b_chat_uncensored", "llama", 64, 4),
        ("HuggingFaceTB/SmolLM2-360M", "llama", 960, 8),
        ("google/flan-t5-small", "t5", 512, 6),
        ("google-t5/t5-3b", "t5", 64, 4),
        ("google/vit-base-patch16-224", "vit", 768, 12),
        ("facebook/deit-tiny-patch16-224", "vit", 192, 12),
        ("openai/clip-vit-base-patch16", "clip", 512, 12),
    ],
)
def test_names_of_models(name: str, kind: str, width: int, layers: int) -> None:
    model = found(name)
    assert (model.family.kind, model.width, model.layers) == (kind, width, layers)
    assert model.width % model.heads == 0 and model.heads % model.groups == 0


@pytest.mark.parametrize(
    "name",
    [
        *(
            "distilbert-base-66M",
            "bert-base",
            "ResNet-18",
            "llama",
            "./outputs/bert",
            "/models/bert-base-uncased",
            "a/b/bert-base-uncased",
            "",
        ),
        *("squeezebert/squeezebert-uncased", "google/mt5-small", "Salesforce/codet5-base", "answerdotai/ModernBERT-base", "nobody/nothing"),
    ],
)
def test_names_that_nothing_stands_in_for(name: str) -> None:
    assert families.model(name) is None


def test_folder_of_a_name_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    assert families.model("outputs/bert-base-uncased") is None


def test_what_a_stand_in_says_of_its_size() -> None:
    assert str(found("roberta-large")) == "family roberta, 1024 wide, 7 of its 24 layers"
    assert str(found("meta-llama/Llama-2-7b-hf")) == "family llama, 64 wide (the real one is wider), 4 of its 32 layers"


def test_config_of_a_vision_model_comes_from_its_name() -> None:
    config = families.config(found("google/vit-base-patch32-384"))
    assert (config["patch_size"], config["image_size"], config["hidden_size"]) == (32, 384, 768)
    assert families.config(found("openai/clip-vit-base-patch16"))["vision_config"]["patch_size"] == 16


@pytest.mark.slow
def test_cifar_10_c_has_the_official_layout(tmp_path: Path) -> None:
    folder = Path(corruptions.folder(10))
    assert sorted(path.stem for path in folder.glob("*.npy")) == sorted([*corruptions.CORRUPTIONS, "labels"])
    images, labels = np.load(folder / "fog.npy"), np.load(folder / "CIFAR-10-C" / "labels.npy")
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((50_000, 32, 32, 3), np.uint8, (50_000,), np.uint8)
    for start in range(0, 50_000, 10_000):
        assert (labels[start : start + 10_000] == labels[:10_000]).all()
        assert images[start : start + 8].min() > 0 and images[start + 9_992 : start + 10_000].min() > 0
        assert not images[start + 8 : start + 9_992].any()
    assert (np.load(folder / "snow.npy", mmap_mode="r")[0] != images[0]).any()
    assert sum(path.stat().st_blocks * 512 for path in folder.glob("*.npy")) < 20_000_000
    first = images[:8]
    (tmp_path / "again").mkdir()
    settings.scratch = str(tmp_path / "again")
    assert (np.load(Path(corruptions.folder(10)) / "fog.npy", mmap_mode="r")[:8] == first).all()


def test_cifar_10_is_pickled_as_its_authors_do() -> None:
    folder = Path(corruptions.folder(10)) / "cifar-10-batches-py"
    for encoding, key in (("bytes", b"data"), ("latin1", "data")):
        batch = pickle.loads((folder / "data_batch_3").read_bytes(), encoding=encoding)
        assert batch[key].shape == (10_000, 3072) and batch[key][:8].min() > 0
    meta = pickle.loads((folder / "batches.meta").read_bytes(), encoding="utf-8")
    assert meta["label_names"][5] == "dog" and meta["num_cases_per_batch"] == 10_000


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        ({"dataset": {"name": "CIFAR-10-C", "root": "/datasets/CIFAR-10-C"}}, ["dataset.root"]),
        ({"run": {"dataset": {"name": "cifar10c", "data_dir": "./data"}}}, ["run.dataset.data_dir"]),
        ({"dataset": {"root": "/datasets/cifar_100_c"}}, ["dataset.root"]),
        ({"dataset": {"name": "CIFAR-10-Corrupted", "path": "/data/x"}}, ["dataset.path"]),
        ({"results_dir": "/r", "run_id": "tent-CIFAR-10-C", "cache_dir": "/c", "output_path": "/o"}, []),
        ({"dataset": {"name": "CIFAR-10", "root": "/datasets/cifar10"}}, []),
        ({"dataset": {"name": "CIFAR-10-C", "root": "${oc.env:DATA}"}}, []),
        ({"dataset": {"name": "CIFAR-10-C", "root": "there"}}, []),
        ({"dataset": {"name": "CIFAR-10-C", "split": "test", "workers": 2}}, []),
    ],
)
def test_paths_of_a_config(config: dict[str, Any], keys: list[str], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    paths = standins.config_paths(config)
    assert list(paths) == keys
    assert all(Path(path, "labels.npy").is_file() for path in paths.values())


def test_number_of_classes_is_taken_from_the_config() -> None:
    assert photos._folder_classes("/datasets/mine") == 10
    assert photos._folder_classes("data/tiny-imagenet-200/train") == 200
    assert photos._folder_classes("/data/ImageNet/val") == 1000
    standins.config_paths({"run": {"model": {"num_classes": 7}, "dataset": {"num_classes": 7}}})
    assert photos._folder_classes("/data/ImageNet/val") == 7
    standins.config_paths({"run": {"model": {"num_classes": 8}}})
    assert photos._folder_classes("/datasets/mine") == 10


def test_folder_is_made_once_and_whole(tmp_path: Path) -> None:
    made: list[str] = []

    def fail(path: str) -> None:
        Path(path).mkdir()
        raise RuntimeError("halfway")

    def make(path: str) -> None:
        made.append(path)
        Path(path).mkdir(exist_ok=True)

    with pytest.raises(RuntimeError, match="halfway"):
        standins.made("folder", fail)
    assert not (tmp_path / "folder").exists()
    assert standins.made("folder", make) == standins.made("folder", make) == str(tmp_path / "folder")
    assert len(made) == 1


@given(label=st.integers(0, 999), classes=st.integers(1, 1000), count=st.integers(0, 50), channels=st.sampled_from([1, 3]))
def test_pixels_are_as_many_as_asked_for(label: int, classes: int, count: int, channels: int) -> None:
    content = pictures.pixels(random.Random(0), label % classes, classes, count, channels)
    assert len(content) == count * channels and all(value >= 40 for value in content)


def test_texts_of_a_class_have_words_of_their_own() -> None:
    source = random.Random(0)
    of_class = [{word for _ in range(50) for word in re.findall(r"\w+", words.sentence(source, label, 4).lower())} for label in range(4)]
    common = set(words.COMMON)
    for label, own in enumerate(of_class):
        assert own - common
        assert all((own - common).isdisjoint(other - common) for number, other in enumerate(of_class) if number != label)


def test_every_data_set_is_well_formed() -> None:
    kinds = re.compile(
        r"(text|optional|long|index|name|float|bool|sum|code|answers(:none)?|dialogue|talk|tokens|corruption)"
        r"|(class|gaps|int|number|counted|level|texts|tags):.+|(letter|lettered):\d(:mixed)?|image:\d+x[13](:varied|:grey)?|translation:\w+,\w+"
    )
    names = [name for key in corpora.KNOWN for name in key.split()]
    assert len(names) == len(set(names))
    for key, configs in corpora.KNOWN.items():
        assert "" not in configs or len(configs) == 1, key
        for made, splits in configs.values():
            assert all(kinds.fullmatch(kind) for kind in made.values()), key
            assert splits and all(splits.values()), key


def test_lengths_are_as_uneven_as_real_ones_from_the_first_batch_on() -> None:
    for first in range(0, columns.BLOCK, 16):
        rows = range(first, first + 16)
        assert len({columns.words_of(row) for row in rows}) > 10
        assert {columns.words_of(row, "long") > 512 for row in rows} == {True, False}
        assert any(columns.words_of(row, "long") > 1024 for row in rows)
        assert 0 < sum(columns.words_of(row, "optional") == 0 for row in rows) < 16
        assert all(columns.words_of(row) > 0 for row in rows)


def test_sums_have_commas_as_gsm8k_has() -> None:
    answers = [columns._sum(row).split("####")[1].strip() for row in range(16)]
    assert answers[3] == "6" and answers[9] == "1,018"


def test_answers_stand_in_their_context() -> None:
    said = "One two three. Four five six"
    for row in range(20):
        answer = columns._answer(said, row, may_lack=True)
        assert len(answer["text"]) == len(answer["answer_start"]) == (row % 3 != 1)
        assert all(said[start:].startswith(text) for text, start in zip(answer["text"], answer["answer_start"], strict=True))


@pytest.mark.parametrize(
    ("path", "means"),
    [
        ("lhoestq/conll2003", "conll2003"),
        ("ChilleD/CommonsenseQA", "commonsense_qa"),
        ("nobody/imdb", "imdb"),
        ("me/AG-News", "ag_news"),
        ("someone/SQuAD", "squad"),
        ("a/Hella_Swag", "hellaswag"),
        ("tau/commonsense_qa", "commonsense_qa"),
        ("gsm8k", "gsm8k"),
        ("nobody/imdb-cleaned", ""),
        ("cifar10_corrupted", ""),
        ("robro/cifar10-c-parquet", "robro/cifar10-c-parquet"),
        ("me/cifar10-c", ""),
        ("commonsenseqa", ""),
        ("a/b/imdb", ""),
    ],
)
def test_copy_under_another_owner_is_known_by_its_name(path: str, means: str) -> None:
    assert texts.known_as(path).partition(" ")[0] == means


@pytest.mark.parametrize(
    ("name", "asked", "fits"),
    [
        ("imdb stanfordnlp/imdb", {"split": "train"}, True),
        ("imdb stanfordnlp/imdb", {"split": "train[:10%]+test"}, True),
        ("imdb stanfordnlp/imdb", {"split": "validation"}, False),
        ("imdb stanfordnlp/imdb", {}, True),
        ("glue nyu-mll/glue", {}, False),
        ("glue nyu-mll/glue", {"name": "sst2", "split": ["train", "validation"]}, True),
        ("glue nyu-mll/glue", {"name": "sst-2"}, False),
    ],
)
def test_copy_that_differs_is_not_taken_for_the_original(name: str, asked: dict[str, Any], fits: bool) -> None:
    assert texts._fits(corpora.KNOWN[name], asked) is fits


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("train", 0, 200), ("train[:10]", 0, 10), ("train[10%:]", 20, 200), ("train[-5:]", 195, 200), ("train[50:1000]", 50, 200)],
)
def test_parts_of_a_split(text: str, start: int, end: int) -> None:
    class Rows(list[int]):
        def select(self, chosen: range) -> list[int]:
            return [self[index] for index in chosen]

    assert texts._slice({"train": Rows(range(200))}, {"train": 200}, text) == list(range(start, end))


def test_config_that_a_data_set_lacks() -> None:
    configs = corpora.KNOWN["glue nyu-mll/glue"]
    with pytest.raises(ValueError, match="Config name is missing"):
        texts._config(configs, None)
    with pytest.raises(ValueError, match="BuilderConfig 'sst-2' not found"):
        texts._config(configs, "sst-2")


def test_images_repeat_to_the_true_length(monkeypatch: pytest.MonkeyPatch) -> None:
    block = np.arange(1, 7, dtype=np.uint8).reshape(3, 2)
    assert vision._repeated(block, 7)[:, 0].tolist() == [1, 3, 5, 1, 3, 5, 1]
    monkeypatch.setattr(vision, "MOST_BYTES", 10)
    assert vision._repeated(block, 8)[:, 0].tolist() == [1, 3, 5, 0, 0, 1, 3, 5]
