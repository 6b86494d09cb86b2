"""The way from candidates to networks: a ranking by inherited weights, and trainings that are all alike."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from vww_deploy.errors import DataError
from vww_deploy.search.parent import covering
from vww_deploy.search.ranking import TRUSTED_CORRELATION, Lessons, spearman, train_parent, tuned_auc
from vww_deploy.search.space import Staged
from vww_deploy.search.study import Candidate, Learned, SearchStudy
from vww_deploy.training.augment import Augmentation
from vww_deploy.training.datasets import Dataset, load_arrays
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.run import picture_side
from vww_deploy.training.sources import quantise_source
from vww_deploy.training.train import train
from vww_deploy.training.views import ViewCache

RANKED: Final = 24
_TUNED_PICTURES: Final = 2500
_HALVINGS: Final = 2
FINALISTS: Final = 2
CONTROLS: Final = 2
COMPARED: Final = 8
"""Networks that are ranked and trained as well, to know how far the ranking can be believed."""
_PARENTS_SHARE: Final = 0.3
_MOST_STEPS: Final = 6000
_MOST_EPOCHS: Final = 40
_FEWEST_EPOCHS: Final = 1
_SECONDS_A_PICTURE: Final = 3.5e-3
"""CPU time of a step for a network of some 7 million multiply-accumulates; an estimate, not measured for parents."""
_LEAST_SECONDS_A_PICTURE: Final = 5e-4
"""Two rungs that took the same say nothing."""
_AUGMENTATION: Final = Augmentation(paste=0.0, degraded=0.5, shift=0.05)
BASELINE: Final = "MobileNet v1"


class Budget:
    """CPU time of a search over all its runs; what a run used before is kept in the study."""

    def __init__(self, seconds: float, used: float) -> None:
        self._seconds, self._used, self._start = seconds, used, _cpu_seconds()

    @property
    def left(self) -> float:
        """Seconds of CPU time; below 0 when it is overdrawn."""
        return self._seconds - self.used

    @property
    def used(self) -> float:
        """Seconds of CPU time by this run and those before it."""
        return self._used + _cpu_seconds() - self._start


@dataclass(frozen=True)
class Verdict:
    """What the trainings say: the rank correlation of proxy and training, and what was cut for lack of time."""

    correlation: float | None
    compared: int
    cut: tuple[str, ...]

    @property
    def proxy_failed(self) -> bool:
        """Whether the ranking is not to be believed; also where it is unknown."""
        return self.correlation is None or not self.correlation >= TRUSTED_CORRELATION


@dataclass(frozen=True)
class Sizes:
    """How much a search does; tests do less."""

    ranked: int = RANKED
    tuned_pictures: int = _TUNED_PICTURES
    batch: int = 64
    most_steps: int = _MOST_STEPS
    most_epochs: int = _MOST_EPOCHS
    compared: int = COMPARED


def learn(
    search: SearchStudy,
    baselines: list[Candidate],
    dataset: Dataset,
    folder: Path,
    budget: Budget,
    *,
    seed: int,
    sizes: Sizes | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Verdict:
    """Rank the candidates that were counted, train the best beside their controls, and make them int8 in ``folder``.

    Raises:
        DataError: pictures are missing or of one class, or the folder cannot be written.
        ToolMissing: TensorFlow is not installed.
    """
    how = sizes or Sizes()
    candidates = search.best(how.ranked)
    if not candidates:
        return Verdict(None, 0, ())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}", hint="Give another --study.") from error
    side = max(one.architecture.side for one in (*candidates, *baselines))
    held = picture_side(side)
    training = load_arrays(dataset.split("train"), held, progress=progress)
    judged = load_arrays(dataset.split("val"), held, progress=progress)
    lessons = Lessons(training, judged, min(how.batch, len(training.labels)), seed)
    cut = _rank(search, candidates, lessons, folder, budget, how, progress)
    if budget.left <= 0 and not search.learned("trained"):
        # How long the networks are trained is decided once: not while there is no time for any.
        return verdict(search, (*cut, "all trainings"))
    wanted = _to_train(search, candidates, baselines, how)
    epochs = _epochs(search, len(wanted), len(training.labels), budget, how)
    views = ViewCache(
        training, folder / "views", None, size=side, seed=seed, augmentation=_AUGMENTATION, progress=progress
    )
    done = {one.architecture.key for one in search.learned("trained")}
    for role, one in wanted:
        if one.architecture.key in done:
            continue
        if budget.left <= 0:
            cut.append(f"the training of {one.architecture.key} ({role})")
            continue
        begun = budget.used
        architecture = one.architecture
        recipe = Recipe(
            architecture=architecture,
            size=architecture.side,
            channels=architecture.channels,
            epochs=epochs,
            batch=lessons.batch,
            views=min(epochs, 4),
            seed=seed,
            augmentation=_AUGMENTATION,
        )
        name = f"{role.split()[0].lower()}_{architecture.key}"

        def tell(text: str, name: str = name) -> None:
            progress(f"{name}: {text}")

        train(recipe, views, judged, folder / name, progress=tell)
        packed = quantise_source(folder / name, dataset, folder / f"{name}.tflite", progress=tell)
        shutil.copyfile(folder / name / "recipe.json", folder / f"{name}.recipe.json")
        details, val = packed.card.details, packed.int8_figures["val"]
        figures = {
            "role": role,
            "epochs": epochs,
            "float_top1": packed.float_figures["val"].top1,
            "float_auc": packed.float_figures["val"].roc_auc,
            "top1": val.top1,
            "auc": val.roc_auc,
            "ram_bytes": details["ram_bytes"],
            "flash_bytes": details["flash_bytes"],
            "cycles": details.get("cycles"),
            "model": f"{name}.tflite",
            "cpu_seconds": budget.used - begun,
        }
        search.keep("trained", one, val.roc_auc, figures)
    return verdict(search, tuple(cut))


def verdict(search: SearchStudy, cut: tuple[str, ...] = ()) -> Verdict:
    """How far the ranking agrees with the trainings; None where fewer than three networks have both."""
    ranked = {one.architecture.key: one.score for one in search.learned("tuned") if one.figures["rung"] == 0}
    both = [one for one in search.learned("trained") if one.architecture.key in ranked]
    if len(both) < 3:
        return Verdict(None, len(both), cut)
    found = spearman([ranked[one.architecture.key] for one in both], [one.score for one in both])
    return Verdict(None if np.isnan(found) else found, len(both), cut)


def _rank(
    search: SearchStudy,
    candidates: list[Candidate],
    lessons: Lessons,
    folder: Path,
    budget: Budget,
    how: Sizes,
    progress: Callable[[str], None],
) -> list[str]:
    """Tune and halve: all on some pictures, the better half on twice as many, and so on."""
    parents: dict[str, tuple[Staged, dict[str, Any]]] = {}
    staged = {one.architecture.key: search.staged(one.architecture) for one in candidates}
    left = candidates
    for rung in range(_HALVINGS + 1):
        done = {one.architecture.key: one.score for one in search.learned("tuned") if one.figures["rung"] == rung}
        for number, one in enumerate(left):
            key, kind = one.architecture.key, one.architecture.kind
            if key in done:
                continue
            if budget.left <= 0:
                return [f"the ranking of {len(left) - number} candidates"]
            if kind not in parents:
                own = [staged[each.architecture.key] for each in candidates if each.architecture.kind == kind]
                parent, path = covering(own, max), folder / f"parent_{kind}.npz"
                share = _PARENTS_SHARE * len(own) / len(candidates)
                steps = search.decided(f"steps_{kind}", partial(_steps, budget, share, how))
                begun = budget.used
                parents[kind] = parent, train_parent(parent, own, lessons, steps, path, progress)
                search.spend(budget.used - begun)
            begun, pictures = budget.used, how.tuned_pictures << rung
            progress(f"ranking {number + 1} of {len(left)} on {pictures:,} pictures")
            done[key] = tuned_auc(*parents[kind], staged[key], lessons, pictures)
            figures = {"rung": rung, "pictures": pictures, "cpu_seconds": budget.used - begun}
            search.keep("tuned", one, done[key], figures)
        left = sorted(left, key=lambda one: -done[one.architecture.key])[: -(-len(left) // 2)]
    return []


def _to_train(
    search: SearchStudy, candidates: list[Candidate], baselines: list[Candidate], how: Sizes
) -> list[tuple[str, Candidate]]:
    """What is trained, each once: finalists by the ranking, MobileNet, controls by the prior, and some to compare."""
    best: dict[str, tuple[int, float]] = {}
    for each in search.learned("tuned"):
        best[each.architecture.key] = max(
            best.get(each.architecture.key, (-1, 0.0)), (int(each.figures["rung"]), each.score)
        )
    ranked = sorted(
        (one for one in candidates if one.architecture.key in best),
        key=lambda one: best[one.architecture.key],
        reverse=True,
    )
    wanted = [("finalist", one) for one in ranked[:FINALISTS]]
    wanted += [(BASELINE, one) for one in baselines]
    taken = {one.architecture.key for _, one in wanted}
    others = [one for one in candidates if one.architecture.key not in taken]
    wanted += [("control", one) for one in others[:CONTROLS]]
    taken = {one.architecture.key for _, one in wanted}
    spare = [one for one in ranked if one.architecture.key not in taken]
    count = min(len(spare), max(0, how.compared - FINALISTS - CONTROLS))
    # From the whole ranking: a correlation among the best alone would say little.
    places = {round(at) for at in np.linspace(0, len(spare) - 1, count)}
    return [*wanted, *(("compared", spare[at]) for at in sorted(places))]


def _steps(budget: Budget, share: float, how: Sizes) -> int:
    """Of a parent's training within its share of the budget; a sandwich takes about four networks' time."""
    seconds = 4 * _SECONDS_A_PICTURE * how.batch
    return int(min(how.most_steps, max(2, share * budget.left / seconds)))


def _epochs(search: SearchStudy, trainings: int, pictures: int, budget: Budget, how: Sizes) -> int:
    """Of every training, so that all of them fit into what is left; as fast as the tuning went."""

    def decide() -> int:
        fits = budget.left / max(1e-9, trainings * pictures * _seconds_a_picture(search.learned("tuned")))
        return int(min(how.most_epochs, max(_FEWEST_EPOCHS, fits)))

    return int(search.decided("epochs", decide))


def _seconds_a_picture(tuned: list[Learned]) -> float:
    """CPU time of a step for a picture: what a rung took longer than the one before, so that tracing does not count."""
    took = {(one.architecture.key, one.figures["rung"]): one.figures for one in tuned}
    paces = []
    for (key, rung), after in took.items():
        if before := took.get((key, rung - 1)):
            seconds = after["cpu_seconds"] - before["cpu_seconds"]
            paces.append(seconds / (after["pictures"] - before["pictures"]))
    return max(_LEAST_SECONDS_A_PICTURE, median(paces)) if paces else _SECONDS_A_PICTURE


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
