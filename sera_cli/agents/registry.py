"""The agents of this machine: for each version a folder with weights, a card for us and a card for people.

    agents/<name>/<version>/   card.toml  README.md  weights, tokenizer and chat template as training left them

A version appears whole or not at all; what a person removes by hand is simply gone.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from sera_cli import templates
from sera_cli.errors import ConfigError, DataError
from sera_cli.harness.wire.family import PARSERS, Wire
from sera_cli.store import atomically
from sera_cli.types import AgentCard, Evaluation

METHODS = {
    "full": "all parameters", "lora": "LoRA on all linear layers",
    "qlora": "LoRA on all linear layers over a base in 4 bits",
}  # fmt: skip
THINKING = {
    "keep": "as it came, and commentary beside it",
    "fold": "alone before a call; commentary became thinking where there was none",
    "empty": "alone before a call; commentary became thinking where there was none, and a turn without any says so",
}
"""What the policies for thinking made of the turns that an agent learned from."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def register(home: Path, card: AgentCard, weights: Path) -> AgentCard:
    """Copies the folder `weights` under the next free version of `card.name` and returns the card with that version.

    The copy is made beside its place and renamed into it, so that nobody ever sees half an agent, and of two who
    register at once both get a version. Raises DataError, with nothing left behind, when the disk refuses.
    """
    if not NAME.fullmatch(card.name):
        raise ConfigError(f"{card.name!r} cannot name an agent; use letters and digits, with . _ - between them")
    shelf = home / "agents" / card.name
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", suffix=".part", dir=shelf, ignore_cleanup_errors=True) as part:
            copy = Path(shutil.copytree(weights, Path(part) / "agent"))
            return _placed(copy, shelf, card)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"cannot be registered: {reason}; the weights are still in {weights}", shelf) from error


def agents(home: Path) -> list[AgentCard]:
    """Every registered agent, by name and version. Raises DataError for a card that cannot be read, naming the file."""
    cards = [_read(file) for file in (home / "agents").glob("*/*/card.toml") if file.parent.name.isdecimal()]
    return sorted(cards, key=lambda card: (card.name, card.version))


def find(home: Path, spec: str) -> AgentCard:
    """The agent `name@version`, or the newest version of `name`. Raises ConfigError, naming what is near."""
    name, _, version = spec.partition("@")
    shelf = home / "agents" / name
    have = sorted(_versions(shelf)) if NAME.fullmatch(name) else []
    if have and not version:
        return _read(shelf / str(have[-1]) / "card.toml")
    if version.isdecimal() and int(version) in have:
        return _read(shelf / str(int(version)) / "card.toml")
    if have:
        raise ConfigError(f"{name} has no version {version!r}; it has {', '.join(f'{name}@{n}' for n in have)}")
    raise ConfigError(f"no agent is called {name!r}; {_near(home, name)}")


def folder(home: Path, card: AgentCard) -> Path:
    """Where the agent's weights and cards are."""
    return home / "agents" / card.name / str(card.version)


def measured(home: Path, card: AgentCard, found: Sequence[Evaluation]) -> AgentCard:
    """Writes what was measured into the agent's card, in place of what it told of these benchmarks, and returns it.

    What the card tells already stays as it is, with whoever was measured beside. Raises DataError when the card cannot
    be written; then the old one stays.
    """
    before = find(home, f"{card.name}@{card.version}").evaluations
    anew = {one.bench for one in found if one not in before}
    kept = tuple(one for one in before if one.bench not in anew)
    told = card.model_copy(update={"evaluations": (*kept, *(one for one in found if one.bench in anew))})
    for name, text in _cards(told).items():
        atomically(folder(home, card) / name, text.encode("utf-8"))
    return told


def spoken(card: AgentCard) -> Wire:
    """How the agent reads and writes. Raises ConfigError for a card of a family that this sera does not know."""
    try:
        return Wire.model_validate({"family": card.family, "thinking": card.thinking})
    except ValidationError as error:
        how = f"{card.family} with thinking {card.thinking}"
        raise ConfigError(f"{card.name}@{card.version} speaks {how}, which this sera does not; upgrade it") from error


def remove(home: Path, card: AgentCard) -> None:
    """Deletes one version. Its place is empty in one step, so that a killed removal leaves no half agent."""
    place = folder(home, card)
    gone = place.with_name(f".{card.version}.{os.getpid()}.gone")
    try:
        place.replace(gone)
        shutil.rmtree(gone)
        if not any(place.parent.iterdir()):
            place.parent.rmdir()
    except OSError as error:
        raise DataError(f"cannot be removed: {error.strerror or error}", place) from error


def model_card(card: AgentCard) -> str:
    """The Hugging Face model card: what the agent is, for people elsewhere; without paths of this machine."""
    return templates.render(
        "cards/model.md", card=card, base=portable(card.base), repository=portable(card.repository),
        scores=sorted(card.scores.items()), evaluations=card.evaluations, parser=PARSERS[spoken(card).family],
        thinking=THINKING[card.thinking], methods=METHODS,
    ) + "\n"


def portable(place: str) -> str:
    """The last part of a path on this machine; a hub id, a name or a URL as it is."""
    return Path(place).name if Path(place).is_absolute() or place.startswith("~") else place


def _placed(copy: Path, shelf: Path, card: AgentCard) -> AgentCard:
    while True:
        numbered = card.model_copy(update={"version": max(_versions(shelf), default=0) + 1})
        for name, text in _cards(numbered).items():
            (copy / name).write_text(text, encoding="utf-8")
        for file in filter(Path.is_file, copy.rglob("*")):
            _flush(file)
        try:
            copy.rename(shelf / str(numbered.version))
        except OSError:
            if numbered.version in _versions(shelf):
                continue  # another one took this version first
            raise
        return numbered


def _cards(card: AgentCard) -> dict[str, str]:
    """The card for us and the card for people, by the names of their files."""
    import tomli_w

    return {"card.toml": tomli_w.dumps(card.model_dump(exclude_none=True)), "README.md": model_card(card)}


def _flush(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _versions(shelf: Path) -> Iterator[int]:
    if shelf.is_dir():
        yield from (int(place.name) for place in shelf.iterdir() if place.name.isdecimal())


def _read(file: Path) -> AgentCard:
    try:
        return AgentCard.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"the card cannot be read ({error}); remove its folder or register it again", file) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DataError(f"not an agent's card ({what}); remove its folder or register it again", file) from error


def _near(home: Path, name: str) -> str:
    shelves = (home / "agents").glob("*") if (home / "agents").is_dir() else ()
    names = sorted(place.name for place in shelves if any(_versions(place)))
    near = get_close_matches(name, names, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(names)}" if names else "make one with `sera specialize REPO`"
