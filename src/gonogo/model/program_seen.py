"""What a trial of any training program observed.

What could not be observed is left out, and nothing here is a judgement.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class TensorSeen(BaseModel):
    """One array of the batches of a source."""

    name: str = Field(description="The keys and indices that lead to it in a batch")
    dtype: str
    shapes: list[str] = Field(description="The shapes that it had, the first few")
    rows: int
    low: float | None = None
    high: float | None = None
    mean: list[float] = Field(default=[], description="Of all numbers, or of each channel of images")
    sd: list[float] = []
    not_finite: int = Field(default=0, description="Numbers that are NaN or infinite")
    classes: int = Field(default=0, description="Different values of whole numbers that stand one to a row")
    counts: dict[str, int] = Field(default={}, description="How often each of these was, the most frequent first")


class LoaderSeen(BaseModel):
    """A data loader, and what was done with its batches."""

    place: str = Field(description="Where it was made")
    use: str = Field(description="trains, evaluates or is read")
    batch_size: int | None = None
    batches: int | None = Field(default=None, description="How many there are in one pass")
    rows: int | None = Field(default=None, description="Of its data")
    seen: int = Field(default=0, description="Batches that were gone through in all passes of the trial")
    seconds: float | None = Field(default=None, description="For one batch and what is done with it, the median without the first")
    tensors: list[TensorSeen] = []


class NetworkSeen(BaseModel):
    """A network that ran."""

    name: str
    place: str
    parameters: int
    trainable: int = Field(description="Numbers of parameters that wanted a gradient when it first ran")
    given: list[TensorSeen] = Field(default=[], description="What it was given where no loader gave it")


class PartSeen(BaseModel):
    """A part of a network under one optimizer."""

    name: str
    parameters: int
    with_gradient: int
    norm: float | None = Field(description="Of the gradient at the last step that was looked at; None where it is not finite")


class OptimizerSeen(BaseModel):
    """An optimizer."""

    name: str
    place: str
    steps: int
    rates: list[float] = Field(description="Learning rates of its groups at the last step that was looked at")
    parts: list[PartSeen] = []


class FitSeen(BaseModel):
    """What a scikit-learn estimator was fitted to."""

    name: str
    place: str
    shape: str
    dtype: str
    not_finite: int | None = None
    classes: int = 0
    counts: dict[str, int] = {}
    seconds: float = 0.0


class SharedRows(BaseModel):
    """Rows of data in memory that two loaders have in common, byte by byte."""

    one: str
    other: str
    shared: int
    rows: tuple[int, int] = Field(description="Different rows that each has")


class Estimate(BaseModel):
    """How long the whole run would take on this machine."""

    seconds: float
    how: str


class ProgramSeen(BaseModel):
    """All that was seen of one program."""

    command: str
    folder: str
    environment: str = ""
    status: str = Field(description="ok, failed or late")
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    processes: int = 0
    loaders: list[LoaderSeen] = []
    shared_rows: list[SharedRows] = []
    networks: list[NetworkSeen] = []
    optimizers: list[OptimizerSeen] = []
    fits: list[FitSeen] = []
    losses: list[float | None] = Field(default=[], description="From which gradients were computed, in order; None: not finite")
    units: int = Field(default=0, description="Units behind ReLU modules that were looked at while they trained")
    dead_units: int = Field(default=0, description="Of these, those that were zero for every row")
    lowered: dict[str, str] = Field(default={}, description="Settings that the trial lowered, as `old → new`")
    estimate: Estimate | None = None
    written: list[str] = Field(default=[], description="Files that it wrote, below its project or elsewhere")
    hosts: list[str] = Field(default=[], description="Hosts that it asked for")
    stand_ins: list[str] = []
    not_seen: list[str] = Field(default=[], description="What could not be seen, and why")
