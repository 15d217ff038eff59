"""Which distribution an import needs, and what a distribution surely brings along.

Both tables are short on purpose: they hold what experiments of this kind use. What they don't know is treated as unknown, not as absent.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.utils import canonicalize_name

# Import name -> the distributions that provide it, where the two names differ or where there is more than one. The first is the one to recommend.
PROVIDERS: dict[str, tuple[str, ...]] = {
    "Crypto": ("pycryptodome",),
    "GPUtil": ("gputil",),
    "IPython": ("ipython",),
    "PIL": ("pillow", "pillow-simd"),
    "absl": ("absl-py",),
    "antlr4": ("antlr4-python3-runtime",),
    "attr": ("attrs",),
    "ax": ("ax-platform",),
    "bert_score": ("bert-score",),
    "bs4": ("beautifulsoup4",),
    "clip": ("openai-clip", "clip", "clip-anytorch"),
    "cpuinfo": ("py-cpuinfo",),
    "cupy": ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x"),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "dateutil": ("python-dateutil",),
    "docx": ("python-docx",),
    "dotenv": ("python-dotenv",),
    "faiss": ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12"),
    "fitz": ("pymupdf",),
    "git": ("gitpython",),
    "grpc": ("grpcio",),
    "hydra": ("hydra-core",),
    "imblearn": ("imbalanced-learn",),
    "jwt": ("pyjwt",),
    "markdown": ("markdown",),
    "mpl_toolkits": ("matplotlib",),
    "msgpack": ("msgpack",),
    "open_clip": ("open-clip-torch",),
    "ot": ("pot",),
    "pkg_resources": ("setuptools",),
    "pl_bolts": ("lightning-bolts",),
    "pptx": ("python-pptx",),
    "pylab": ("matplotlib",),
    "pynvml": ("nvidia-ml-py", "pynvml"),
    "pywt": ("pywavelets",),
    "pytorch_lightning": ("pytorch-lightning", "lightning"),
    "rouge_score": ("rouge-score",),
    "serial": ("pyserial",),
    "sentence_transformers": ("sentence-transformers",),
    "skimage": ("scikit-image",),
    "sklearn": ("scikit-learn",),
    "skopt": ("scikit-optimize",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos", "tf-nightly"),
    "torch_geometric": ("torch-geometric", "pyg"),
    "umap": ("umap-learn",),
    "yaml": ("pyyaml",),
    "zmq": ("pyzmq",),
}  # fmt: skip

# Import name = distribution name: known, so that no other distribution is suspected of providing it.
_SAME_NAME = """
    accelerate aiohttp albumentations alembic anthropic botorch bitsandbytes catboost certifi click cloudpickle colorlog contourpy cycler cvxpy
    dask datasets deepspeed diffusers dill einops evaluate filelock flax fsspec gensim gpytorch gymnasium gym h5py httpx huggingface_hub imageio
    jax jaxlib jinja2 joblib kaleido keras kiwisolver kornia lightgbm lightning lightning_utilities llvmlite lpips matplotlib mlflow mpmath
    multiprocess networkx nltk numba numpy omegaconf openai openpyxl optax optuna packaging pandas patsy peft pingouin platformdirs plotly
    polars protobuf psutil pyarrow pydantic pygments pynndescent pyparsing pytest pytz ray regex requests rich robustbench sacrebleu safetensors
    scipy seaborn sentencepiece sentry_sdk setproctitle setuptools six spacy sqlalchemy statsmodels sympy tabulate tensorboard tensorboardX
    termcolor threadpoolctl tifffile tiktoken timm tokenizers torch torchaudio torchmetrics torchtext torchvision tqdm transformers triton trl
    typer typing_extensions urllib3 wandb xarray xformers xgboost xxhash zarr
""".split()
PROVIDERS |= {name: (canonicalize_name(name),) for name in _SAME_NAME}

# Distribution -> what it depends on without any extra; leaving one out could make a false error, so doubtful ones are in.
_BRINGS = {
    "absl-py": "", "accelerate": "torch numpy packaging psutil pyyaml huggingface-hub safetensors", "albucore": "numpy opencv-python-headless",
    "albumentations": "albucore numpy opencv-python-headless pydantic pyyaml scipy scikit-image", "alembic": "sqlalchemy mako typing-extensions",
    "anthropic": "httpx pydantic typing-extensions", "antlr4-python3-runtime": "", "beautifulsoup4": "soupsieve typing-extensions",
    "bert-score": "matplotlib numpy packaging pandas requests torch tqdm transformers", "bitsandbytes": "numpy packaging scipy torch",
    "catboost": "graphviz matplotlib numpy pandas plotly scipy six", "click": "", "cloudpickle": "", "colorlog": "",
    "datasets": "aiohttp dill filelock fsspec httpx huggingface-hub multiprocess numpy packaging pandas pyarrow pyyaml requests tqdm xxhash",
    "diffusers": "filelock httpx huggingface-hub numpy pillow regex requests safetensors", "einops": "",
    "evaluate": "datasets dill fsspec huggingface-hub multiprocess numpy packaging pandas requests responses tqdm xxhash", "filelock": "",
    "fsspec": "", "ftfy": "wcwidth", "gensim": "numpy scipy smart-open", "gitpython": "gitdb",
    "gymnasium": "cloudpickle numpy typing-extensions", "h5py": "numpy", "httpx": "anyio certifi httpcore idna",
    "huggingface-hub": "filelock fsspec httpx packaging pyyaml requests tqdm typer typing-extensions",
    "hydra-core": "antlr4-python3-runtime omegaconf packaging", "hydra-joblib-launcher": "hydra-core joblib",
    "hydra-optuna-sweeper": "hydra-core optuna", "hydra-colorlog": "hydra-core colorlog", "imageio": "numpy pillow",
    "imbalanced-learn": "joblib numpy scikit-learn scipy threadpoolctl", "ipykernel": "ipython psutil packaging pyzmq", "ipython": "pygments",
    "jinja2": "markupsafe", "joblib": "", "kaleido": "", "kornia": "torch packaging", "lightgbm": "numpy scipy",
    "lightning": "fsspec lightning-utilities numpy packaging pytorch-lightning pyyaml torch torchmetrics tqdm typing-extensions",
    "lightning-utilities": "packaging setuptools typing-extensions", "lpips": "torch torchvision numpy scipy tqdm",
    "matplotlib": "contourpy cycler fonttools kiwisolver numpy packaging pillow pyparsing python-dateutil", "multiprocess": "dill",
    "networkx": "", "nltk": "click joblib regex tqdm", "numba": "llvmlite numpy", "numpy": "", "nvidia-ml-py": "",
    "omegaconf": "antlr4-python3-runtime pyyaml", "openai": "httpx pydantic tqdm typing-extensions",
    "open-clip-torch": "ftfy huggingface-hub regex safetensors timm torch torchvision tqdm", "opencv-contrib-python": "numpy",
    "opencv-contrib-python-headless": "numpy", "opencv-python": "numpy", "opencv-python-headless": "numpy", "openpyxl": "et-xmlfile",
    "optuna": "alembic colorlog numpy packaging pyyaml sqlalchemy tqdm", "packaging": "",
    "pandas": "numpy python-dateutil pytz tzdata", "patsy": "numpy six", "pillow": "", "pingouin": "matplotlib numpy pandas scikit-learn scipy seaborn statsmodels tabulate",
    "peft": "accelerate huggingface-hub numpy packaging psutil pyyaml safetensors torch tqdm transformers", "platformdirs": "",
    "plotly": "packaging tenacity", "protobuf": "", "psutil": "", "pyarrow": "numpy", "pydantic": "typing-extensions", "pygments": "",
    "pynndescent": "joblib llvmlite numba scikit-learn scipy", "pynvml": "nvidia-ml-py", "pyparsing": "", "pytest": "packaging pygments",
    "python-dateutil": "six", "python-dotenv": "", "pytorch-lightning": "fsspec lightning-utilities numpy packaging pyyaml torch torchmetrics tqdm typing-extensions",
    "pytz": "", "pywavelets": "numpy", "pyyaml": "", "regex": "", "requests": "certifi charset-normalizer idna urllib3", "rich": "pygments",
    "rouge-score": "absl-py nltk numpy six", "ruff": "", "sacrebleu": "colorama lxml numpy portalocker regex tabulate",
    "safetensors": "", "scikit-image": "imageio lazy-loader networkx numpy packaging pillow scipy tifffile",
    "scikit-learn": "joblib numpy scipy threadpoolctl", "scikit-optimize": "joblib numpy scikit-learn scipy pyyaml", "scipy": "numpy",
    "seaborn": "matplotlib numpy pandas", "sentence-transformers": "huggingface-hub numpy pillow scikit-learn scipy torch tqdm transformers",
    "sentencepiece": "", "setuptools": "", "six": "", "sqlalchemy": "typing-extensions", "statsmodels": "numpy packaging pandas patsy scipy",
    "sympy": "mpmath", "tabulate": "", "tensorboard": "absl-py grpcio markdown numpy packaging pillow protobuf setuptools six",
    "tensorboardx": "numpy packaging protobuf", "termcolor": "", "threadpoolctl": "", "tifffile": "numpy", "tiktoken": "regex requests",
    "timm": "huggingface-hub pyyaml safetensors torch torchvision numpy", "tokenizers": "huggingface-hub",
    "torch": "filelock fsspec jinja2 networkx numpy setuptools sympy triton typing-extensions", "torchaudio": "torch",
    "torchmetrics": "lightning-utilities numpy packaging torch", "torchvision": "numpy pillow torch", "tqdm": "",
    "transformers": "filelock huggingface-hub numpy packaging pyyaml regex requests safetensors tokenizers tqdm typer", "triton": "",
    "trl": "accelerate datasets rich transformers numpy torch", "typer": "click rich typing-extensions", "typing-extensions": "",
    "umap-learn": "numba numpy pynndescent scikit-learn scipy tqdm", "urllib3": "",
    "wandb": "click gitpython packaging platformdirs protobuf psutil pydantic pyyaml requests sentry-sdk setproctitle typing-extensions",
    "wheel": "", "xgboost": "numpy scipy", "xxhash": "",
}  # fmt: skip
BRINGS: dict[str, tuple[str, ...]] = {name: tuple(needs.split()) for name, needs in _BRINGS.items()}

# Used by being installed: nothing has to import them.
PLUGINS = frozenset(
    """
    accelerate bitsandbytes bottleneck flash-attn h5py hf-transfer hf-xet ipykernel ipython jupyter jupyterlab kaleido lxml matplotlib-inline mypy ninja
    notebook numexpr openpyxl pillow pip pre-commit protobuf psutil psycopg2-binary pyarrow pymysql pytest pytest-cov ruff sentencepiece setuptools
    soundfile tables tabulate tensorboard tiktoken torchdata torchvision triton tzdata wheel xlrd xlsxwriter xformers black isort flake8
    """.split()  # fmt: skip
)

# Names that are no distribution, or a distribution that refuses to be installed; seen with uv.
NOT_DISTRIBUTIONS: dict[str, str] = {
    "python": "",
    "pil": "pillow",
    "cv2": "opencv-python",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
}


def providers(import_name: str) -> tuple[str, ...]:
    """The distributions that provide an import, empty if the table does not know."""
    return PROVIDERS.get(import_name, ())


def import_names(distribution: str) -> set[str]:
    """The import names of a distribution as far as the table knows, else its own name with underscores."""
    known = {name for name, distributions in PROVIDERS.items() if distribution in distributions}
    return known or {distribution.replace("-", "_")}


def is_known(distribution: str) -> bool:
    """Whether the tables know what a distribution provides and brings."""
    return distribution in BRINGS


def closure(distributions: Iterable[str]) -> set[str]:
    """The distributions, and all that they bring as far as the table knows."""
    pending, found = [canonicalize_name(name) for name in distributions], set[str]()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(BRINGS.get(name, ()))  # type: ignore[arg-type]
    return found


def is_plugin(distribution: str) -> bool:
    """Whether a distribution does its work without being imported by the project."""
    return distribution in PLUGINS or distribution.startswith(("hydra-", "types-", "nvidia-", "pytest-")) or distribution.endswith("-stubs")
