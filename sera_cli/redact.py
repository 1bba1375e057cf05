"""Takes secrets out of whatever leaves a sandbox: values that this process holds, and texts that look like keys."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
SHORTEST = 8
"""A variable with one of these in its name holds a secret, unless its value is shorter: `1`, `true`, `none`."""


class Pattern(NamedTuple):
    """`hints` are plain texts, one of which is in every match: looking for them first keeps long texts cheap.

    What may begin anywhere in a text looks a bounded way ahead, or a text made for it would take minutes.
    """

    kind: str
    hints: tuple[str, ...]
    regex: re.Pattern[str]


PATTERNS = (
    Pattern("aws", ("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    Pattern("github", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
            re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})")),
    Pattern("api-key", ("sk-",), re.compile(r"\bsk-(?=[\w-]{0,200}\d)[A-Za-z0-9](?:[\w-]{18,})")),
    Pattern("huggingface", ("hf_",), re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    Pattern("slack", ("xox", "hooks.slack.com"),
            re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[\w/]{20,}")),
    Pattern("jwt", ("eyJ",), re.compile(r"\beyJ[\w-]{8,400}\.eyJ[\w-]{8,}\.[\w-]{8,}")),
    Pattern("private-key", ("PRIVATE KEY",),
            re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.DOTALL)),
)


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text with every secret replaced by `[redacted:kind]`; what is redacted already stays as it is."""
    for value in known(environment):
        text = text.replace(value, "[redacted:environment]")
    for kind, hints, regex in PATTERNS:
        if any(hint in text for hint in hints):
            text = regex.sub(f"[redacted:{kind}]", text)
    return text


def known(environment: Mapping[str, str]) -> list[str]:
    """Secret values in an environment, longest first: one may be part of another."""
    values = {
        value.strip() for name, value in environment.items() if any(word in name.upper() for word in NAMES)
    }
    return sorted((value for value in values if len(value) >= SHORTEST), key=lambda value: (-len(value), value))
