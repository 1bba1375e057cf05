"""The nouns: frozen values that the rooms pass to one another and keep on disk."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Message = dict[str, Any]
"""One message in OpenAI chat form, verbatim: what the model saw is what it learns from."""

Exit = Literal["submitted", "limit", "format", "context", "deadline", "error"]
"""Why a rollout ended: it submitted; steps, requeries, tokens or time ran out; something broke."""


def digest(value: object, length: int = 12) -> str:
    """Content id: the first `length` hex digits of the sha256 of the value's sorted JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def seed_of(*parts: object) -> int:
    """A 32-bit seed that depends on all of `parts` and on nothing else."""
    return int(digest(list(parts), 8), 16)


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Record(Value):
    """What a stage file holds. `id` is the content id of the work that made it."""

    id: str
    attempt: int = 1

    @property
    def failed(self) -> bool:
        """Whether the work is still owed: `--retry-failed` does it again as the next attempt."""
        return False


class Usage(Value):
    """Tokens of one or more calls. `prompt` counts all input tokens; of them `cached` were served from the provider's
    cache, and `written` were put into it at a price of their own.
    """

    calls: int = 0
    prompt: int = 0
    cached: int = 0
    written: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            calls=self.calls + other.calls,
            prompt=self.prompt + other.prompt,
            cached=self.cached + other.cached,
            written=self.written + other.written,
            completion=self.completion + other.completion,
        )


class Function(Record):
    """A function of the repository. The id covers path, qualified name and body, so edits elsewhere keep it.

    `line` is that of the `def`, not of its decorators. `branches` are the places where it decides. `tests` are test
    files that mention it, `age` the days since its file last changed, None where that is more than three years.
    `commit` is where rollouts about it begin; empty: at the commit in use.
    """

    path: str
    name: str
    line: int
    end_line: int
    signature: str
    doc: str = ""
    language: str = "python"
    branches: int = 0
    callers: tuple[str, ...] = ()
    callees: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    age: int | None = None
    heldout: bool = False
    commit: str = ""


class Task(Record):
    """What one rollout is asked to do, in a repository at a commit. `gold` is patch 1 for a reproduction, else empty.

    `source` is what the work came from: the function's id for a first rollout, the first rollout's id for a second.
    """

    repo: str
    commit: str
    statement: str
    source: str
    function: str = ""
    path: str = ""
    gold: str = ""
    error: str = ""
    usage: Usage = Usage()

    @property
    def failed(self) -> bool:
        return bool(self.error)


class ToolCall(Value):
    """`arguments` stays a JSON string: Arrow would pad a dict with nulls."""

    id: str
    name: str
    arguments: str


class Reply(Value):
    """One answer of a Model. `problem` says why its tool call cannot be read; then `calls` is empty."""

    message: Message
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    problem: str = ""


class Step(Value):
    """One turn of a rollout: a reply, and the messages that answered it (observations, or a requery)."""

    reply: Reply
    results: tuple[Message, ...] = ()
    exit: Exit | None = None
    seconds: float = 0.0


class Policy(Value):
    """Who acted, and how it was sampled: what a critic needs to know about a trajectory's source."""

    model: str
    sampling: dict[str, Any] = {}
    seed: int = 0


class Trajectory(Record):
    """A rollout from first message to exit. `check` is the teacher's own verdict on it.

    `rejected` are the rollouts of the same work that its teacher refused before it: nothing to imitate, and what a
    critic learns from. `usage` counts them and the judging too.
    """

    task: Task
    policy: Policy
    prompt: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]
    steps: tuple[Step, ...]
    patch: str
    exit: Exit
    error: str = ""
    check: bool | None = None
    rejected: tuple["Trajectory", ...] = ()
    usage: Usage = Usage()
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it broke, or ended before its model had answered once: a server may be silent for a day."""
        return self.exit == "error" or (self.exit in ("context", "deadline") and not self.steps)

    @property
    def accepted(self) -> bool:
        """Whether it may teach: it submitted a patch, and a self-check, where there was one, did not say no."""
        return self.exit == "submitted" and bool(self.patch.strip()) and self.check is not False

    @property
    def messages(self) -> list[Message]:
        """The whole conversation, in order."""
        turns = (message for step in self.steps for message in (step.reply.message, *step.results))
        return [*self.prompt, *turns]


class Verdict(Record):
    """Soft verification of a reproduction: how much of patch 1 is in patch 2. `recall` is None for an empty target.

    Only `recall` decides anything: it is the paper's. What stands below it is recorded beside it: how many lines patch
    2 changes, precision and F1 by the same rule, recall with whitespace left out, and recall file by file.
    """

    recall: float | None
    matched: int
    target: int
    produced: int | None = None
    precision: float | None = None
    f1: float | None = None
    loose: float | None = None
    by_file: float | None = None


class Sample(Record):
    """One training row: messages in `{role, content, train}` form, cut at a whole step.

    `origin` says where it comes from: `first` or `second` rollout, or `general` data, then `source` says which. A
    `heldout` one is for measuring only. `kept` of its `steps` fit the student's context; `tokens` counts what was
    kept, `trained` what of that the loss covers. `lines` is the size of its patch, `output` the mean tokens of a tool
    result, None where unknown.
    """

    messages: tuple[Message, ...]
    origin: Literal["first", "second", "general"]
    recall: float | None = None
    heldout: bool = False
    kept: int
    steps: int
    tokens: int
    trained: int = 0
    function: str = ""
    source: str = ""
    lines: int | None = None
    output: float | None = None

    @property
    def ratio(self) -> float:
        """Truncation ratio: kept steps / all steps (SERA paper, section 5.3)."""
        return self.kept / self.steps if self.steps else 1.0


class Evaluation(Value):
    """How one model did on a benchmark: the mean score of its attempts, with the 95 % interval over tasks.

    `who` is "" for the agent of the card itself, else the base or the teacher that it was measured beside. `score` says
    what is counted: tasks resolved, or, as a proxy of that, the share of a known change's lines that was found again
    (SERA paper, section 5.2). `sd` is that of the means of the seeds, None of a single one. `verdict` is the agent's
    difference to this one in words. `digest` is that of the evaluation's settings and tasks.
    """

    who: str = ""
    bench: str
    score: Literal["resolved", "recall"]
    tasks: int
    seeds: int
    mean: float
    low: float
    high: float
    sd: float | None = None
    verdict: str = ""
    digest: str


class AgentCard(Value):
    """What the registry knows of an agent. Paths are absolute; `scores` holds losses and rates by name, `evaluations`
    what came of benchmarks, of each the newest.

    `merged` says why an adapter was added into its base, empty where the weights are as training left them.
    """

    name: str
    version: int
    created: str
    base: str
    method: Literal["lora", "full", "qlora"]
    repository: str
    commit: str
    alpha: float
    samples: int
    data_digest: str
    recipe: str
    teacher: str
    context: int
    family: str = "qwen3"
    thinking: str = "fold"
    rehearsal: bool = False
    scores: dict[str, float] = {}
    evaluations: tuple[Evaluation, ...] = ()
    base_license: str = ""
    data_license: str = ""
    merged: str = ""
    note: str = ""
