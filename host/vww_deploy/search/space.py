"""The networks that the search chooses from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, cast

from vww_deploy.graph.architecture import Architecture, Block, Kind
from vww_deploy.graph.costs import STEM_CHANNELS

if TYPE_CHECKING:
    import optuna

VERSION: Final = 2
"""Of the space and of what the table's study aims at: a study of another one cannot go on."""
SIDES: Final = (48, 128, 8)
"""First, last and step of the picture's side in pixels."""
STAGES: Final = 5
_STEM: Final = (4, 24, 4)
_WIDTHS: Final = ((8, 32, 4), (8, 64, 4), (16, 96, 4), (24, 160, 4), (32, 288, 4))
_DEPTH: Final = (1, 4)
_EXPANSIONS: Final = (2, 3, 4)
_LARGEST_FINAL_SIDE: Final = 8


@dataclass(frozen=True)
class Staged:
    """An architecture and how many of its blocks are in each stage."""

    architecture: Architecture
    depths: tuple[int, ...]

    def stages(self) -> list[tuple[Block, ...]]:
        """Its blocks by stage."""
        blocks, ends = self.architecture.blocks, accumulate(self.depths)
        return [blocks[end - depth : end] for end, depth in zip(ends, self.depths, strict=True)]


def suggest(trial: optuna.trial.BaseTrial) -> Architecture:
    """The architecture that a trial's values say."""
    kind = cast(Kind, trial.suggest_categorical("kind", ["separable", "inverted"]))
    side = trial.suggest_int("side", SIDES[0], SIDES[1], step=SIDES[2])
    channels = trial.suggest_categorical("channels", [1, 3])
    stem = trial.suggest_int("stem", _STEM[0], _STEM[1], step=_STEM[2])
    blocks: list[Block] = []
    for stage in range(1, STAGES + 1):
        low, high, step = _WIDTHS[stage - 1]
        width = trial.suggest_int(f"width{stage}", low, high, step=step)
        depth = trial.suggest_int(f"depth{stage}", *_DEPTH)
        kernel = trial.suggest_categorical(f"kernel{stage}", [3, 5])
        stride = trial.suggest_int(f"stride{stage}", 1, 2)
        expansion = trial.suggest_categorical(f"expansion{stage}", list(_EXPANSIONS)) if kind == "inverted" else 1
        blocks += [Block(width, kernel, stride if i == 0 else 1, expansion) for i in range(depth)]
    return Architecture(kind, side, channels, stem, tuple(blocks))


def is_reasonable(architecture: Architecture) -> bool:
    """Whether the last map is small enough to see the whole picture, and not smaller than 2x2."""
    return 2 <= architecture.final_side <= _LARGEST_FINAL_SIDE


def stages_of(architecture: Architecture) -> list[list[Block]]:
    """The blocks by stage; a stage begins where channels, kernel or expansion change, or at a stride."""
    stages: list[list[Block]] = []
    for block in architecture.blocks:
        last = stages[-1][-1] if stages else None
        same = last and (last.channels, last.kernel, last.expansion) == (block.channels, block.kernel, block.expansion)
        if same and block.stride == 1:
            stages[-1].append(block)
        else:
            stages.append([block])
    return stages


def describe(architecture: Architecture) -> str:
    """One line for people: input, stem, and each stage's channels x depth, kernel where it is 5, and stride where it
    is 2.
    """
    colour = "gray" if architecture.channels == 1 else "RGB"
    parts = [f"{architecture.side}x{architecture.side} {colour}", f"stem {architecture.stem}"]
    for stage in stages_of(architecture):
        first = stage[0]
        text = f"{first.channels}"
        if len(stage) > 1:
            text += f"x{len(stage)}"
        text += "k5" if first.kernel == 5 else ""
        text += "/2" if first.stride == 2 else ""
        text += f"e{first.expansion}" if first.expansion > 1 else ""
        parts.append(text)
    return f"{parts[0]}, {parts[1]}, " + " ".join(parts[2:])


def mobilenets() -> list[Architecture]:
    """MobileNet v1 of the sides of the space and of depth multipliers in steps of 1/32: what a search is to beat."""
    sides = range(SIDES[0], SIDES[1] + 1, SIDES[2])
    multipliers = [step / STEM_CHANNELS for step in range(2, 17)]
    return [
        Architecture.mobilenet_v1(multiplier, side, channels)
        for multiplier in multipliers
        for side in sides
        for channels in (1, 3)
    ]


def capacity(macs: int, parameters: int, channels: int) -> float:
    """A prior of how much a network can learn, for the first sieve alone: doublings of arithmetic and of weights.

    MobileNet v1's published accuracy rises by about the same with each doubling of multiply-accumulates, and half of
    that with each doubling of parameters; colour was worth about half a doubling to this project's own models.
    """
    return math.log2(macs) + 0.5 * math.log2(parameters) + (0.5 if channels == 3 else 0.0)
