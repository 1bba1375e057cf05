"""A real vLLM, on the CPU where there is no GPU, as the teacher of a small run: started, used, killed, stopped."""

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sera_cli import runs, store, templates
from sera_cli.agents.merge import merge
from sera_cli.agents.preflight import preflight, rank
from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import Asked
from sera_cli.cli.teaching import teaching
from sera_cli.errors import Unreachable
from sera_cli.harness import strays, tokens, wire
from sera_cli.harness.http.completions import Completions
from sera_cli.harness.http.remote import Place, Remote, Terms
from sera_cli.harness.vllm.engine import URL, serving
from sera_cli.harness.vllm.launch import order
from sera_cli.harness.wire.family import PARSERS, Name, Wire
from sera_cli.svg.pipeline import Goal, Pipeline, generate
from sera_cli.train.recipe import recipe as named
from sera_cli.types import Message, Task, Trajectory, Verdict
from tests import families, students
from tests.adapters import end
from tests.by_heart import knowing
from tests.conversations import LIST, LOOK, TOOLS, calling
from tests.rollouts import bench, exported, task
from tests.test_engine import ours

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("SERA_VLLM_CMD"), reason="needs vLLM: set SERA_VLLM_CMD to its command line"),
]
pytest.importorskip("transformers", reason="needs the extra `train`, to make a model")

REPLY = """\
It is mended. <output>yes</output>
<tool_call>
{"name": "bash", "arguments": {"command": "echo 'y = 2' >> /testbed/a.py"}}
</tool_call>
<tool_call>
{"name": "submit", "arguments": {}}
</tool_call>
<tool_call>
{"name": "submit", "arguments": {}}
</tool_call>"""
PIECES = "--dtype float32 --enforce-eager --max-num-seqs 4"
SMALL = f"{PIECES} --max-num-batched-tokens 32768"
"""A prompt that vLLM 0.32 takes in pieces crashes it on a CPU, if the call is seeded: a teacher's call is not."""
Opened = Callable[..., Job]


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, vLLM takes most of the memory unless it is told how much."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")


@pytest.fixture
def opened(
    repository: Callable[[dict[str, str]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """A job whose teacher is the model in a folder."""
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    repo = repository({"a.py": "x = 1\n"})

    def make(model: Path, **teacher: object) -> Job:
        asked: dict[str, object] = {"model": f"vllm:{model}", "flags": PIECES, "max_tokens": 64, **teacher}
        flags: dict[str, Any] = {
            "student.model": "rehearsal", "rollout.sandbox": "folder", "privacy.offline": False,
            **{f"teacher.{key}": value for key, value in asked.items()},
        }  # fmt: skip
        return open_job(Asked(repo, flags, "HEAD", "r", False, False, False))

    return make


def servers() -> list[int]:
    """The processes of ours that serve: the guard's child."""
    return [pid for pid in ours() if " serve " in strays._command(pid) and "guard.py" not in strays._command(pid)]


def test_a_model_is_served_used_revived_and_stopped(opened: Opened, tmp_path: Path) -> None:
    job = opened(knowing(tmp_path / "by-heart", REPLY))
    heard: list[str] = []
    begin: list[Message] = [{"role": "user", "content": "Go."}]
    with runs.held(job.run), teaching(job, tell=heard.append) as teacher, ThreadPoolExecutor(2) as pool:
        base = exported(tmp_path / "checkout")
        pipeline = Pipeline(
            run=job.run, bench=bench(base, teacher, tries=1), shown=("A report.",), pool=pool, workers=2
        )
        tally = generate(pipeline, [task("t1"), task("t2")], Goal(first=1, second=1, threshold=0.5))
        assert (tally.first, tally.second, tally.duplicates) == (1, 1, 1)
        before = ours()
        os.kill(*servers(), signal.SIGKILL)
        while heard.count("vLLM answers") < 2:
            time.sleep(0.5)
        assert set(before) & set(ours()) == set()
        assert teacher(0).reply(begin, []).message["content"] == REPLY
    assert ours() == []
    explored = store.read(job.run.explored, Trajectory)["t1"]
    assert [call.name for call in explored.steps[0].reply.calls] == ["bash", "submit", "submit"]
    assert (explored.policy.model, explored.exit, explored.check) == ("by-heart", "submitted", True)
    assert explored.usage.prompt > 500 and explored.usage.completion > 0
    assert [verdict.recall for verdict in store.read(job.run.verdicts, Verdict).values()] == [1.0]
    assert [issue.statement for issue in store.read(job.run.issues, Task).values()] == ["yes"]
    assert any(line.startswith("vLLM crashed (exit code 137)") for line in heard)


def test_a_model_that_cannot_be_loaded_is_one_line_with_the_log(opened: Opened, tmp_path: Path) -> None:
    folder = knowing(tmp_path / "empty", REPLY)
    (folder / "model.safetensors").unlink()
    job = opened(folder)
    with pytest.raises(Unreachable) as raised, teaching(job) as teacher:
        teacher(0)
    said = str(raised.value)
    log = job.run.folder / "vllm.log"
    assert said.startswith(f"vLLM cannot serve {folder} (exit code 1): RuntimeError: Cannot find any model weights")
    assert said.endswith(f"; its log: {log}") and "\n" not in said
    assert "Traceback" in log.read_text()
    assert ours() == []


@pytest.mark.parametrize("family", ["llama3", "mistral"])
def test_vllm_reads_what_was_trained_and_calls_what_was_learned(
    opened: Opened, tmp_path: Path, family: Name
) -> None:
    """By the template and the parser that the model card names, of the families that frame a turn in their own way."""
    student = families.student(family)
    out = families.learned(student, tmp_path / family)
    flags = f"{SMALL} --tool-call-parser {PARSERS[family]} --chat-template {out / 'chat_template.jinja'}"
    job = opened(out, flags=flags, max_tokens=200, temperature=0.0)
    tokenizer = tokens.load(str(out))

    def read(messages: list[Message]) -> int:
        flat = wire.flatten(messages, students.TOOLS, student.wire)
        return len(tokens.encode(flat, tokenizer, student.wire, prompt=True).ids)

    with runs.held(job.run), teaching(job) as teacher:
        agent = teacher(0)
        asked = students.chat()[:2]
        called = agent.reply(asked, students.TOOLS)
        history = [*asked, called.message, students.chat()[3] | {"tool_call_id": called.calls[0].id}]
        answered = agent.reply(history, students.TOOLS)

    assert [(call.name, json.loads(call.arguments)) for call in called.calls] == [("bash", {"command": "ls 0"})]
    assert called.usage.prompt == read(asked)
    assert answered.usage.prompt == read(history)


BY_HEART: dict[str, dict[str, object]] = {
    "rehearsal-lora": {"epochs": 120, "learning_rate": 2e-2}, "lora-8b": {"epochs": 120, "learning_rate": 2e-2},
    "rehearsal": {"epochs": 60, "learning_rate": 1e-2}, "paper-8b": {"epochs": 60, "learning_rate": 1e-2},
}  # fmt: skip
"""The recipes that can run without a GPU, and what makes each learn one conversation on a base of random weights."""


def taught(recipe: str, number: int, out: Path) -> Path:
    """What a recipe leaves of the Qwen3 base that has learned `tests.students.chat(number)` by heart."""
    base = families.student("qwen3")
    row = students.sample().model_copy(
        update={"messages": tuple(wire.flatten(students.chat(number), students.TOOLS, base.wire))}
    )
    changes = {"batch": 1, "checkpointing": False, "save_every": 1000, **BY_HEART[recipe]}
    students.train([row], [], base, named(recipe, changes=changes), out, seed=0)
    return out


@contextmanager
def answering(model: Path, log: Path, *flags: str) -> Iterator[Callable[[str, int], list[tuple[str, str]]]]:
    """A vLLM that serves `model`: the calls of whom it serves by a name, asked for `tests.students.chat(number)`."""
    began = order(str(model), log, os.environ, flags=[*shlex.split(SMALL), "--tool-call-parser", "hermes", *flags])
    terms = Terms(temperature=0.0, max_tokens=120)

    def called(name: str, number: int) -> list[tuple[str, str]]:
        with closing(Remote(Completions(), Place(name, (URL,), socket=str(engine.socket)), terms, most=1)) as served:
            reply = served(0).reply(students.chat(number)[:2], students.TOOLS)
        return [(call.name, call.arguments) for call in reply.calls]

    with serving(began) as engine:
        yield called


def test_one_vllm_serves_a_base_and_what_each_recipe_made_an_adapter_learn(tmp_path: Path) -> None:
    base = families.folder("qwen3")
    recipes = ("rehearsal-lora", "lora-8b")
    adapters = {name: taught(name, number, tmp_path / name) for number, name in enumerate(recipes)}
    assert [preflight(folder, base) for folder in adapters.values()] == [[], []]
    modules = [f"{name}={folder}" for name, folder in adapters.items()]
    highest = str(max(map(rank, adapters.values())))
    template = adapters["lora-8b"] / "chat_template.jinja"
    lora = ("--enable-lora", "--max-lora-rank", highest, "--max-loras", "2", "--lora-modules", *modules)

    with answering(base, tmp_path / "log", *lora, "--chat-template", str(template)) as called:
        assert called("qwen3", 0) == []
        for number, name in enumerate(adapters):
            assert called(name, number) == [("bash", f'{{"command": "ls {number}"}}')]


@pytest.mark.parametrize("recipe", ["paper-8b", "lora-8b"])
def test_a_whole_model_is_served_as_it_was_tuned_or_merged(recipe: str, tmp_path: Path) -> None:
    folder = taught(recipe, 5, tmp_path / "taught")
    if recipe == "lora-8b":
        base = families.student("qwen3")
        merge(Path(base.base), folder, tmp_path / "merged", end=end(base))
        folder = tmp_path / "merged"
    assert preflight(folder) == []

    with answering(folder, tmp_path / "log") as called:
        assert called(folder.name, 5) == [("bash", '{"command": "ls 5"}')]


def test_vllm_has_adapters_for_the_bases_that_we_say_it_has() -> None:
    """Of the families, and of some without; what it takes of an adapter's rank."""
    python = Path(shlex.split(os.environ["SERA_VLLM_CMD"])[0]).with_name("python")
    if not python.exists():
        pytest.skip(f"vLLM is asked by {python}, which is not there")
    asked = ["Qwen2ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM", "FalconForCausalLM"]
    ran = subprocess.run(
        [python, "-c", ASK_VLLM, *asked], capture_output=True, text=True, check=False,
        env=os.environ | {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    known = templates.table("lora.toml")
    assert told["takes"] == [name in known["bases"]["architectures"] for name in asked]
    assert told["ranks"] == known["ranks"]


ASK_VLLM = """
import json, sys
from typing import get_args
from vllm.config.lora import MaxLoRARanks
from vllm.model_executor.models import ModelRegistry
from vllm.model_executor.models.interfaces import supports_lora
kinds = [ModelRegistry._try_load_model_cls(name) for name in sys.argv[1:]]
print(json.dumps({"takes": [supports_lora(kind) for kind in kinds], "ranks": sorted(get_args(MaxLoRARanks))}))
"""

TURNS: dict[str, Message] = {
    "one call": calling(LIST), "two calls": calling(LIST, LOOK), "a call after thinking": calling(LOOK, thinking="Hm."),
    "markers in an argument": calling(("c", "bash", '{"command": "echo </tool_call> [TOOL_CALLS] <|python_tag|> é"}')),
    "the end of an argument in one": calling(("c", "bash", '{"command": "echo </parameter>"}')),
}
APART: dict[tuple[str, str], list[Any]] = {
    ("qwen3-coder", "the end of an argument in one"): [["bash", {"command": "echo </parameter\\>"}]],
}
"""Where vLLM reads something else: it does not know how we keep Qwen3-Coder's XML from ending inside an argument."""


def test_vllm_reads_the_calls_that_each_family_writes() -> None:
    python = Path(shlex.split(os.environ["SERA_VLLM_CMD"])[0]).with_name("python")
    if not python.exists():
        pytest.skip(f"the parsers are asked by {python}, which is not there")
    cases = [(family, name) for family in families.NAMES for name in TURNS]
    asked = "".join(json.dumps(_case(family, TURNS[name])) + "\n" for family, name in cases)
    ran = subprocess.run(
        [python, Path(__file__).with_name("vllm_parsers.py")], input=asked, capture_output=True, text=True,
        env=os.environ | {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    heard = [json.loads(line)["calls"] for line in ran.stdout.splitlines()]
    assert len(heard) == len(cases)
    for (family, name), calls in zip(cases, heard, strict=True):
        wanted = [[call["function"]["name"], call["function"]["arguments"]] for call in TURNS[name]["tool_calls"]]
        assert _decoded(calls) == APART.get((family, name), _decoded(wanted)), (family, name)


def _case(family: Name, turn: Message) -> dict[str, Any]:
    text = wire.render(turn, Wire(family=family))
    return {"parser": PARSERS[family], "folder": str(families.folder(family)), "tools": TOOLS, "text": text}


def _decoded(calls: list[list[str]]) -> list[list[Any]]:
    return [[name, json.loads(arguments)] for name, arguments in calls]
