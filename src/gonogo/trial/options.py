"""What the caller chose for the stages that run the experiment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TrialOptions(BaseModel):
    """How the experiment is run; it travels to the process that judges as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: tuple[str, ...] = Field(default=(), description="Run ids, or patterns with * and ?; none for all runs")
    python: str | None = Field(default=None, description="An environment to use instead of making one")
    data_roots: tuple[str, ...] = Field(default=(), description="Folders of real data, readable at their own path")
    sandbox: str = Field(default="auto", description="auto, bubblewrap, landlock or none")
    require_sandbox: bool = False
    seconds: float = Field(default=180.0, description="Time limit of one run")
    memory_gib: float = 8.0
    disk_gib: float = 8.0
    jobs: int | None = Field(default=None, description="Runs at one time")
    torch: str = Field(default="auto", description="Where torch comes from: a backend of uv's; locked: as the project says")
    environment_seconds: float = 1800.0
    standins: bool = True
    plugins: str | None = Field(default=None, description="A folder of the caller's own stand-ins")
    keep_going: bool = False
    overrides: tuple[str, ...] = Field(default=(), description="More Hydra overrides for the rehearsal")
