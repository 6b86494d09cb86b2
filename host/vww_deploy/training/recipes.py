"""How the shipped models are trained: each by name, with what it begins from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.training.run import Job, run
from vww_deploy.training.train import Recipe


@dataclass(frozen=True)
class Shipped:
    """A shipped model's recipe; ``begins_from`` names another whose weights it begins from."""

    recipe: Recipe
    begins_from: str | None = None


_ALIKE: Final = Recipe(early_size=80, views=30, hard=0.35)
_ONWARDS: Final = replace(_ALIKE, early_part=0.85, warmup_epochs=0.3)  # from another's weights
SHIPPED: Final = {
    "person_96_gray": Shipped(replace(_ALIKE, epochs=160, early_part=0.9, weight_decay=0.03)),
    "person_96_rgb": Shipped(
        replace(_ONWARDS, channels=3, epochs=33, learning_rate=2e-3, inner=2.5, weight_decay=0.03),
        begins_from="person_96_gray",
    ),
    "person_96_small": Shipped(
        replace(_ONWARDS, depth_multiplier=0.125, epochs=34, learning_rate=3e-3, inner=1.5),
        begins_from="person_96_gray",
    ),
}


def train_shipped(
    name: str,
    data: Path,
    folder: Path,
    *,
    pictures: Path | None = None,
    teacher: Path | None = None,
    seed: int = 1,
    smoke: bool = False,
    say: Callable[[dict[str, float]], None] = lambda row: None,
    note: Callable[[str], None] = lambda text: None,
) -> Path:
    """Train a shipped model anew into ``folder / name``, and before it what it begins from; goes on where it stopped.

    Returns:
        The averaged weights.

    Raises:
        DataError: no shipped model has this name, or the data cannot be used.
    """
    if name not in SHIPPED:
        raise DataError(f"no recipe is called {name}", hint=f"There are {', '.join(SHIPPED)}.")
    shipped = SHIPPED[name]
    initial = None
    if shipped.begins_from is not None:
        note(f"{name} begins from {shipped.begins_from}, which is trained first")
        initial = train_shipped(
            shipped.begins_from,
            data,
            folder,
            pictures=pictures,
            teacher=teacher,
            seed=seed,
            smoke=smoke,
            say=say,
            note=note,
        )
    recipe = replace(shipped.recipe, seed=seed)
    job = Job(data, folder / name, recipe, pictures, teacher, folder / "views", initial)
    return run(job, smoke=smoke, say=say, note=note)
