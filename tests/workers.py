"""Workers for tests: some are ended at a given place, as `kill -9` ends them, and some divide a model on a CPU.

    python -m tests.workers FOLDER                    one worker, as accelerate starts it
    python -m tests.workers PLACE:STEP=FOLDER ...     for each folder its workers, the last of which ends at its place

The second imports what takes seconds once. `KILL=PLACE:STEP` and `DIES=RANK` end one of those that accelerate started.

accelerate divides no model among the processes of a CPU: here those count as GPUs (gpu_like.py).
"""

import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from sera_cli.train import checkpoint, worker
from sera_cli.train.course import ACCELERATE, read


def main(arguments: list[str]) -> int:
    if "=" not in arguments[0]:
        if os.environ.get("KILL") and os.environ["RANK"] == os.environ["DIES"]:
            until(os.environ["KILL"])
        return worker.main(arguments)
    with redirect_stdout(sys.stderr):  # where W&B is offline, transformers says so
        import torch  # noqa: F401
        import trl.trainer.sft_trainer  # noqa: F401

    for argument in arguments:
        place, _, folder = argument.partition("=")
        print(place, *forked(place, Path(folder)), flush=True)
    return 0


def forked(place: str, folder: Path) -> list[int]:
    """The exit codes of the workers of a folder, by rank; only that of the last one, where that is ended at a place.

    Where one fails the others are ended, as a launcher does, if they have not failed by themselves before.
    """
    count, several = read(folder).layout.processes, environment(folder)
    children: list[int] = []
    for rank in range(count):
        children.append(os.fork())
        if not children[-1]:
            os.environ.update(several | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {})
            os._exit(one(folder, place if rank == count - 1 else ""))
    codes: dict[int, int] = {}
    while len(codes) < count:
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        if codes[child]:
            for other in set(children) - set(codes):
                os.kill(other, signal.SIGKILL)
    return [codes[child] for child in (children[-1:] if place else children)]


def one(folder: Path, place: str) -> int:
    if "ACCELERATE_USE_FSDP" in os.environ:
        sharded()
    if place:
        until(place)
    return worker.main([str(folder)])


def environment(folder: Path) -> dict[str, str]:
    """What `accelerate launch` says to its workers, but for each one's number."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    said = launch_command_parser().parse_args(["--config_file", str(folder / ACCELERATE), "-m", "tests.workers"])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    made = prepare_multi_gpu_env(_validate_launch_command(said)[0])
    size = str(read(folder).layout.processes)
    place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    return {**made, **place}


def until(place: str) -> None:
    name, _, step = place.partition(":")
    PLACES[name](int(step or 0))


def sharded() -> None:
    from accelerate import PartialState

    from tests.gpu_like import found

    PartialState.__init__ = found


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_step(step: int) -> None:
    """In the middle of it: the forward is done, the optimizer is not."""
    from trl import SFTTrainer

    own = SFTTrainer.compute_loss

    def compute_loss(self: Any, *said: Any, **named: Any) -> Any:
        loss = own(self, *said, **named)
        if self.model.training and self.state.global_step + 1 == step:
            killed()
        return loss

    SFTTrainer.compute_loss = compute_loss


def in_a_save(step: int) -> None:
    """When half of the optimizer's state is on disk, and the weights before it are."""
    import torch

    own = torch.save

    def save(what: Any, path: Any, *said: Any, **named: Any) -> None:
        own(what, path, *said, **named)
        if f"checkpoint-{step}/optimizer" in str(path):
            os.truncate(path, Path(path).stat().st_size // 2)
            killed()

    torch.save = save


def before_the_mark(step: int) -> None:
    """When all of a checkpoint is there but what says so."""
    before(checkpoint, "mark", lambda place, _: place.name == f"checkpoint-{step}")


def after_the_mark(step: int) -> None:
    """When a checkpoint counts, and the oldest is not yet removed."""
    marked = []
    own = checkpoint.mark
    checkpoint.mark = lambda place, course: (own(place, course), marked.append(place.name))[0]
    before(checkpoint, "tidy", lambda *_, **__: f"checkpoint-{step}" in marked)


def in_the_result(_: int) -> None:
    """When the weights are written, and the tokenizer is not."""
    from sera_cli.train import result

    before(result, "tokenizer", lambda *_: True)


def full(step: int) -> None:
    """No file may grow beyond 20 kB any more once a checkpoint has its mark: that is how a full disk is felt."""
    own = checkpoint.mark

    def mark(place: Any, course: Any) -> None:
        own(place, course)
        if place.name == f"checkpoint-{step}":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    checkpoint.mark = mark


def before(module: Any, name: str, when: Callable[..., bool]) -> None:
    own = getattr(module, name)

    def instead(*said: Any, **named: Any) -> Any:
        if when(*said, **named):
            killed()
        return own(*said, **named)

    setattr(module, name, instead)


PLACES: dict[str, Callable[[int], None]] = {
    one.__name__: one for one in (in_a_step, in_a_save, before_the_mark, after_the_mark, in_the_result, full)
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
