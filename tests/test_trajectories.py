"""Rollouts as mini-swe-agent keeps them: the fields that its inspector and its users read."""

import json
from pathlib import Path
from typing import Any

from sera_cli.evaluate.trajectories import trajectory, write
from sera_cli.types import Reply, ToolCall, Usage
from tests.rollouts import rollout, step
from tests.scripted import calls

SYSTEM, USER = {"role": "system", "content": "s"}, {"role": "user", "content": "fix it"}
LOOK = step(calls("bash", command="ls"), "a.py")
DONE = step(calls("submit"), "submitted")


def pages(messages: list[dict[str, Any]]) -> list[list[str]]:
    """The roles on each page, as the inspector makes them: a new one wherever a message has actions or is a reply."""
    found: list[list[str]] = [[]]
    for message in messages:
        if message.get("extra", {}).get("actions") or message.get("role") == "assistant":
            found.append([])
        found[-1].append(message["role"])
    return found


def test_a_rollout_has_the_form_that_the_inspector_opens() -> None:
    done = rollout(prompt=(SYSTEM, USER), steps=(LOOK, DONE), patch="+x\n", usage=Usage(calls=2, prompt=9))
    made = trajectory(done, "shop__cart-1", 0.25)
    assert (made["trajectory_format"], made["instance_id"]) == ("mini-swe-agent-1.1", "shop__cart-1")
    assert made["info"]["model_stats"] == {"instance_cost": 0.25, "api_calls": 2}
    assert (made["info"]["exit_status"], made["info"]["submission"]) == ("Submitted", "+x\n")
    assert made["info"]["config"]["model"] == {"model_name": "m", "model_kwargs": {"seed": 0}}
    assert pages(made["messages"]) == [["system", "user"], ["assistant", "tool"], ["assistant", "tool", "exit"]]


def test_a_reply_stays_as_it_was_with_what_it_did_beside_it() -> None:
    odd = Reply(message={"role": "assistant", "content": ""}, calls=(ToolCall(id="1", name="bash", arguments="[1"),))
    made = trajectory(rollout(steps=(LOOK, step(odd))), "x")["messages"]
    assert made[0]["tool_calls"] == LOOK.reply.message["tool_calls"]
    assert made[0]["extra"] == {"actions": [{"tool": "bash", "command": "ls", "tool_call_id": "call-bash"}]}
    assert made[2]["extra"] == {"actions": [{"tool": "bash", "command": "[1", "tool_call_id": "1"}]}
    assert "extra" not in LOOK.reply.message


def test_one_that_broke_says_why() -> None:
    made = trajectory(rollout(exit="error", error="the server is gone", patch=""), "x")
    assert (made["info"]["exit_status"], made["info"]["error"]) == ("Error", "the server is gone")
    assert made["messages"][-1]["content"] == "the server is gone"


def test_each_lies_in_a_folder_of_its_instance(tmp_path: Path) -> None:
    path = write(tmp_path / "0", "shop__cart-1", trajectory(rollout(patch="\ud800"), "shop__cart-1"))
    assert path == tmp_path / "0" / "shop__cart-1" / "shop__cart-1.traj.json"
    assert json.loads(path.read_text())["info"]["submission"] == "?"
