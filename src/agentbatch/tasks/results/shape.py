"""The shape of a results file: required keys and their types.

Only what the original runner wrote is required, and of that only what a run cannot be shown without. A missing key is
an unknown figure. Values are checked strictly: such a file may come from anywhere.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from agentbatch.config import BUILTIN
from agentbatch.runs.events import AttemptChosen, AttemptStanding, FinalStatus, Reason, Role
from agentbatch.runs.state.acceptance import AcceptedBy
from agentbatch.runs.state.task_state import SetupRecord, VerdictRecord, VerifyRecord
from agentbatch.tasks.results.verdict import Verdict

MAX_NUMBER = 10**15
"""No token count, price or time is larger."""

Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Amount = Annotated[float, Field(ge=0, le=MAX_NUMBER, allow_inf_nan=False)]
"""US dollars, seconds or milliseconds."""


def _epoch(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year < 1970:
        raise ValueError("must be a time like 2026-01-31T12:00:00Z")
    return text


Time = Annotated[str, AfterValidator(_epoch)]


def epoch_second(time: str) -> float:
    """Of a checked time; one without a zone is taken for UTC, which the original wrote."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, defer_build=True)  # a run only writes it


class Tokens(Part):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cached_tokens: Count = 0
    reasoning_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_hour_tokens: Count = 0
    audio_input_tokens: Count = 0
    audio_output_tokens: Count = 0
    calls: Count = 0
    untold_calls: Count = 0
    estimated: bool = False


class TokenStats(Tokens):
    by_role: dict[Role, Tokens] = {}


class DraftedShape(Tokens):
    models: list[str] = []
    cost: Amount | None = None
    stronger_cost: Amount | None = None


class HandedOverShape(Tokens):
    coders: list[str] = []
    cost: Amount | None = None


class CostLine(Tokens):
    """What one role spent on one model. Files of agentbatch 0.1 have no tokens here."""

    role: Role
    model: str
    input: Amount | None = None
    output: Amount | None = None
    total: Amount | None = None
    prompt_tokens: Count | None = None  # type: ignore[assignment]
    drafted: DraftedShape | None = None
    coder: str = ""
    handed_over: HandedOverShape | None = None


class Cost(Part):
    by_model: list[CostLine] = []


class Judged(BaseModel):
    verdict: Verdict | None


def _judged(record: VerdictRecord) -> VerdictRecord:
    Judged.model_validate({"verdict": record.verdict})  # a screen relies on its shape
    return record


class Standing(Part):
    """How one of several attempts at a task compared with the others."""

    attempt: str
    completed: bool
    checks_passed: Count = 0
    checks: Count = 0
    alike: Count = 1
    score: Annotated[float, Field(ge=0, le=1)] = 0.0
    hidden_verify: bool | None = None
    tokens: Count | None = 0
    cost: Amount | None = None
    problem: str = ""


class Choice(Part):
    attempt: str
    why: str = ""
    standings: list[Standing] = []

    def event(self, task_id: str) -> AttemptChosen:
        return AttemptChosen(
            task_id=task_id,
            attempt=self.attempt,
            why=self.why,
            standings=[
                AttemptStanding(
                    passed=one.checks_passed,
                    hidden=one.hidden_verify,
                    **one.model_dump(exclude={"checks_passed", "hidden_verify"}),
                )
                for one in self.standings
            ],
        )


class SaidShape(Part):
    """What the user has said to a task."""

    text: str
    by: str = ""
    timestamp: Time | None = None
    heard: bool = True


class Result(Part):
    status: FinalStatus
    reason: Reason | None = None
    iterations: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    max_iterations: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    coders: list[str] = []
    token_stats: TokenStats | None = None
    cost: Cost | None = None
    last_response: str | None = None
    last_evaluation: str | None = None
    error: str | None = None
    verdicts: list[Annotated[VerdictRecord, AfterValidator(_judged)]] = []
    verify_: VerifyRecord | None = Field(None, alias="verify")
    setup: list[SetupRecord] = []
    said: list[SaidShape] = []
    accepted_by: AcceptedBy | None = None
    changed_files: Count = 0
    branch: str | None = None
    resumable: bool = False
    reruns: Count = 0
    steps: Count = 0
    attempts: Count = 0
    hidden_verify: bool | None = None
    choice: Choice | None = None


class TaskShape(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    id: Annotated[str, Field(min_length=1)] | None = None
    dir: str
    first_prompt: str = ""


class Entry(Part):
    task_index: Count | None = None
    task: TaskShape
    result: Result
    duration: Amount | None = None
    """Milliseconds."""
    duration_seconds: Amount | None = None
    timestamp: Time | None = None

    @property
    def seconds(self) -> float:
        """Time at work; 0 if unknown."""
        if self.duration_seconds is not None:
            return self.duration_seconds
        return (self.duration or 0.0) / 1000


class SummaryShape(Part):
    total_tasks: Count = 0
    max_concurrent: Count = 0
    mode: Literal["serial", "parallel", "test"] | None = None
    timestamp: Time | None = None
    duration_seconds: Amount | None = None


class RunShape(Part):
    """What our files record about the run; the original's have none of it."""

    id: str = ""
    version: str = ""
    coder: str = BUILTIN
    coders: list[str] = []
    own_models: list[str] = []
    coder_model: str = ""
    evaluator_model: str = ""
    coder_endpoint: str = ""
    evaluator_endpoint: str = ""
    judged: bool = True
    rehearsal: bool = False
    sandbox: str = ""
    prompts_digest: str = ""
    warnings: list[str] = []
    notices: list[str] = []
    interrupted: bool = False
    error: str = ""


class ResultsShape(Part):
    summary: SummaryShape
    run: RunShape | None = None
    results: list[Entry]
