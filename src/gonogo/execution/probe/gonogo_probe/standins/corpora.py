"""Well-known data sets of the Hugging Face hub: names, configs, columns, classes and numbers of rows.

A key has every name under which the hub has a data set. Below it are its configs; `""` is that of one that needs no name. A column has a
kind (`columns.py` makes them); a number of rows below zero means that the labels of that split are not given away: they are -1, or empty
where they are texts. All of it is what the data sets' own cards and viewers on the hub show.
"""

from __future__ import annotations

Columns = dict[str, str]
Splits = dict[str, int]
Config = tuple[Columns, Splits]


def _of(columns: Columns, **splits: int) -> Config:
    return columns, splits


def _one(columns: Columns, **splits: int) -> dict[str, Config]:
    return {"": (columns, splits)}


def _each(names: str, columns: Columns, **splits: int) -> dict[str, Config]:
    return dict.fromkeys(names.split(), (columns, splits))


def _languages(names: str, **splits: int) -> dict[str, Config]:
    return {name: ({"translation": f"translation:{name.replace('-', ',')}"}, splits) for name in names.split()}


_CIFAR = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
_FASHION = "T - shirt / top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_NEGATIVE = "class:negative,positive"
_ENTAILS, _FOLLOWS = "class:entailment,not_entailment", "class:entailment,neutral,contradiction"
_DISPUTED = "gaps:entailment,neutral,contradiction"
_INSTRUCTION = {"instruction": "text", "input": "optional", "output": "text"}
_MULTIPLE = {"question": "text", "choices": "lettered:4:mixed", "answerKey": "letter:4:mixed"}
_NER = "tags:O,B-PER,I-PER,B-ORG,I-ORG,B-LOC,I-LOC,B-MISC,I-MISC"
_QUESTION = {"id": "name", "title": "text", "context": "long", "question": "text", "answers": "answers"}
_SUMMARY = {"article": "long", "highlights": "text", "id": "name"}
_TWEET = {"text": "text", "label": "class:4"}
_UNLABELLED_PAIR = {"sentence1": "text", "sentence2": "text", "label": _ENTAILS, "idx": "index"}

KNOWN: dict[str, dict[str, Config]] = {
    # texts with a label
    "ag_news fancyzhx/ag_news": _one({"text": "text", "label": "class:World,Sports,Business,Sci/Tech"}, train=120_000, test=7_600),
    "imdb stanfordnlp/imdb": _one({"text": "long", "label": "class:neg,pos"}, train=25_000, test=25_000, unsupervised=-50_000),
    "rotten_tomatoes cornell-movie-review-data/rotten_tomatoes": _one(
        {"text": "text", "label": "class:neg,pos"}, train=8_530, validation=1_066, test=1_066
    ),
    "yelp_polarity fancyzhx/yelp_polarity": _one({"text": "text", "label": "class:1,2"}, train=560_000, test=38_000),
    "yelp_review_full Yelp/yelp_review_full": _one(
        {"label": "class:1 star,2 star,3 stars,4 stars,5 stars", "text": "text"}, train=650_000, test=50_000
    ),
    "amazon_polarity fancyzhx/amazon_polarity": _one(
        {"label": _NEGATIVE, "title": "text", "content": "text"}, train=3_600_000, test=400_000
    ),
    "dbpedia_14 fancyzhx/dbpedia_14": _one({"label": "class:14", "title": "text", "content": "text"}, train=560_000, test=70_000),
    "emotion dair-ai/emotion": _one(
        {"text": "text", "label": "class:sadness,joy,love,anger,fear,surprise"}, train=16_000, validation=2_000, test=2_000
    ),
    "trec CogComp/trec": _one(
        {"text": "text", "coarse_label": "class:ABBR,ENTY,DESC,HUM,LOC,NUM", "fine_label": "class:50"}, train=5_452, test=500
    ),
    "sst2 stanfordnlp/sst2": _one({"idx": "index", "sentence": "text", "label": _NEGATIVE}, train=67_349, validation=872, test=-1_821),
    "SetFit/sst5": _one({"text": "text", "label": "int:5", "label_text": "text"}, train=8_544, validation=1_101, test=2_210),
    "SetFit/20_newsgroups": _one({"text": "long", "label": "int:20", "label_text": "text"}, train=11_314, test=7_532),
    "banking77 PolyAI/banking77": _one({"text": "text", "label": "class:77"}, train=10_003, test=3_080),
    "sms_spam ucirvine/sms_spam": _one({"sms": "text", "label": "class:ham,spam"}, train=5_574),
    "tweet_eval cardiffnlp/tweet_eval": {
        "emotion": _of(_TWEET, train=3_257, validation=374, test=1_421),
        "sentiment": _of({**_TWEET, "label": "class:negative,neutral,positive"}, train=45_615, validation=2_000, test=12_284),
        "hate": _of({**_TWEET, "label": "class:non-hate,hate"}, train=9_000, validation=1_000, test=2_970),
        "irony": _of({**_TWEET, "label": "class:non_irony,irony"}, train=2_862, validation=955, test=784),
        "offensive": _of({**_TWEET, "label": "class:non-offensive,offensive"}, train=11_916, validation=1_324, test=860),
    },
    # pairs of texts
    "glue nyu-mll/glue": {
        "sst2": _of({"sentence": "text", "label": _NEGATIVE, "idx": "index"}, train=67_349, validation=872, test=-1_821),
        "cola": _of(
            {"sentence": "text", "label": "class:unacceptable,acceptable", "idx": "index"}, train=8_551, validation=1_043, test=-1_063
        ),
        # alone among them its test split has labels
        "mrpc": _of({**_UNLABELLED_PAIR, "label": "class:not_equivalent,equivalent"}, train=3_668, validation=408, test=1_725),
        "rte": _of(_UNLABELLED_PAIR, train=2_490, validation=277, test=-3_000),
        "wnli": _of({**_UNLABELLED_PAIR, "label": "class:not_entailment,entailment"}, train=635, validation=71, test=-146),
        "stsb": _of({**_UNLABELLED_PAIR, "label": "float"}, train=5_749, validation=1_500, test=-1_379),
        "qqp": _of(
            {"question1": "text", "question2": "text", "label": "class:not_duplicate,duplicate", "idx": "index"},
            train=363_846,
            validation=40_430,
            test=-390_965,
        ),
        "qnli": _of(
            {"question": "text", "sentence": "text", "label": _ENTAILS, "idx": "index"}, train=104_743, validation=5_463, test=-5_463
        ),
        "mnli": _of(
            {"premise": "text", "hypothesis": "text", "label": _FOLLOWS, "idx": "index"},
            train=392_702,
            validation_matched=9_815,
            validation_mismatched=9_832,
            test_matched=-9_796,
            test_mismatched=-9_847,
        ),
        "ax": _of({"premise": "text", "hypothesis": "text", "label": _FOLLOWS, "idx": "index"}, test=-1_104),
    },
    "super_glue aps/super_glue": {
        "boolq": _of(
            {"question": "text", "passage": "long", "idx": "index", "label": "class:False,True"}, train=9_427, validation=3_270, test=-3_245
        ),
        "cb": _of({"premise": "text", "hypothesis": "text", "idx": "index", "label": _FOLLOWS}, train=250, validation=56, test=-250),
        "rte": _of({"premise": "text", "hypothesis": "text", "idx": "index", "label": _ENTAILS}, train=2_490, validation=277, test=-3_000),
        "copa": _of(
            {"premise": "text", "choice1": "text", "choice2": "text", "question": "text", "idx": "index", "label": "class:choice1,choice2"},
            train=400,
            validation=100,
            test=-500,
        ),
    },
    "snli stanfordnlp/snli": _one(
        {"premise": "text", "hypothesis": "text", "label": _DISPUTED}, train=550_152, validation=10_000, test=10_000
    ),
    "paws google-research-datasets/paws": _each(
        "labeled_final",
        {"id": "index", "sentence1": "text", "sentence2": "text", "label": "class:0,1"},
        train=49_401,
        validation=8_000,
        test=8_000,
    ),
    # running text
    "wikitext Salesforce/wikitext": {
        **_each("wikitext-2-raw-v1 wikitext-2-v1", {"text": "optional"}, train=36_718, validation=3_760, test=4_358),
        **_each("wikitext-103-raw-v1 wikitext-103-v1", {"text": "optional"}, train=1_801_350, validation=3_760, test=4_358),
    },
    "roneneldan/TinyStories": _one({"text": "long"}, train=2_119_719, validation=21_990),
    "openwebtext Skylion007/openwebtext": _one({"text": "long"}, train=8_013_769),
    "bookcorpus bookcorpus/bookcorpus": _one({"text": "text"}, train=74_004_228),
    "c4 allenai/c4": _each("en realnewslike", {"text": "long", "timestamp": "text", "url": "text"}, train=364_868_892, validation=364_608),
    "lambada cimec/lambada": _one({"text": "text", "domain": "text"}, train=2_662, validation=4_869, test=5_153),
    # questions
    "squad rajpurkar/squad": _one(_QUESTION, train=87_599, validation=10_570),
    "squad_v2 rajpurkar/squad_v2": _one({**_QUESTION, "answers": "answers:none"}, train=130_319, validation=11_873),
    "gsm8k openai/gsm8k": _each("main socratic", {"question": "text", "answer": "sum"}, train=7_473, test=1_319),
    "cais/mmlu": _each(
        "all abstract_algebra anatomy college_mathematics high_school_mathematics",
        {"question": "text", "subject": "text", "choices": "texts:4", "answer": "class:A,B,C,D"},
        test=14_042,
        validation=1_531,
        dev=285,
    ),
    "hellaswag Rowan/hellaswag": _one(
        {"ind": "index", "activity_label": "text", "ctx_a": "text", "ctx_b": "text", "ctx": "text", "endings": "texts:4"}
        | {"source_id": "name", "split": "text", "split_type": "text", "label": "number:4"},
        train=39_905,
        validation=10_042,
        test=-10_003,
    ),
    "piqa ybisk/piqa": _one(
        {"goal": "text", "sol1": "text", "sol2": "text", "label": "class:0,1"}, train=16_113, validation=1_838, test=-3_084
    ),
    "ai2_arc allenai/ai2_arc": {
        "ARC-Challenge": _of({"id": "name", **_MULTIPLE}, train=1_119, validation=299, test=1_172),
        "ARC-Easy": _of({"id": "name", **_MULTIPLE}, train=2_251, validation=570, test=2_376),
    },
    "openbookqa allenai/openbookqa": _each(
        "main",
        {"id": "name", "question_stem": "text", "choices": "lettered:4", "answerKey": "letter:4"},
        train=4_957,
        validation=500,
        test=500,
    ),
    "commonsense_qa tau/commonsense_qa": _one(
        {"id": "name", "question": "text", "question_concept": "text", "choices": "lettered:5", "answerKey": "letter:5"},
        train=9_741,
        validation=1_221,
        test=-1_140,
    ),
    "winogrande allenai/winogrande": _each(
        "winogrande_xs winogrande_s winogrande_m winogrande_l winogrande_xl winogrande_debiased",
        {"sentence": "text", "option1": "text", "option2": "text", "answer": "counted:2"},
        train=40_398,
        validation=1_267,
        test=-1_767,
    ),
    "swag allenai/swag": _each(
        "regular",
        {"video-id": "name", "fold-ind": "name", "startphrase": "text", "sent1": "text", "sent2": "text", "gold-source": "text"}
        | {"ending0": "text", "ending1": "text", "ending2": "text", "ending3": "text", "label": "class:4"},
        train=73_546,
        validation=20_006,
        test=-20_005,
    ),
    "social_i_qa allenai/social_i_qa": _one(
        {"context": "text", "question": "text", "answerA": "text", "answerB": "text", "answerC": "text", "label": "counted:3"},
        train=33_410,
        validation=1_954,
    ),
    "cosmos_qa allenai/cosmos_qa": _one(
        {"id": "name", "context": "text", "question": "text", "answer0": "text", "answer1": "text", "answer2": "text", "answer3": "text"}
        | {"label": "int:4"},
        train=25_262,
        validation=2_985,
        test=-6_963,
    ),
    "sciq allenai/sciq": _one(
        {"question": "text", "distractor3": "text", "distractor1": "text", "distractor2": "text", "correct_answer": "text"}
        | {"support": "optional"},
        train=11_679,
        validation=1_000,
        test=1_000,
    ),
    "race ehovy/race": _each(
        "all high middle",
        {"example_id": "name", "article": "long", "answer": "letter:4", "question": "text", "options": "texts:4"},
        test=4_934,
        train=87_866,
        validation=4_887,
    ),
    "HuggingFaceH4/MATH-500": _one(
        {"problem": "text", "solution": "text", "answer": "text", "subject": "text", "level": "int:5", "unique_id": "name"}, test=500
    ),
    "boolq google/boolq": _one({"question": "text", "answer": "bool", "passage": "long"}, train=9_427, validation=3_270),
    # code
    "openai_humaneval openai/openai_humaneval": _one(
        {"task_id": "name", "prompt": "code", "canonical_solution": "code", "test": "code", "entry_point": "name"}, test=164
    ),
    "mbpp google-research-datasets/mbpp": _one(
        {
            "task_id": "index",
            "text": "text",
            "code": "code",
            "test_list": "texts:3",
            "test_setup_code": "optional",
            "challenge_test_list": "texts:0",
        },
        train=374,
        test=500,
        validation=90,
        prompt=10,
    ),
    # instructions and preferences
    "tatsu-lab/alpaca": _one({**_INSTRUCTION, "text": "text"}, train=52_002),
    "yahma/alpaca-cleaned": _one({"output": "text", "input": "optional", "instruction": "text"}, train=51_760),
    "vicgalle/alpaca-gpt4": _one({**_INSTRUCTION, "text": "text"}, train=52_002),
    "databricks/databricks-dolly-15k": _one(
        {"instruction": "text", "context": "optional", "response": "text", "category": "text"}, train=15_011
    ),
    "argilla/dpo-mix-7k": _one(
        {"dataset": "text", "chosen": "dialogue", "rejected": "dialogue", "chosen_rating": "float", "rejected_rating": "float"},
        train=6_750,
        test=750,
    ),
    "Anthropic/hh-rlhf": _one({"chosen": "talk", "rejected": "talk"}, train=160_800, test=8_552),
    "HuggingFaceH4/ultrafeedback_binarized": _one(
        {"prompt": "text", "prompt_id": "name", "chosen": "dialogue", "rejected": "dialogue", "messages": "dialogue"}
        | {"score_chosen": "float", "score_rejected": "float"},
        train_prefs=61_135,
        test_prefs=2_000,
        train_sft=61_135,
        test_sft=1_000,
        train_gen=61_135,
        test_gen=1_000,
    ),
    "HuggingFaceH4/ultrachat_200k": _one(
        {"prompt": "text", "prompt_id": "name", "messages": "dialogue"},
        train_sft=207_865,
        test_sft=23_110,
        train_gen=256_032,
        test_gen=28_304,
    ),
    "Intel/orca_dpo_pairs": _one({"system": "optional", "question": "text", "chosen": "text", "rejected": "text"}, train=12_859),
    "Open-Orca/OpenOrca": _one({"id": "name", "system_prompt": "optional", "question": "text", "response": "text"}, train=4_233_923),
    # one text into another
    "cnn_dailymail abisee/cnn_dailymail": _each("1.0.0 2.0.0 3.0.0", _SUMMARY, train=287_113, validation=13_368, test=11_490),
    "xsum EdinburghNLP/xsum": _one({"document": "long", "summary": "text", "id": "name"}, train=204_045, validation=11_332, test=11_334),
    "samsum Samsung/samsum": _one({"id": "name", "dialogue": "long", "summary": "text"}, train=14_732, validation=818, test=819),
    "wmt14 wmt/wmt14": _languages("de-en fr-en cs-en hi-en ru-en", train=4_508_785, validation=3_000, test=3_003),
    "wmt16 wmt/wmt16": _languages("de-en cs-en fi-en ro-en ru-en tr-en", train=610_320, validation=1_999, test=1_999),
    # words
    "conll2003 eriktks/conll2003": _one(
        {"id": "name", "tokens": "tokens", "pos_tags": "tags:47", "chunk_tags": "tags:23", "ner_tags": _NER},
        train=14_041,
        validation=3_250,
        test=3_453,
    ),
    # pictures
    "cifar10 uoft-cs/cifar10": _one({"img": "image:32x3", "label": f"class:{_CIFAR}"}, train=50_000, test=10_000),
    "cifar100 uoft-cs/cifar100": _one(
        {"img": "image:32x3", "fine_label": "class:100", "coarse_label": "class:20"}, train=50_000, test=10_000
    ),
    # its card: integers for labels, the corruptions by the names of the original's files, levels from 1
    "robro/cifar10-c-parquet": _one(
        {"image": "image:32x3", "label": "int:10", "corruption_name": "corruption", "corruption_level": "level:5"}, train=950_000
    ),
    "mnist ylecun/mnist": _one({"image": "image:28x1", "label": "class:10"}, train=60_000, test=10_000),
    "fashion_mnist zalando-datasets/fashion_mnist": _one({"image": "image:28x1", "label": f"class:{_FASHION}"}, train=60_000, test=10_000),
    "svhn ufldl-stanford/svhn": _each(
        "cropped_digits", {"image": "image:32x3", "label": "class:10"}, train=73_257, test=26_032, extra=531_131
    ),
    "food101 ethz/food101": _one({"image": "image:128x3:varied", "label": "class:101"}, train=75_750, validation=25_250),
    "beans AI-Lab-Makerere/beans": _one(
        {"image_file_path": "name", "image": "image:128x3", "labels": "class:angular_leaf_spot,bean_rust,healthy"},
        train=1_034,
        validation=133,
        test=128,
    ),
    "cats_vs_dogs microsoft/cats_vs_dogs": _one({"image": "image:128x3:varied", "labels": "class:cat,dog"}, train=23_410),
    "zh-plus/tiny-imagenet Maysee/tiny-imagenet": _one({"image": "image:64x3", "label": "class:200"}, train=100_000, valid=10_000),
    "imagenet-1k ILSVRC/imagenet-1k": _one(
        {"image": "image:128x3:grey", "label": "class:1000"}, train=1_281_167, validation=50_000, test=-100_000
    ),
}
