"""What is fitted to data: transformers that keep what they saw, and models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gonogo.analysis.dataflow.blocks import Event
from gonogo.analysis.dataflow.contents import Contents
from gonogo.analysis.dataflow.definitions import Instance
from gonogo.analysis.dataflow.values import Attribute, Call, Display, Item, Mapping, Value, options, plain
from gonogo.analysis.dataflow.words import words
from gonogo.analysis.dataflow.wrapping import base


class Learns(Enum):
    """What something that is fitted keeps of the data."""

    SCALE = "the scale"
    FILL = "the values that fill gaps"
    CHOICE = "which features to keep"
    AXES = "the axes that it projects on"
    WORDS = "the vocabulary"
    CATEGORIES = "the categories"
    TARGETS = "the mean target of each category"
    ROWS = "copies of rows"
    MODEL = "a model"


_KINDS = {
    Learns.SCALE: words(
        "StandardScaler MinMaxScaler RobustScaler MaxAbsScaler QuantileTransformer PowerTransformer KBinsDiscretizer Normalization"
    ),
    Learns.FILL: words("SimpleImputer KNNImputer IterativeImputer Imputer MissForest"),
    Learns.CHOICE: words(
        "SelectKBest SelectPercentile RFE RFECV SelectFromModel SelectFpr SelectFdr SelectFwe GenericUnivariateSelect VarianceThreshold "
        "SequentialFeatureSelector BorutaPy"
    ),
    Learns.AXES: words(
        "PCA TruncatedSVD KernelPCA IncrementalPCA SparsePCA FastICA NMF LatentDirichletAllocation FactorAnalysis "
        "LinearDiscriminantAnalysis UMAP "
        "PLSRegression"
    ),
    Learns.WORDS: words("TfidfVectorizer CountVectorizer TfidfTransformer Tokenizer TextVectorization"),
    Learns.CATEGORIES: words("OneHotEncoder OrdinalEncoder"),
    Learns.TARGETS: words("TargetEncoder CatBoostEncoder LeaveOneOutEncoder JamesSteinEncoder WOEEncoder MEstimateEncoder GLMMEncoder"),
    Learns.ROWS: words(
        "SMOTE ADASYN BorderlineSMOTE SVMSMOTE SMOTENC SMOTEN KMeansSMOTE RandomOverSampler SMOTETomek SMOTEENN "
        "RandomUnderSampler NearMiss TomekLinks"
    ),
}
_BY_NAME = {name: kind for kind, names in _KINDS.items() for name in names}
_LIBRARIES = ("sklearn", "imblearn", "category_encoders", "umap", "boruta", "feature_engine", "cuml", "keras", "tensorflow", "")
_TEXT_ONLY = frozenset({"Tokenizer", "TextVectorization", "Normalization"})  # elsewhere a name for many things
CHAINS = frozenset({"Pipeline", "make_pipeline", "ColumnTransformer", "make_column_transformer", "FeatureUnion", "make_union"})
_MODELS = re.compile(
    r"^(?:sklearn|xgboost|lightgbm|catboost|imblearn\.ensemble|cuml|thundersvm|ngboost|pygam|tabpfn|interpret|mord|sksurv)\.(?:\w+\.)*"
    r"\w*(?:Classifier|Regressor|Regression|RegressionCV|SVC|SVR|NB|Ridge|RidgeCV|Lasso|LassoCV|ElasticNet|ElasticNetCV|Perceptron|Booster|Forest|"
    r"LinearDiscriminantAnalysis|QuadraticDiscriminantAnalysis|GridSearchCV|RandomizedSearchCV|HalvingGridSearchCV|BayesSearchCV|CatBoost)$"
)
SEARCHES = frozenset(
    {"GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "BayesSearchCV", "OptunaSearchCV"}
)
FITS = frozenset({"fit", "fit_transform", "fit_resample", "fit_sample", "partial_fit", "adapt", "fit_on_texts", "fit_predict"})


@dataclass(frozen=True)
class Fit:
    """Something that is fitted to data.

    Attributes:
        event: the call.
        learner: the object that is fitted; `name` that of its class.
        learns: what it keeps.
        data: what it is fitted to.
        target: the second thing that it is given.
    """

    event: Event
    learner: Value
    name: str
    learns: Learns
    data: Value
    target: Value | None


def learns_of(value: Value) -> tuple[Learns, str] | None:
    """Return what an object keeps of the data it is fitted to, and the name of its class.

    None where it is not known to keep anything.
    """
    made = base(value)
    if isinstance(made, Instance):
        names = made.cls.library_bases()
        return (Learns.MODEL, made.cls.name) if any(_MODELS.match(name) or name.endswith("ClassifierMixin") for name in names) else None
    if not isinstance(made, Call) or made.method:
        return _of_member(made)
    short, library = made.short, made.name.partition(".")[0]
    if short in CHAINS:
        return _of_chain(made)
    if short in _TEXT_ONLY and library not in ("keras", "tensorflow"):
        return None
    known = _BY_NAME.get(short)
    if known is not None and library in _LIBRARIES:
        return known, short
    return (Learns.MODEL, short) if _MODELS.match(made.name) else None


def _of_member(made: Value) -> tuple[Learns, str] | None:
    """`scaler.fit(X)` gives the scaler back, `search.best_estimator_` a model like the search's."""
    if isinstance(made, Attribute) and made.name == "best_estimator_":
        search = learner_of(made.owner)
        given = search.argument(0, "estimator") if isinstance(search, Call) and search.short in SEARCHES else None
        return learns_of(given) if given is not None else None
    if isinstance(made, Call) and made.method in ("fit", "set_params", "set_output") and made.receiver is not None:
        return learns_of(made.receiver)
    return None


def _of_chain(chain: Call) -> tuple[Learns, str] | None:
    """A pipeline is a model if its last step is one; else it keeps what its steps keep."""
    found = [known for entry in _steps(chain) if (known := learns_of(entry)) is not None]
    for learns, name in found:
        if learns is Learns.MODEL:
            return Learns.MODEL, name
    order = list(Learns)
    return min(found, key=lambda known: (known[0] is Learns.CATEGORIES, order.index(known[0]))) if found else None


def _steps(chain: Call) -> Iterator[Value]:
    pending, depth = list(chain.given()), 0
    while pending and depth < 60:
        depth += 1
        entry = base(pending.pop(0))
        if isinstance(entry, (Display, Mapping)):
            pending += list(entry.inputs())
        elif isinstance(entry, Call):
            yield entry


def learner_of(value: Value) -> Value:
    """The object that is fitted, behind calls that give it back."""
    made = base(value)
    while True:
        if isinstance(made, Call) and made.method in ("fit", "set_params", "set_output") and made.receiver is not None:
            made = base(made.receiver)
        elif isinstance(made, Attribute) and made.name == "best_estimator_":
            made = base(made.owner)
        else:
            return made


def fits(contents: Contents) -> Iterator[Fit]:
    """Everything that is fitted, where what it is is known."""
    for name in FITS:
        for event in contents.events.get(name, ()):
            call = event.call
            data = call.argument(0, "X", "x", "data", "y" if name == "fit" else "texts", "raw_documents", "texts")
            if call.receiver is None or data is None or call.is_open:
                continue
            for option in options(call.receiver):
                known = learns_of(option)
                if known is not None:
                    learns, short = known
                    if name in ("fit_resample", "fit_sample"):
                        learns = Learns.ROWS
                    yield Fit(event, learner_of(option), short, learns, data, call.argument(1, "y", "Y"))
                    break


def items_of(call: Value) -> Value:
    """The call that one of several results is of."""
    value = plain(call)
    return plain(value.owner) if isinstance(value, Item) else value
