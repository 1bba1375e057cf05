"""Which model is to become the agent: the embedded one, a folder on this machine, or one from the Hugging Face hub."""

import json
import re
from pathlib import Path
from typing import Literal

from sera_cli.errors import DataError, ModelError
from sera_cli.harness import tokens
from sera_cli.harness.wire.family import CONTROL, Name, Thinking, Wire, family_of
from sera_cli.tensors import header
from sera_cli.train import embedded
from sera_cli.train.metrics import Progress
from sera_cli.types import Value

BYTES = 256
"""Fewer words than this has only the tokenizer that transformers makes up for a folder without one."""

PATIENCE = 20.0
"""Seconds to wait for the hub's word on a model."""


class Student(Value):
    """`base` is what loads (a folder or a hub id); `name` is what a card says, and never holds a path.

    `context` is the longest conversation it is trained on and answers, in tokens; `wire` how it reads and writes one.
    """

    name: str
    base: str
    context: int
    wire: Wire = Wire()
    rehearsal: bool = False
    license: str = ""


def student(
    spec: str, cache: Path, *, context: int = 0, family: Name | Literal[""] = "", thinking: Thinking = "fold",
    on_progress: Progress | None = None,
) -> Student:
    """The student that `spec` names: `rehearsal` (made under `cache` on first use), a folder, or a hub id.

    `context` 0 takes the student's own, and `family` "" finds it out from the tokenizer. Raises ModelError when there
    is no such model, it cannot be read, or its tokenizer lacks what the family needs, named.
    """
    if spec.partition("-")[0] == "rehearsal" and "/" not in spec:
        found = _embedded(spec, cache, context, on_progress)
    else:
        found = _given(spec, context)
    return found.model_copy(update={"wire": _wire(found, family, thinking)})


def _given(spec: str, context: int) -> Student:
    folder = Path(spec).expanduser()
    local = folder.is_dir()
    base = str(folder.resolve()) if local else spec
    if local:
        _loadable(folder)
    else:
        _fetchable(spec)
    own = _context(base)
    return Student(
        name=folder.resolve().name if local else spec, base=base, context=_fitting(context, own, spec),
        license=_license(folder / "README.md" if local else _hub_card(spec)),
    )


def _loadable(folder: Path) -> None:
    """Raises ModelError for a folder whose weights cannot be trained: told here, and not when all data are made."""
    if not (folder / "config.json").is_file():
        if any(folder.glob("*.gguf")):
            raise ModelError(f"{folder} holds GGUF, which is for answering only; take the model that it was made from")
        raise ModelError(f"{folder} is no model folder: it has no config.json")
    try:
        for file in _weights(folder):
            header(file)
    except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"student {folder.name} cannot be loaded: {error}; fetch it again") from error


def _weights(folder: Path) -> list[Path]:
    """The files that hold the weights; those that an index names, where there is one."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = json.loads(index.read_bytes())["weight_map"].values()
        return [folder / name for name in sorted(set(names))]
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder} holds an adapter; merge it into its base first: sera agents export --format merged")
    raise ModelError(_without(folder.name, pickled=any(folder.glob("*.bin")) or any(folder.glob("*.pth"))))


def _fetchable(spec: str) -> None:
    """The same of a hub id, as far as the hub says now which files it has.

    Where it cannot be asked and nothing of the model is here, that is told at once: to load it would ask six times.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # whichever client it has

    try:
        names = [file.rfilename for file in HfApi().model_info(spec, timeout=PATIENCE).siblings or ()]
    except (HfHubHTTPError, ValueError):
        return  # no such name, a gated model, or a mirror that lists nothing: loading will tell
    except (httpx.TransportError, OSError) as error:
        if isinstance(try_to_load_from_cache(spec, "config.json"), str):
            return
        why = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelError(
            f"{spec} is no folder, and the hub cannot be asked for it ({why}); name a folder of this machine, or fetch "
            "the model where there is a network"
        ) from error
    if not any(name.endswith(".safetensors") for name in names):
        raise ModelError(_without(spec, pickled=any(name.endswith((".bin", ".pth")) for name in names)))


def _without(name: str, *, pickled: bool) -> str:
    if pickled:
        return f"student {name} has its weights pickled only, which may run code; take a copy that has safetensors"
    return f"student {name} has no weights: model.safetensors is missing"


def _embedded(spec: str, cache: Path, context: int, on_progress: Progress | None) -> Student:
    current = embedded.name()
    kept = cache / "students" / spec
    if spec in ("rehearsal", current):
        kept = embedded.ensure(cache, on_progress=on_progress)
    elif not (kept / "model.safetensors").exists():
        raise ModelError(
            f"{spec} was made by another sera or another Python; this one makes {current}: specialize again with it"
        )
    own = embedded.MAKING.context
    return Student(
        name=kept.name, base=str(kept), context=_fitting(context, own, spec), rehearsal=True, license="PSF-2.0",
    )


def _wire(found: Student, family: Name | Literal[""], thinking: Thinking) -> Wire:
    """How the student reads and writes: as its tokenizer's control tokens and chat template say, or as it is told."""
    tokenizer = tokens.pretrained(found.base)
    if tokenizer.vocab_size < BYTES:
        raise ModelError(f"student {found.name} has no tokenizer.json; take one that comes with it")
    added, template = set(tokenizer.get_added_vocab()), tokenizer.chat_template
    if not family:
        said = template.get("default", "") if isinstance(template, dict) else template
        try:
            return Wire(family=family_of(added, said or ""), thinking=thinking)
        except ModelError as error:
            raise ModelError(f"student {found.name}: {error}") from error
    if missing := [token for token in CONTROL[family] if token not in added]:
        raise ModelError(
            f"the tokenizer of {found.name} lacks {' '.join(missing)}, which student.family = {family!r} needs; "
            "leave that empty to have the family found out"
        )
    return Wire(family=family, thinking=thinking)


def _fitting(wanted: int, own: int, spec: str) -> int:
    if wanted > own:
        raise ModelError(f"{spec} reads {own} tokens at most; set student.context to that or less, or 0 for its own")
    return wanted or own


def _context(base: str) -> int:
    """Longest position of the model's config. Raises ModelError when the config cannot be had."""
    from huggingface_hub.errors import GatedRepoError
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError, json.JSONDecodeError) as error:
        if isinstance(error.__cause__, GatedRepoError):
            raise ModelError(f"{base} is gated; ask for access on its page and give a token in HF_TOKEN") from error
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelError(
            f"{base} is neither a model folder nor a model that the hub gives: {reason}; check how it is spelled, or "
            "name a folder of this machine"
        ) from error
    return int(getattr(config.get_text_config(), "max_position_embeddings", 0)) or 32768


def _hub_card(spec: str) -> Path | None:
    """The model card of a hub id, when the hub or its cache has it."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(spec, "README.md"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError):
        return None


def _license(card: Path | None) -> str:
    """The `license` line of a card's front matter; empty where it is not known."""
    if card is None or not card.is_file():
        return ""
    front = card.read_text(encoding="utf-8", errors="replace").split("---")
    found = re.search(r"^license:\s*([\w.+-]+)\s*$", front[1], re.MULTILINE) if len(front) > 2 else None
    return found[1] if found else ""
