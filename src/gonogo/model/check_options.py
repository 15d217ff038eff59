"""What is asked of the gate for one experiment, or for each of many."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gonogo.model.finding import Stage
from gonogo.model.options import AiOptions, ExecutionOptions
from gonogo.model.plan import Plan
from gonogo.model.policy import Baseline, Policy, Url

# Seconds for the stages that run nothing, where the caller sets no limit. A tree of ordinary size takes a few; the rest is for machines
# that are busy with other things, too.
SHORTEST, LONGEST = 60.0, 600.0


class CheckOptions(BaseModel):
    """The caller's choices for a check."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: str | None = Field(default=None, description="Name or path of the contract; None to detect it")
    plan: Plan | None = Field(default=None, description="The research plan, where it does not come with the experiment")
    select: tuple[str, ...] = Field(default=(), description="Rule ids, families or slugs to run; empty for all")
    ignore: tuple[str, ...] = Field(default=(), description="Rule ids, families or slugs not to run")
    exclude: tuple[str, ...] = Field(default=(), description="Files and folders left out: findings there don't count")
    entries: tuple[str, ...] = Field(default=(), description="Entry points, for a contract without runs of its own; none to detect them")
    timeout: float | None = Field(
        default=None, description="Seconds that the stages may take which run nothing; None: by the size of the tree"
    )
    policy: Policy | None = Field(default=None, description="What the caller lets pass, and why")
    baseline: Baseline | None = Field(default=None, description="Findings that are known and don't block")
    trust_repo: bool = Field(default=False, description="Follow the experiment's own policy and its comments")
    docs_url: Url | None = Field(default=None, description="Where gonogo's documentation is published, for links in reports")
    to: Stage = Field(default=Stage.COMPOSE, description="The last stage")
    execution: ExecutionOptions = ExecutionOptions()
    ai: AiOptions = AiOptions()
