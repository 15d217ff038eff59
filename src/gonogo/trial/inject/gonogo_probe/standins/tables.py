"""scikit-learn's data sets that it downloads."""

from __future__ import annotations

import functools
from typing import Any

from gonogo_probe import hooks, standins

HOUSES = 20_640
FEATURES = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
COVERS, COVER_FEATURES, COVER_TYPES = 58_101, 54, 7
_MORE = ("fetch_openml", "fetch_20newsgroups", "fetch_20newsgroups_vectorized", "fetch_rcv1", "fetch_kddcup99", "fetch_lfw_people")


def start() -> None:
    """Stand in for `sklearn.datasets.fetch_california_housing` and `fetch_covtype`."""
    hooks.when_imported("sklearn.datasets", _watch)


def _watch(module: Any) -> None:
    _replace(module, "fetch_california_housing", _houses)
    _replace(module, "fetch_covtype", _covers)
    for name in _MORE:
        _replace(module, name, None)
    for name in ("fetch_olivetti_faces", "fetch_species_distributions"):
        _replace(module, name, None)


def _replace(module: Any, name: str, make: Any) -> None:
    original = getattr(module, name, None)
    if original is None:
        return

    @functools.wraps(original)
    def fetch(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except OSError as error:
            if make is None:
                shown = arguments[0] if arguments and isinstance(arguments[0], str) else name
                standins.unreachable(f"sklearn.datasets.{name}", shown, f"{type(error).__name__}: {error}")
                raise
        data, target, features, what = make()
        standins.used(f"sklearn.datasets.{name}", what)
        if named.get("as_frame"):
            import pandas

            data, target = pandas.DataFrame(data, columns=features), pandas.Series(target, name="target")
        if named.get("return_X_y"):
            return data, target
        from sklearn.utils import Bunch

        return Bunch(data=data, target=target, feature_names=features, target_names=["target"], frame=None, DESCR=what)

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
