"""The loss of a training as a picture: in a terminal of any width, in braille, and as loss.png."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import accumulate
from math import isfinite, isqrt
from pathlib import Path
from typing import Any, NamedTuple

from sera_cli.errors import ConfigError
from sera_cli.store import atomically
from sera_cli.train.metrics import Metrics
from sera_cli.wording import counted

Point = tuple[float, float]

FEW = 16
"""Steps that are drawn as they are; of more, as many losses are averaged as their square root."""

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a braille character, by row and column of the dot."""

NAME = "loss.png"
INK, LIGHT, MARK, FAINT = "#1f4e79", "#b8cfe5", "#c0504d", "#8a8a8a"


class Curves(NamedTuple):
    """What is drawn: loss and rate by step, the loss averaged over `window` steps, and what was held out."""

    loss: list[Point]
    smooth: list[Point]
    heldout: list[Point]
    rate: list[Point]
    window: int


def curves(found: Metrics) -> Curves:
    """Of the steps whose loss is a number."""
    loss = [(float(row["step"]), row["loss"]) for row in found.steps if isfinite(row["loss"])]
    window = 1 if len(loss) < FEW else isqrt(len(loss)) // 2 * 2 + 1  # as many on each side
    return Curves(
        loss=loss, smooth=_smooth(loss, window), window=window,
        heldout=[(float(row.get("step", 0)), row["loss"]) for row in found.heldout],
        rate=[(float(row["step"]), row["lr"]) for row in found.steps if row.get("lr") is not None],
    )  # fmt: skip


def drawn(found: Metrics, width: int, height: int = 10) -> list[str]:
    """Lines of `width` columns at most: the smoothed loss with its axes, `o` for each held-out loss.

    Nothing is drawn of fewer than two steps, or where there are fewer than 40 columns.
    """
    made = curves(found)
    if len(made.loss) < 2 or width < 40:
        return []
    shown = [*made.smooth, *made.heldout]
    low, high = min(y for _, y in shown), max(y for _, y in shown)
    labels = [_brief(high - (high - low) * row / (height - 1)) for row in range(height)]
    margin = max(map(len, labels))
    frame = Frame(made.loss[-1][0], low, high, width - margin - 2, height)
    body = _cells(frame, made)
    every = [row in (0, height // 2, height - 1) for row in range(height)]
    lines = [f"{label if said else '':>{margin}} {'┤' if said else '│'}{row}".rstrip()
             for label, said, row in zip(labels, every, body, strict=True)]  # fmt: skip
    return [*lines, *(" " * (margin + 1) + line for line in _foot(frame, found)), _legend(made)]


def png(found: Metrics, folder: Path) -> Path | None:
    """Draws loss.png into the folder; None where there are fewer than two steps. Raises ConfigError without matplotlib.
    """
    made = curves(found)
    if len(made.loss) < 2:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(f"no {NAME} is drawn; for one: pip install matplotlib") from error
    figure = Figure(figsize=(8, 4.5), dpi=130, layout="constrained")
    losses = figure.subplots()
    rates = losses.twinx()
    _draw_losses(losses, made)
    _draw_rates(rates, made)
    losses.set_title(_title(found), fontsize=10, loc="left")
    handles = [one for side in (losses, rates) for one in side.get_legend_handles_labels()[0]]
    losses.legend(handles=handles, frameon=False, fontsize=8, loc="upper right")
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    atomically(folder / NAME, content.getvalue())
    return folder / NAME


def _draw_losses(axes: Any, made: Curves) -> None:
    """Every step, faint where there is a mean to stand out from it; and the points that were held out."""
    averaged = made.window > 1
    axes.plot(*_columns(made.loss), color=LIGHT if averaged else INK, linewidth=0.8, label="each step")
    if averaged:
        axes.plot(*_columns(made.smooth), color=INK, linewidth=1.8, label=f"mean of {made.window} steps")
    if made.heldout:
        axes.plot(*_columns(made.heldout), "o", color=MARK, markersize=6, label="held out", zorder=3, clip_on=False)
    axes.set(xlabel="step", ylabel="loss, nats per trained token", xlim=(0, made.loss[-1][0]))
    axes.grid(color=FAINT, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_rates(axes: Any, made: Curves) -> None:
    axes.plot(*_columns(made.rate), color=FAINT, linewidth=0.8, linestyle=":", label="learning rate (right)")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.tick_params(colors=FAINT, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


class Frame(NamedTuple):
    """Steps from 0 to `last` and losses from `low` to `high`, drawn on so many columns and rows of characters."""

    last: float
    low: float
    high: float
    columns: int
    rows: int

    def dot(self, point: Point) -> tuple[int, int]:
        """The braille dot of a point: from the left, and from the top."""
        across = point[0] / self.last * (2 * self.columns - 1)
        down = (self.high - point[1]) / ((self.high - self.low) or 1.0) * (4 * self.rows - 1)
        return round(across), round(down)


def _cells(frame: Frame, made: Curves) -> list[str]:
    bits = [[0] * frame.columns for _ in range(frame.rows)]
    for x, y in _joined(map(frame.dot, made.smooth)):
        bits[y // 4][x // 2] |= DOTS[y % 4][x % 2]
    cells = [[chr(0x2800 + bit) if bit else " " for bit in row] for row in bits]
    for x, y in map(frame.dot, made.heldout):
        cells[y // 4][x // 2] = "o"
    return ["".join(row) for row in cells]


def _joined(dots: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The dots, and those on straight lines between one and the next."""
    before: tuple[int, int] | None = None
    for dot in dots:
        (x, y), (to_x, to_y) = before or dot, dot
        length = max(abs(to_x - x), abs(to_y - y), 1)
        for part in range(length + 1):
            yield x + round((to_x - x) * part / length), y + round((to_y - y) * part / length)
        before = dot


def _foot(frame: Frame, found: Metrics) -> list[str]:
    """The axis of the steps, with a tick where an epoch ends, and its first and last number."""
    epochs = int(found.facts.get("recipe", {}).get("epochs", 1))
    steps = int(found.facts.get("steps", frame.last))
    axis = ["─"] * frame.columns
    if epochs <= frame.columns // 4:
        for epoch in range(1, epochs + 1):
            at = frame.dot((steps * epoch / epochs, frame.high))[0] // 2
            if at < frame.columns:
                axis[at] = "┴"
    said = f"step {frame.last:,.0f}" if frame.last >= steps else f"step {frame.last:,.0f} of {steps:,}"
    said += f", {epochs} epochs" if epochs > 1 else ""
    return ["└" + "".join(axis), " 0" + said.rjust(frame.columns - 1)]


def _legend(made: Curves) -> str:
    smooth = "loss of each step" if made.window == 1 else f"loss over {made.window} steps"
    latest = [y for _, y in made.loss[-made.window :]]
    held = [_brief(y) for _, y in made.heldout]
    ends = f"  o held out {' → '.join(held[:1] + held[1:][-1:])}" if held else ""
    return f"⣀⡠ {smooth}, now {_brief(sum(latest) / len(latest))}{ends}"


def _smooth(points: Sequence[Point], window: int) -> list[Point]:
    """The mean of so many steps around each: at the beginning, where losses fall fast, of fewer on both sides alike, so
    that the curve does not lag behind; at the end of those there are.
    """
    sums, made = [0.0, *accumulate(y for _, y in points)], list[Point]()
    for at, (x, _) in enumerate(points):
        reach = min(window // 2, at)
        first, end = at - reach, min(at + reach + 1, len(points))
        made.append((x, (sums[end] - sums[first]) / (end - first)))
    return made


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _brief(value: float) -> str:
    """Four digits at most: 12.3, 1.23, 0.123."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else (
        f"{value:.3f}")


def _title(found: Metrics) -> str:
    about = found.facts
    named = [str(about.get("student", "")), str(about.get("recipe", {}).get("name", ""))]
    return " · ".join([*filter(None, named), counted(len(found.steps), "step")])
