"""Rollouts in the form of mini-swe-agent 2: `ID.traj.json`, which its inspector opens and its users know to read."""

import json
from pathlib import Path
from typing import Any

from sera_cli.store import atomically
from sera_cli.types import Exit, Message, ToolCall, Trajectory

FORMAT = "mini-swe-agent-1.1"
EXITS: dict[Exit, str] = {
    "submitted": "Submitted", "limit": "LimitsExceeded", "format": "RepeatedFormatError",
    "deadline": "TimeExceeded", "context": "ContextWindowExceeded", "error": "Error",
}  # fmt: skip
"""What mini-swe-agent calls the ends of a rollout, where it knows them."""


def trajectory(rollout: Trajectory, name: str, dollars: float | None = None) -> dict[str, Any]:
    """The document of one rollout of the task called `name`. Its last message is the exit, with what was handed in."""
    status = EXITS[rollout.exit]
    policy = rollout.policy
    end = {"exit_status": status, "submission": rollout.patch}
    stats = {"instance_cost": dollars or 0.0, "api_calls": rollout.usage.calls or len(rollout.steps)}
    config = {
        "agent_type": "sera", "model_type": "sera",
        "model": {"model_name": policy.model, "model_kwargs": policy.sampling | {"seed": policy.seed}},
    }  # fmt: skip
    return {
        "info": {"model_stats": stats, "config": config, **end} | ({"error": rollout.error} if rollout.error else {}),
        "messages": [*_messages(rollout), {"role": "exit", "content": rollout.error or status, "extra": end}],
        "trajectory_format": FORMAT,
        "instance_id": name,
    }


def write(folder: Path, name: str, document: dict[str, Any]) -> Path:
    """Puts it at `folder/ID/ID.traj.json`."""
    path = folder / name / f"{name}.traj.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomically(path, json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    return path


def _messages(rollout: Trajectory) -> list[Message]:
    """The conversation, with what each reply did beside it."""
    told = list(rollout.prompt)
    for step in rollout.steps:
        actions = [_action(call) for call in step.reply.calls]
        told += [step.reply.message | {"extra": {"actions": actions}}, *step.results]
    return told


def _action(call: ToolCall) -> dict[str, Any]:
    """A call as an action: its command, where it is one for bash, else its arguments as they came."""
    try:
        given = json.loads(call.arguments)
    except ValueError:
        given = None
    command = given.get("command") if call.name == "bash" and isinstance(given, dict) else None
    return {"tool": call.name, "command": command if isinstance(command, str) else call.arguments,
            "tool_call_id": call.id}  # fmt: skip
