"""The peer in rollouts.py: the same rollouts by mini-swe-agent, run by the Python of its own environment.

    python tests/bench/peers/mini_swe_agent.py URL FOLDER ROLLOUTS STEPS local|bubblewrap
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml  # noqa: TID253
from minisweagent.agents.default import DefaultAgent
from minisweagent.config import builtin_config_dir
from minisweagent.environments.extra.bubblewrap import BubblewrapEnvironment
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.litellm_model import LitellmModel

sys.path.insert(0, str(Path(__file__).parent.parent))
from rollouts import SHOWN, timed


def main(url: str, folder: str, count: int, steps: int, where: str) -> dict[str, Any]:
    config = yaml.safe_load((builtin_config_dir / "mini.yaml").read_text())
    kind = {"local": LocalEnvironment, "bubblewrap": BubblewrapEnvironment}[where]
    prompts = {key: config["agent"][key] for key in ("system_template", "instance_template")}

    def rollout(number: int, steps: int) -> tuple[str, int]:
        model = LitellmModel(
            model_name="openai/bench", model_kwargs={"api_base": url, "api_key": "none"},
            observation_template=config["model"]["observation_template"], cost_tracking="ignore_errors",
        )  # fmt: skip
        agent = DefaultAgent(model, kind(cwd=folder), step_limit=steps, cost_limit=0, **prompts)
        ended = agent.run("Look around.")
        seen = sum(message.get("role") == "tool" and SHOWN in str(message["content"]) for message in agent.messages)
        return ended["exit_status"], seen

    return timed(rollout, count, steps)


if __name__ == "__main__":
    url, folder, count, steps, where = sys.argv[1:]
    print(json.dumps(main(url, folder, int(count), int(steps), where)))
