"""The knobs: every setting with its default and its sentence, in frozen sections."""

from collections.abc import Iterator
from re import fullmatch
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

from sera_cli.types import Value


def knob(default: Any, sentence: str, *, flag: str = "", **limits: Any) -> Any:
    """A field with its sentence, and the flag that sets it for one command."""
    return Field(default, description=sentence, json_schema_extra={"flag": flag}, **limits)


def _teacher(name: str) -> str:
    kind, _, model = name.partition(":")
    if name in ("", "rehearsal") or (kind in ("openai", "anthropic", "vllm") and model):
        return name
    raise ValueError("should be rehearsal, openai:MODEL, anthropic:MODEL, or vllm:MODEL for a server of our own")


def _window(text: str) -> str:
    if fullmatch(r"[1-9][0-9]*d", text):
        return text
    raise ValueError("should be a number of days, such as 365d")


def _absolute(path: str) -> str:
    if fullmatch(r"(/[\w.-]+)+", path):
        return path
    raise ValueError("should be a folder's whole path, such as /testbed")


def _name(name: str) -> str:
    if fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)?", name):
        return name
    raise ValueError("should begin with a letter or digit, and go on with those, dots, dashes, underscores")


class Teacher(Value):
    """The model that writes the trajectories an agent learns from."""

    model: Annotated[str, AfterValidator(_teacher)] = knob(
        "", "rehearsal, openai:MODEL, anthropic:MODEL or vllm:MODEL. Empty: none is named, and specialize rehearses.",
        flag="--teacher")
    url: str = knob(
        "", "Base URL of the teacher's server, such as http://localhost:8000/v1; several, with spaces between them.",
        flag="--teacher-url")
    temperature: float = knob(0.6, "Sampling temperature (SERA paper, section 3.1).", ge=0, le=2)
    max_tokens: int = knob(8192, "The longest single reply, in tokens.", ge=1)
    timeout: float = knob(600.0, "Seconds that one call may take.", gt=0)
    stall: float = knob(120.0, "Seconds without a byte after which an answer that has begun is given up.", gt=0)
    stream: bool = knob(False, "Ask for answers as a stream, so that one that stalls is noticed at once.")
    gpus: int = knob(0, "GPUs that serve a local teacher, for counting GPU-hours. 0: those that are there.", ge=0)
    flags: str = knob("", "More flags for the server of a vllm: teacher, such as --max-model-len 65536.")


class Student(Value):
    """The open-weight model that becomes the agent."""

    model: str = knob(
        "", "rehearsal, a Hugging Face id or a local folder. Empty: rehearsal, and only in a rehearsal.",
        flag="--student")
    context: int = knob(0, "Tokens of one training sample. 0: the student's own context.", ge=0)
    family: Literal["", "qwen2.5", "qwen3", "qwen3-coder", "llama3", "mistral"] = knob(
        "", "How turns and tool calls are written. Empty: found out from the student's tokenizer.")
    thinking: Literal["keep", "fold", "empty"] = knob(
        "fold", "keep writes thinking and commentary as they are; fold lets only thinking stand before a call, "
        "commentary where there is none (SERA paper, section 3.2); empty is fold, and never begins without thinking.")


class Rollout(Value):
    """How a model works in the repository."""

    steps: int = knob(115, "The most steps of one rollout.", ge=1)
    requeries: int = knob(3, "How often a malformed reply is asked for again, in a row.", ge=0)
    seconds: float = knob(5400.0, "The longest one rollout may take, in seconds.", gt=0)
    step_seconds: float = knob(1200.0, "The longest one step may take, reply and commands, in seconds.", gt=0)
    command_seconds: float = knob(300.0, "The longest one command may run, in seconds.", gt=0)
    sandbox: Literal["auto", "bubblewrap", "docker", "folder"] = knob(
        "auto", "Where commands run: bubblewrap and docker isolate, folder does not; auto is bubblewrap if it works.",
        flag="--sandbox")
    memory_gb: float = knob(4.0, "Memory of one sandbox, in GiB.", gt=0)
    disk_gb: float = knob(4.0, "What one sandbox may write to disk, in GiB.", gt=0)
    processes: int = knob(512, "Processes and threads of one sandbox.", ge=16)
    jobs: int = knob(
        0, "Rollouts at the same time. 0: chosen for the machine and the teacher.", flag="--jobs", ge=0)
    tries: int = knob(3, "How often a first rollout is begun until one passes the teacher's own check.", ge=1)


class Generate(Value):
    """How many samples the repository is to give."""

    samples: int = knob(
        0, "Training samples wanted from the repository. 0: 8000, or 40 in a rehearsal.",
        flag="--samples", ge=0)
    seed: int = knob(0, "Decides functions, prompts and order; same seed, same work.", flag="--seed", ge=0)
    commits: int = knob(
        1, "Commits to start from, evenly spaced over `since` (SERA paper, section 4.3: 5).", flag="--commits", ge=1)
    since: Annotated[str, AfterValidator(_window)] = knob(
        "365d", "How far back the first of several commits lies, in days.", flag="--since")
    focus: str = knob(
        "", "Only functions in these folders or files, with spaces between them; one with a space in it stands in "
        "quotes. Empty: all.", flag="--focus")
    language: str = knob(
        "", "Only functions in these languages, such as python or go, with spaces between them. Empty: all.",
        flag="--language")
    limit: int = knob(0, "The most functions to start from. 0: as many as it takes.", flag="--limit", ge=0)
    demonstrations: str = knob(
        "", "Issues to take the style from: .jsonl as GitHub's API gives them, or .toml with [[issue]] tables. Empty: "
        "those of the repository's own past, else ours.", flag="--demos")


class Verify(Value):
    """Which second rollouts count."""

    threshold: float = knob(
        0.5, "The least line recall of a second rollout's patch, 0 to 1.", flag="--threshold", ge=0, le=1)


class Select(Value):
    """Which rollouts and rows may teach. Each of these is a filter that counts what it drops."""

    auto_submitted: bool = knob(
        False, "Also rollouts whose patch was taken when steps, tokens or time ran out.", flag="--auto-submitted")
    ratio: float = knob(
        0.88, "The least share of a trajectory's steps that fits the context (SERA paper, section 5.3).",
        flag="--min-ratio", ge=0, le=1)
    patch_lines: int = knob(
        0, "The most lines a patch may change (SERA paper, table 5: 40). 0: any.", flag="--max-patch-lines", ge=0)
    tool_tokens: int = knob(
        0, "The most tokens of a tool's output, on average (SERA paper, table 5: 600). 0: any number.",
        flag="--max-tool-tokens", ge=0)
    near: float = knob(
        0.9, "From which likeness on, 0 to 1, two first prompts are one. 0: all may stay.", ge=0, le=1)
    per_function: int = knob(6, "The most samples about one function. 0: any number.", ge=0)


class Mix(Value):
    """How much of the training data is the repository's own."""

    alpha: float = knob(
        1.0, "Share of repository samples in the training data, 0 to 1.", flag="--alpha", ge=0, le=1)
    general: str = knob(
        "", "General coding data, needed when alpha is below 1: a .jsonl or .parquet file, or a dataset of the Hugging "
        "Face hub as owner/name@revision; several, with spaces between them.", flag="--general")
    repeats: int = knob(
        1, "How often a sample may stand in the data when one side is too small for alpha; 1: the other side shrinks.",
        flag="--max-epochs-per-sample", ge=1)
    order: Literal["shuffle", "ratio"] = knob(
        "shuffle", "shuffle draws the order anew for each epoch; ratio begins with what fits the context whole.",
        flag="--order")
    decontaminate: Literal["", "swe-verified"] = knob(
        "", "A benchmark whose repositories and instances general data must not hold.", flag="--decontaminate")


Empty = Literal[""]
"""What a knob of the recipe holds when nobody said anything else: then the recipe decides."""


class Train(Value):
    """How the student learns, and on what. Each of the recipe's settings can be set here; empty is the recipe's own."""

    method: Literal["auto", "lora", "full", "qlora"] = knob(
        "auto", "full trains all parameters, lora an adapter, qlora an adapter over weights of 4 bits; auto takes the "
        "first of them that fits.", flag="--method")
    recipe: str = knob(
        "", "Name of a shipped recipe, or a TOML file. Empty: what suits student, method and GPUs.", flag="--recipe")
    epochs: int | Empty = knob("", "How often every sample is read.")
    batch: int | Empty = knob("", "Samples of one step of the optimizer, on however many GPUs.")
    learning_rate: float | Empty = knob("", "The highest rate of learning.")
    schedule: str = knob("", "How the rate falls: cosine, linear or constant_with_warmup.")
    warmup_steps: int | Empty = knob("", "Steps in which the rate rises to its highest; a short run takes fewer.")
    optimizer: str = knob("", "adamw, or adamw_8bit, which needs bitsandbytes.")
    weight_decay: float | Empty = knob("", "What pulls weights towards 0.")
    betas: str = knob("", "The two betas of Adam, with a space between them.")
    epsilon: float | Empty = knob("", "The epsilon of Adam.")
    max_grad_norm: float | Empty = knob("", "The longest gradient; a longer one is shortened to it.")
    rank: int | Empty = knob("", "Rank of a LoRA adapter.")
    alpha: int | Empty = knob("", "Alpha of a LoRA adapter, which counts alpha / rank times.")
    dropout: float | Empty = knob("", "Dropout of a LoRA adapter, 0 to 1.")
    precision: str = knob("", "bfloat16 or float32, for the arithmetic on a GPU.")
    checkpointing: bool | Empty = knob("", "Compute activations twice rather than keep them.")
    offload: bool | Empty = knob("", "Keep activations in the machine's memory.")
    attention: str = knob("", "auto, sdpa, eager, flex_attention, or flash_attention_2 to flash_attention_4.")
    packing: bool | Empty = knob("", "Let samples share a micro-batch where attention stays inside each.")
    save_every: int | Empty = knob("", "Steps from one checkpoint to the next. 0: one at the end of each epoch.")
    loss_ceiling: float | Empty = knob("", "A loss that must not be exceeded for long. 0: none.")
    patience: int | Empty = knob("", "Steps that the loss may stay above loss_ceiling.")
    processes: int = knob(0, "Processes that train on one machine. 0: one for each visible GPU, else one.", ge=0)
    nodes: int = knob(1, "Machines that train together; each is given the command that is printed.", ge=1)
    layout: Literal["auto", "ddp", "fsdp2", "zero3"] = knob(
        "auto", "ddp holds the model whole on each GPU, fsdp2 and zero3 divide it; auto takes ddp if it fits.")
    context_parallel: int = knob(
        0, "GPUs that share the tokens of one row, under fsdp2. 0: 1, and more where rows above 32,768 tokens need it.",
        ge=0)
    tokens: int = knob(0, "The most tokens of one micro-batch. 0: what fits.", ge=0)
    report_to: Literal["none", "tensorboard", "wandb", "trackio"] = knob(
        "none", "Who else is told how the loss goes.", flag="--report-to")


class Cost(Value):
    """What may be spent, and at which rates. Prices of tokens are in prices.toml."""

    max: float = knob(
        0.0, "Dollars of API calls after which a run stops, with all of it kept. 0: no limit.", flag="--max-cost", ge=0)
    allow_unpriced: bool = knob(
        False, "Go on under a limit with a model that has no known price, which the limit cannot hold.",
        flag="--allow-unpriced")
    gpu_hour: float = knob(2.0, "Dollars of one GPU for one hour, for estimates (SERA paper, appendix D).", ge=0)


class Privacy(Value):
    """What may leave this machine."""

    offline: bool = knob(
        False, "Refuse every connection but those to the named teacher and to this machine.", flag="--offline")


class Env(Value):
    """The environment that commands find in a docker sandbox."""

    image: str = knob("", "The image to build from. Empty: what the repository says of itself, else a plain one.")
    setup: str = knob("", "Shell commands that install what the repository needs. Empty: what its files say.")
    network: bool = knob(False, "Let the build of the environment use the network.")


class Eval(Value):
    """How `sera eval` and the end of specialize measure."""

    after: bool = knob(
        False, "Let specialize end with a measurement of base, agent and teacher, which the agent's card tells.",
        flag="--evaluate")
    bench: Literal["auto", "replay", "soft"] = knob(
        "auto", "replay is the repository's own past with its tests; soft asks for changes to the functions that were "
        "held out, and counts the lines found again; auto is replay where `sera bench build` has made it.")
    seeds: int = knob(
        0, "How often each task is tried, each time with another seed. 0: once, and 3 times at the end of specialize.",
        ge=0)
    limit: int = knob(0, "The most tasks. 0: all of a benchmark, and 100 soft ones, or 4 in a rehearsal.", ge=0)
    steps: int = knob(0, "The most steps of one rollout. 0: as many as rollout.steps.", ge=0)
    temperature: float = knob(0.6, "Sampling temperature; at 0 all seeds of a task are much alike.", ge=0, le=2)
    teacher: Literal["auto", "yes", "no"] = knob(
        "auto", "Measure the teacher too; auto does where it costs nothing, or what is left of cost.max holds it.")
    image_tag: str = knob("latest", "The tag of the images that instances are tried in.")
    image_root: Annotated[str, AfterValidator(_absolute)] = knob(
        "/testbed", "The folder of such an image that holds the repository.")
    image_activate: str = knob(
        "source /opt/miniconda3/bin/activate && conda activate testbed",
        "Bash that makes the environment of such an image active; `true` where it always is.")
    venv: str = knob("", "A Python environment that has what the tests of replay tasks need. Empty: none is needed.")
    heldout: int = knob(
        5, "Functions in a hundred that no trajectory starts from, rounded, at least one: soft tasks are about them.",
        ge=1, le=50)


class Agent(Value):
    """What comes out."""

    name: Annotated[str, AfterValidator(_name)] = knob(
        "", "Name of the agent in the registry. Empty: the repository's.", flag="--name")


class Config(Value):
    teacher: Teacher = Teacher()
    student: Student = Student()
    rollout: Rollout = Rollout()
    generate: Generate = Generate()
    verify: Verify = Verify()
    select: Select = Select()
    mix: Mix = Mix()
    train: Train = Train()
    cost: Cost = Cost()
    privacy: Privacy = Privacy()
    env: Env = Env()
    eval: Eval = Eval()
    agent: Agent = Agent()


def section(field: FieldInfo) -> type[Value]:
    """The model of a section, given its field in Config."""
    assert isinstance(field.annotation, type) and issubclass(field.annotation, Value)
    return field.annotation


def knobs() -> Iterator[tuple[str, FieldInfo]]:
    """Every `section.key` with its field, in the order they are shown."""
    for name, of in Config.model_fields.items():
        for key, field in section(of).model_fields.items():
            yield f"{name}.{key}", field


def flag_of(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("flag", "")) if isinstance(extra, dict) else ""
