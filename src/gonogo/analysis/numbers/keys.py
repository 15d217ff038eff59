"""What the key of a number says of it: a score, a loss, neither; of which part of the data."""

from __future__ import annotations

import re

_SCORE = (
    r"acc|accuracy|accuracies|balanced_accuracy|top1|top5|top_?[15]_acc(?:uracy)?|f1|f1_score|macro_f1|micro_f1|auc|auroc|auprc|roc_auc"
    r"|precision|recall|bleu|rouge\w?|iou|miou|map|mrr|ndcg|exact_match|error_rate|psnr|ssim|r2|win_rate|success_rate|bertscore|meteor|cider"
    r"|wer|cer|mcc|kappa|dice|mean_reward|reward"
)
_LOSS = r"loss|nll|perplexity|ppl|mse|rmse|mae|ece|brier|cross_entropy"
# What may follow the name of a score: how it was averaged, over what.
_HOW = "mean|avg|average|macro|micro|weighted|epoch|step|score|pct|percent|final|best|test|val|valid|validation|eval|overall|total"
_AFTER = rf"(?:[_\-./@ ](?:{_HOW}|\d+))*"
SCORE = re.compile(rf"(?:^|[_\-./ ])(?:{_SCORE}){_AFTER}$", re.IGNORECASE)
LOSS = re.compile(rf"(?:^|[_\-./ ])(?:{_LOSS}){_AFTER}$", re.IGNORECASE)
#: Words of numbers that nobody measures with the model: goals, chance levels, results of others.
NOT_MEASURED = re.compile(
    r"weight|coef|(?<![a-z])lr(?![a-z])|target|threshold|goal|baseline|chance|random|majority|prior|dummy|(?<![a-z])n_|num_|count|scale"
    r"|factor|alpha|lambda|margin|tolerance|epsilon|reported|paper|published|expected|reference|init|start|upper|lower|bound|limit|min_|max_"
    r"|human|oracle|sota|guess|ideal|perfect|theor",
    re.IGNORECASE,
)
_P_VALUE = re.compile(r"(?:^|[_\-./ ])p[_\- ]?val(?:ue)?s?(?:$|[_\-./ ])", re.IGNORECASE)
_GAIN = re.compile(r"(?:^|[_\-./ ])(?:improvement|gain|uplift)(?:[_\-./ ](?:rate|pct|percent|ratio|relative|absolute))*$", re.IGNORECASE)
_TRAIN = re.compile(r"(?:^|[_\-./ ])(?:train|training)(?:$|[_\-./ ])", re.IGNORECASE)
_TEST = re.compile(r"(?:^|[_\-./ ])(?:test|testing|held_?out)(?:$|[_\-./ ])", re.IGNORECASE)


def is_score(key: str) -> bool:
    """Whether a key names a measured score, the higher the better or an error rate."""
    return SCORE.search(key) is not None and NOT_MEASURED.search(key) is None


def is_measured(key: str) -> bool:
    """Whether a key names a score or a loss that is measured."""
    return is_score(key) or (LOSS.search(key) is not None and NOT_MEASURED.search(key) is None)


def is_p_value(key: str) -> bool:
    """Whether a key names the p-value of a significance test."""
    return _P_VALUE.search(key) is not None


def is_gain(key: str) -> bool:
    """Whether a key names by how much one method is better than another."""
    return _GAIN.search(key) is not None and NOT_MEASURED.search(key) is None


def is_of_test(key: str) -> bool:
    """Whether a key says that the number is of the test split."""
    return _TEST.search(key) is not None and _TRAIN.search(key) is None
