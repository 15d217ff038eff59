"""Data sets that scikit-learn downloads.

They are the two tables of numbers, and the digits and clothes of OpenML.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from .. import hooks, standins

HOUSES = 20_640
FEATURES = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
COVERS, COVER_FEATURES, COVER_TYPES = 58_101, 54, 7
IMAGES = ("mnist_784", "Fashion-MNIST")
IMAGE_ROWS, PIXELS, IMAGE_CLASSES = 70_000, 784, 10
_MORE = ("fetch_20newsgroups", "fetch_20newsgroups_vectorized", "fetch_rcv1", "fetch_kddcup99", "fetch_lfw_people")


def start() -> None:
    """Stand in for `sklearn.datasets.fetch_california_housing`, `fetch_covtype` and `fetch_openml`."""
    hooks.when_imported("sklearn.datasets", _watch)


def _watch(module: Any) -> None:
    _replace(module, "fetch_california_housing", lambda _: _houses)
    _replace(module, "fetch_covtype", lambda _: _covers)
    _replace(module, "fetch_openml", lambda name: functools.partial(_pictures, name) if name in IMAGES else None)
    for name in (*_MORE, "fetch_olivetti_faces", "fetch_species_distributions"):
        _replace(module, name, lambda _: None)


def _replace(module: Any, name: str, choose: Any) -> None:
    original = getattr(module, name, None)
    if original is None:
        return
    parameters = inspect.signature(original).parameters
    is_openml = name == "fetch_openml"

    @functools.wraps(original)
    def fetch(*arguments: Any, **named: Any) -> Any:
        # There is no network: to wait and try again would only take time.
        named.update({name: value for name, value in (("n_retries", 1), ("delay", 0.01)) if name in parameters})
        try:
            return original(*arguments, **named)
        except OSError as error:
            asked = arguments[0] if arguments and isinstance(arguments[0], str) else named.get("name")
            make = choose(asked)
            if make is None:
                standins.unreachable(f"sklearn.datasets.{name}", asked or name, f"{type(error).__name__}: {error}")
                raise
        data, target, features, what = make()
        standins.used(f"sklearn.datasets.{name}", what)
        wants_frame = named.get("as_frame", "auto" if is_openml else False)
        if wants_frame:
            import pandas

            kind = "category" if is_openml else None
            data, target = (
                pandas.DataFrame(data, columns=features),
                pandas.Series(target, name="class" if is_openml else "target", dtype=kind),
            )
        if named.get("return_X_y"):
            return data, target
        from sklearn.utils import Bunch

        frame = data.assign(**{target.name: target}) if wants_frame else None
        return Bunch(data=data, target=target, feature_names=features, target_names=["target"], frame=frame, DESCR=what)

    setattr(module, name, fetch)


def _houses() -> Any:
    import numpy

    source = numpy.random.RandomState(0)
    data = source.gamma(3.0, 1.0, (HOUSES, len(FEATURES)))
    target = 0.5 * data[:, 0] + 0.1 * data[:, 2] + source.normal(0, 0.3, HOUSES)
    return data, target, FEATURES, f"California housing: {HOUSES} made-up rows"


def _covers() -> Any:
    import numpy

    source = numpy.random.RandomState(0)
    target = source.randint(1, COVER_TYPES + 1, COVERS).astype(numpy.int32)
    data = source.normal(0, 1, (COVERS, COVER_FEATURES)) + target[:, None]
    return data, target, [f"feature_{n}" for n in range(COVER_FEATURES)], f"Forest covertypes: {COVERS} made-up rows"


def _pictures(name: str) -> Any:
    import numpy

    source = numpy.random.RandomState(0)
    target = numpy.arange(IMAGE_ROWS) % IMAGE_CLASSES
    block = source.randint(0, 64, (1_000, PIXELS)) + 18 * (numpy.arange(1_000) % IMAGE_CLASSES)[:, None]
    data = numpy.tile(block, (IMAGE_ROWS // 1_000, 1)).astype(numpy.int64)
    return (
        data,
        target.astype(str).astype(object),
        [f"pixel{n + 1}" for n in range(PIXELS)],
        f"{name}: {IMAGE_ROWS} made-up rows, of which 1000 differ",
    )
