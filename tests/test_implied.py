"""What calls of libraries need beyond the library: spoken of where nobody declares it, and nowhere else."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{}]\n'
NEEDY = {
    "device_map": ("from transformers import AutoModel\nAutoModel.from_pretrained('a', device_map='auto')", "accelerate"),
    "through an alias": ("import transformers as tf\nm = tf.AutoModelForCausalLM.from_pretrained('a', device_map={'': 0})", "accelerate"),
    "of a variable": (
        "from transformers import AutoModel\ndef f(where):\n    return AutoModel.from_pretrained('a', device_map=where)",
        "accelerate",
    ),
    "low memory": ("from transformers import T5Model\nT5Model.from_pretrained('a', low_cpu_mem_usage=True)", "accelerate"),
    "four bits": ("from transformers import AutoModel\nAutoModel.from_pretrained('a', load_in_4bit=True)", "bitsandbytes"),
    "eight bits": ("from transformers import AutoModel\nAutoModel.from_pretrained('a', load_in_8bit=True)", "bitsandbytes"),
    "options in a dict": (
        "from transformers import AutoModel\ndef f():\n    options = {'cache_dir': 'c', 'device_map': 'auto'}\n    return AutoModel.from_pretrained('a', **options)",
        "accelerate",
    ),
    "options added later": (
        "from transformers import AutoModel\ndef f(gpu):\n    options = dict(cache_dir='c')\n    if gpu:\n        options['device_map'] = {'': 0}\n"
        "    return AutoModel.from_pretrained('a', **options)",
        "accelerate",
    ),
    "options that are updated": (
        "from transformers import AutoModel\noptions = {}\noptions.update(device_map='auto')\nAutoModel.from_pretrained('a', **options)",
        "accelerate",
    ),
    "a dict in the call": ("from transformers import AutoModel\nAutoModel.from_pretrained('a', **{'load_in_8bit': True})", "bitsandbytes"),
    "a partial": (
        "import functools\nfrom transformers import AutoModel\nfunctools.partial(AutoModel.from_pretrained, device_map='auto')('a')",
        "accelerate",
    ),
    "a pipeline": ("from transformers import pipeline\npipeline('fill-mask', device_map='auto')", "accelerate"),
    "training arguments": ("import transformers\ntransformers.TrainingArguments('out')", "accelerate"),
    "parquet": ("import pandas as pd\npd.read_parquet('a')", "pyarrow"),
    "hdf": ("import pandas\npandas.read_hdf('a')", "tables"),
    "plots of a study": ("import optuna\noptuna.visualization.plot_slice(None)", "plotly"),
}
ENOUGH = {
    "no map": "from transformers import AutoModel\nAutoModel.from_pretrained('a', device_map=None)",
    "not so": "from transformers import AutoModel\nAutoModel.from_pretrained('a', load_in_4bit=False)",
    "options without it": "from transformers import AutoModel\noptions = {'cache_dir': 'c'}\nAutoModel.from_pretrained('a', **options)",
    "options of another call": "from transformers import AutoModel\nother = {'device_map': 'auto'}\noptions = {}\nAutoModel.from_pretrained('a', **options)",
    "another library": "class AutoModel:\n    @classmethod\n    def from_pretrained(cls, name, device_map):\n        return 1\nAutoModel.from_pretrained('a', device_map='auto')",
    "another reader": "import pandas as pd\npd.read_csv('a')",
}
WITH = '"transformers", "pandas", "optuna"'


def warned(text: str, dependencies: str) -> list[str]:
    files = {"main.py": f"{text}\n", "pyproject.toml": PROJECT.format(dependencies)}
    verdict = check(experiment_of(files), CheckOptions(contract="program", select=("ENV102",)))
    return [finding.message for finding in verdict.findings if " needs " in finding.message]


@pytest.mark.parametrize(("text", "needs"), NEEDY.values(), ids=NEEDY.keys())
def test_what_is_needed(text, needs):
    assert [f"`{needs}`" in message for message in warned(text, WITH)] == [True]
    assert not warned(text, f'{WITH}, "{needs}"')
    assert not warned(text, '"transformers[torch]", "pandas[all]", "optuna"')
    assert not warned(text, f'{WITH}, "a-library-that-nobody-knows"')


@pytest.mark.parametrize("text", ENOUGH.values(), ids=ENOUGH.keys())
def test_what_is_enough(text):
    assert not warned(text, WITH)


def test_a_config_of_bits_needs_two():
    text = "from transformers import AutoModel, BitsAndBytesConfig\nAutoModel.from_pretrained('a', quantization_config=BitsAndBytesConfig(load_in_4bit=True))"
    assert [name for message in warned(text, WITH) for name in ("bitsandbytes", "accelerate") if f"`{name}`" in message] == [
        "bitsandbytes",
        "accelerate",
    ]
    assert not warned(text, f'{WITH}, "bitsandbytes", "accelerate"')
