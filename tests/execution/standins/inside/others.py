"""Metrics, tables, and downloads that nothing stands in for."""

import time

import numpy


def metrics():
    import evaluate

    accuracy = evaluate.load("accuracy", cache_dir=".cache")
    assert accuracy.compute(predictions=[0, 1, 1, 0], references=[0, 1, 0, 0]) == {"accuracy": 0.75}
    for predictions, references in (([0, 1], [0, 1]), ([1, 1], [0, 1])):
        accuracy.add_batch(predictions=numpy.array(predictions), references=references)
    assert accuracy.compute() == {"accuracy": 0.75}
    found = evaluate.load("f1").compute(predictions=[0, 1, 2], references=[0, 1, 1], average="macro")
    assert abs(found["f1"] - 5 / 9) < 1e-9
    assert set(evaluate.load("glue", "mrpc").compute(predictions=[0, 1], references=[0, 1])) == {"accuracy", "f1"}
    assert set(evaluate.load("glue", "stsb").compute(predictions=[0.1, 1, 2], references=[0, 1.5, 2])) == {"pearson", "spearmanr"}
    assert evaluate.load("exact_match").compute(predictions=["a", "b"], references=["a", "c"]) == {"exact_match": 0.5}
    try:
        evaluate.load("rouge")
    except Exception as error:
        assert isinstance(error, (OSError, FileNotFoundError)), repr(error)
    else:
        raise AssertionError("rouge was made")
    return ["stand-in evaluate.load: accuracy: computed here", "unreachable evaluate.load: rouge"]


def tables():
    from sklearn.datasets import fetch_california_housing, fetch_covtype, fetch_openml

    started = time.monotonic()
    data, target = fetch_california_housing(return_X_y=True)
    assert data.shape == (20_640, 8) and target.shape == (20_640,)
    assert "HouseAge" in fetch_california_housing(as_frame=True).frame.columns
    assert set(fetch_covtype().target) == set(range(1, 8))
    data, target = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
    assert data.shape == (70_000, 784) and target[11] == "1" and target.astype(int).max() == 9 and data.max() < 256
    frame = fetch_openml(name="Fashion-MNIST", parser="auto")
    assert frame.data.shape == (70_000, 784) and str(frame.target.dtype) == "category"
    try:
        fetch_openml("titanic")
    except OSError:
        pass
    else:
        raise AssertionError("titanic was made")
    assert time.monotonic() - started < 30
    return ["stand-in sklearn.datasets.fetch_openml: mnist_784: 70000", "unreachable sklearn.datasets.fetch_openml: titanic"]


def addresses():
    import urllib.request

    import requests

    started = time.monotonic()
    for call in (
        lambda: urllib.request.urlopen("https://example.org/a.zip"),
        lambda: urllib.request.urlretrieve("https://example.org/b.zip", "b.zip"),
        lambda: urllib.request.urlopen(urllib.request.Request("https://example.org/c.zip")),
        lambda: requests.get("https://example.org/d.tar", stream=True),
        lambda: requests.Session().get("https://example.org/e.tar"),
        lambda: requests.get("http://127.0.0.1:9/f"),
    ):
        try:
            call()
        except OSError:
            continue
        raise AssertionError("it was fetched")
    assert time.monotonic() - started < 10
    return [f"unreachable download: https://example.org/{name}" for name in ("a.zip", "b.zip", "c.zip", "d.tar", "e.tar")]


def names():
    import kagglehub
    import nltk

    assert nltk.download("punkt", quiet=True) is False
    try:
        kagglehub.dataset_download("nobody/nothing")
    except Exception:
        pass
    else:
        raise AssertionError("it was fetched")
    return ["unreachable nltk.download: punkt", "unreachable kagglehub.dataset_download: nobody/nothing"]
