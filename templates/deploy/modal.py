"""{{ agent }} on Modal, served by vLLM. Written by `sera deploy modal`; yours to change.

`sera deploy modal` with --yes uploads the weights, keeps the key and deploys this file; `modal app stop {{ app }}`
ends it. It runs only while somebody asks. The key that clients must send is VLLM_API_KEY of the secret
{{ secret }}.
"""

import subprocess

import modal

MINUTES = 60
COMMAND = [
{%- for word in command %}
    {{ word | tojson }},
{%- endfor %}
]

app = modal.App({{ app | tojson }})
image = (
    modal.Image.from_registry(
        {{ engine | tojson }},
        setup_dockerfile_commands=['RUN ln -sf "$(command -v python3)" /usr/local/bin/python'],
    )
    .entrypoint([])
    .env({"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"})
)


@app.function(
    image=image,
    gpu={{ gpu | tojson }},
    volumes={
        {{ weights | tojson }}: modal.Volume.from_name({{ volume | tojson }}, create_if_missing=True),
        # what is downloaded or compiled once
        "/root/.cache/huggingface": modal.Volume.from_name("sera-huggingface", create_if_missing=True),
        "/root/.cache/vllm": modal.Volume.from_name("sera-vllm", create_if_missing=True),
    },
    secrets=[
{%- for name in secrets %}
        modal.Secret.from_name({{ name | tojson }}),
{%- endfor %}
    ],
    min_containers=0,
    max_containers=1,
    scaledown_window=5 * MINUTES,
    timeout=24 * 60 * MINUTES,
)
@modal.concurrent(max_inputs=32)
@modal.web_server(port=8000, startup_timeout=30 * MINUTES)
def serve() -> None:
    subprocess.Popen(COMMAND)
