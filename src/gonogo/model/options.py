"""What the caller chose.

The command line fills these, processes that judge get them as JSON, the pipeline takes them: there is no other form of an option.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProgramCommand(_Options):
    """A command that starts any training program.

    Attributes:
        words: as the user types them, from the Python or the program that a package installs, such as `torchrun`.
        folder: where it is started, below the project's root; empty for the root.
        entry: the program's own file below the root, empty where a package's own command has none.
        environment: variables that stand before the command.
        paths: folders below the root from which its environment imports the project's own packages.
    """

    words: tuple[str, ...] = Field(min_length=1)
    folder: str = ""
    entry: str = ""
    environment: dict[str, str] = {}
    paths: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A short name for it."""
        return self.entry or " ".join(self.words)[:60]


class ExecutionOptions(_Options):
    """How the stages run the experiment that run it."""

    program: ProgramCommand | None = Field(default=None, description="A command to run in the place of documented runs")
    runs: tuple[str, ...] = Field(default=(), description="Run ids, or patterns with * and ?; none for all runs")
    python: str | None = Field(default=None, description="An environment to use instead of making one")
    data_roots: tuple[str, ...] = Field(default=(), description="Folders of real data, readable at their own path")
    sandbox: Literal["auto", "bubblewrap", "landlock", "none"] = "auto"
    require_sandbox: bool = False
    run_timeout: float = Field(default=180.0, description="Time limit of one run, in seconds")
    memory_gib: float = 8.0
    disk_gib: float = 8.0
    jobs: int | None = Field(default=None, description="Runs at one time")
    torch: str = Field(default="auto", description="Where torch comes from: a backend of uv's; locked: as the project says")
    environment_timeout: float = Field(default=1800.0, description="Time limit for making the environment, in seconds")
    stand_ins: bool = True
    stand_in_plugins: str | None = Field(default=None, description="A folder of the caller's own stand-ins")
    keep_going: bool = False
    overrides: tuple[str, ...] = Field(default=(), description="More Hydra overrides for the rehearsal")


class Price(_Options):
    """US dollars for a million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class AiOptions(_Options):
    """How the AI reviewer is asked.

    A key is never among these options: it comes from the environment or the keyring.

    Attributes:
        key_variable: the environment variable with the key; `keyring_service`: the service under which the keyring has it.
        samples: how often it is asked; a claim counts if most of the answers make it.
        context_tokens: how much the model holds, prompt and answer together; None to ask the server.
        timeout: seconds that the whole review may take, whatever has to be tried again.
        budget_usd: what one review may cost at most; `budget_tokens`: how many tokens it may take, both ways together.
        templates: a folder with templates instead of gonogo's own.
    """

    mode: Literal["off", "advise", "block"] = "off"
    model: Text | None = None
    base_url: Text | None = None
    key_variable: Text = "OPENAI_API_KEY"
    keyring_service: Text = "gonogo"
    effort: Text | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    samples: int = Field(default=1, ge=1, le=9)
    max_output_tokens: int = Field(default=8000, ge=100)
    max_input_characters: int = Field(default=400_000, ge=1000)
    context_tokens: int | None = Field(default=None, ge=512)
    timeout: float = Field(default=120.0, gt=0)
    retries: int = Field(default=3, ge=0, le=10)
    budget_usd: float | None = Field(default=None, ge=0)
    budget_tokens: int | None = Field(default=None, ge=0)
    prices: dict[str, Price] = {}
    templates: Text | None = None
    cache: bool = True

    def price(self) -> Price | None:
        """The model's price, None where nobody said it."""
        return self.prices.get(self.model or "")
