"""An exported agent on the Hugging Face hub: only when somebody asks for it, and where nobody else can see it.

Where the hub is, and who asks, is for its own variables to say: HF_ENDPOINT and HF_TOKEN.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sera_cli.errors import AuthError, ConfigError, ModelError

REPO = re.compile(r"[\w.-]+/[\w.-]+")


def push(folder: Path, repo: str, message: str) -> str:
    """Uploads `folder` as the model `repo`, made private where it is not there, and returns its address.

    Raises ConfigError for a repository that everybody can read, AuthError where the token may not write, and
    ModelError where the hub does not answer.
    """
    named(repo)
    with _asking(repo):
        from huggingface_hub import HfApi

        api = HfApi()
        url = api.create_repo(repo, private=True, exist_ok=True)
        if not api.model_info(repo).private:
            raise ConfigError(f"{repo} is there already, and everybody can read it; name another one, made private")
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    return str(url)


def named(repo: str) -> None:
    """Raises ConfigError for what cannot name a repository of the hub."""
    if not REPO.fullmatch(repo):
        raise ConfigError(f"{repo!r} names no model of the hub; say OWNER/NAME")


@contextmanager
def _asking(repo: str) -> Iterator[None]:
    """Says in one line what the hub, or the way to it, had against it."""
    try:
        from huggingface_hub import errors
        from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever client it has
    except ImportError as error:
        raise ModelError("the hub is reached with huggingface_hub; run: pip install 'sera[train]'") from error
    try:
        yield
    except errors.LocalTokenNotFoundError as error:
        raise AuthError(f"{repo} cannot be written without a token; set HF_TOKEN to one that may") from error
    except errors.HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise AuthError(f"the hub does not let you write {repo}; set HF_TOKEN to a token that may") from error
        raise ModelError(f"the hub refuses {repo}: {_first(error)}") from error
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise ModelError(f"{repo} cannot be uploaded: {_first(error)}") from error


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
