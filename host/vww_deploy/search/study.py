"""A search's memory: every candidate, what it took and why it was left out, in one file that a kill does not damage.

The file is a journal of Optuna's (a line an event). It holds a study for each stage: ``table`` (NSGA-II over the
table's cycles and a prior of capacity), ``plan`` (exact memory), ``counted`` (exact time), ``tuned`` (the ranking by
inherited weights) and ``trained``. A candidate is in a stage once, in ``tuned`` once for each halving; a stage that was
killed goes on with those that it has not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vww_deploy.errors import DataError, ToolMissing
from vww_deploy.graph.architecture import Architecture
from vww_deploy.resources import install_extra
from vww_deploy.search import space
from vww_deploy.search.costs import TABLE_MARGIN, CandidateCost, Limits, counted_cost, planned_cost, prior, table_cost

if TYPE_CHECKING:
    import optuna

STAGES: Final = ("table", "plan", "counted")
LEARNING_STAGES: Final = ("tuned", "trained")
_POPULATION: Final = 60
_COSTS_AND_GAIN: Final = ["minimize", "maximize"]
_AIMS: Final = {"table": [*_COSTS_AND_GAIN, "maximize"]} | dict.fromkeys(
    (*STAGES[1:], *LEARNING_STAGES), _COSTS_AND_GAIN
)

Elsewhere = Callable[[Callable[[Architecture], CandidateCost], Sequence[Architecture]], Iterable[CandidateCost]]
"""Measures networks on other machines, in their order."""

Progress = Callable[[str, int, int], None]
"""Called with the stage, how many of its candidates are done, and how many there will be."""


@dataclass(frozen=True)
class Candidate:
    """An architecture with what a stage found out about it; ``broken`` names the limits that it breaks, by factor."""

    architecture: Architecture
    cost: CandidateCost
    broken: dict[str, float]

    @property
    def prior(self) -> float:
        """Of its capacity."""
        return prior(self.architecture, self.cost)


@dataclass(frozen=True)
class Learned:
    """An architecture with what a training of it gave: ``score`` is the area under the ROC curve on ``val``."""

    architecture: Architecture
    cost: CandidateCost
    score: float
    figures: dict[str, Any]


class SearchStudy:
    """A search on disk."""

    def __init__(self, path: Path, limits: Limits, *, seed: int, resume: bool) -> None:
        """Begins a search, or goes on with one.

        Raises:
            DataError: the file is there and ``resume`` is not asked for, or is of another search or damaged, or cannot
                be written.
            ToolMissing: Optuna is not installed.
        """
        self.limits = limits
        self._path = path
        self._seed = seed
        self._optuna = _require_optuna()
        if path.exists() and not resume:
            raise DataError(f"{path} holds a search already", hint="Go on with it: --resume. Or give another --study.")
        if resume and not path.exists():
            raise DataError(f"there is no search {path} to go on with", hint="Leave out --resume to begin it.")
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        try:
            self._storage = JournalStorage(JournalFileBackend(str(path)))
            self._studies = {name: self._open(name, aims) for name, aims in _AIMS.items()}
        except OSError as error:
            raise DataError(f"{path} cannot be written: {error.strerror}", hint="Give another --study.") from error
        except (ValueError, KeyError, AssertionError, TypeError) as error:
            raise DataError(
                f"{path} is no search's file, or is damaged: {error}", hint="Give another --study."
            ) from error
        settings = {"space": space.VERSION, "seed": seed, "limits": limits.to_json()}
        study = self._studies["table"]
        found = study.user_attrs.get("settings")
        if found is None:
            study.set_user_attr("settings", settings)
        elif found != settings:
            differing = ", ".join(name for name, value in settings.items() if found.get(name) != value)
            raise DataError(
                f"{path} is a search with another {differing}", hint="Give the same options, or another --study."
            )

    def run_table(self, trials: int, progress: Progress) -> None:
        """NSGA-II: the least cycles, the most capacity and the largest picture, with the limits as constraints.

        The side is an aim of its own because the prior does not know what it is worth: how small a person may be that
        is to be found depends on the pictures. So the training chooses it.
        """
        kept = self._studies["table"]
        # The sampler works in memory, and a trial is written when it is whole: a journal that is synced for each of
        # a trial's thirty values would take most of the time.
        working = self._optuna.create_study(directions=list(kept.directions), sampler=kept.sampler)
        working.add_trials(kept.get_trials(deepcopy=False))
        for number in range(len(working.trials), trials):
            progress("table", number, trials)
            trial = working.ask()
            architecture = space.suggest(trial)
            cost = table_cost(architecture)
            trial.set_user_attr("architecture", architecture.to_json())
            trial.set_user_attr("cost", cost.to_json())
            trial.set_constraint("cycles", cost.cycles / self.limits.cycles - TABLE_MARGIN)
            trial.set_constraint("flash", cost.flash_bytes / self.limits.flash_bytes - 1.0)
            trial.set_constraint("map", 0.0 if space.is_reasonable(architecture) else 1.0)
            self._add("table", working.tell(trial, [float(cost.cycles), prior(architecture, cost), architecture.side]))
        progress("table", trials, trials)

    def run_plan(
        self, most: int, progress: Progress, *, workers: int | None = None, elsewhere: Elsewhere | None = None
    ) -> None:
        """The exact plan of the most promising candidates of the table, as many of each kind as of others.

        Args:
            workers: processes of this computer; default: as many as it has cores.
            elsewhere: measures on other machines instead.
        """
        chosen = _spread(self._within("table", TABLE_MARGIN), most)
        self._run("plan", chosen, planned_cost, progress, elsewhere or _here(workers or os.cpu_count() or 1))

    def run_counted(self, most: int, progress: Progress, *, elsewhere: Elsewhere | None = None) -> None:
        """The best that fit by plan, counted in the emulator until so many keep the limits or no more are left."""
        fitting = [one for one in self.candidates("plan") if not set(one.broken) - {"cycles"}]
        near = [one for one in fitting if one.cost.cycles <= TABLE_MARGIN * self.limits.cycles]
        ordered = _spread(near, len(near))
        count = most
        while True:
            chosen = ordered[:count]
            self._run("counted", chosen, counted_cost, progress, elsewhere or _here(1))
            missing = most - sum(not one.broken for one in self.candidates("counted"))
            if missing <= 0 or len(chosen) == len(ordered):
                return
            count = len(chosen) + missing

    def candidates(self, stage: str) -> list[Candidate]:
        """What a stage found, in its order."""
        found = []
        complete = self._optuna.trial.TrialState.COMPLETE
        for trial in self._studies[stage].get_trials(deepcopy=False, states=(complete,)):
            cost = CandidateCost(**trial.user_attrs["cost"])
            architecture = Architecture.from_json(trial.user_attrs["architecture"])
            if space.is_reasonable(architecture):
                found.append(Candidate(architecture, cost, self.limits.broken_by(cost)))
        return found

    def best(self, count: int) -> list[Candidate]:
        """The candidates of the last stage that was run that break no limit, those of most capacity first."""
        last = next((stage for stage in reversed(STAGES) if self.candidates(stage)), "table")
        fitting = [one for one in self.candidates(last) if not one.broken]
        return sorted(fitting, key=lambda one: -one.prior)[:count]

    def nearest(self) -> Candidate | None:
        """Of the candidates that break a limit, that which does by least."""
        stage = "counted" if self.candidates("counted") else "plan"
        breaking = [one for one in self.candidates(stage) or self.candidates("table") if one.broken]
        return min(breaking, key=lambda one: max(one.broken.values()), default=None)

    def use_data(self, data: dict[str, Any]) -> None:
        """Say which pictures the search learns from.

        Raises:
            DataError: it has learned from others.
        """
        if self.decided("data", lambda: data) != data:
            raise DataError(f"{self._path} is a search with other pictures", hint="Give them, or another --study.")

    def keep(self, stage: str, one: Candidate, score: float, figures: dict[str, Any]) -> None:
        """Keep what a training gave."""
        attributes = {"architecture": one.architecture.to_json(), "cost": one.cost.to_json(), "figures": figures}
        values = [float(one.cost.cycles), score]
        self._add(stage, self._optuna.trial.create_trial(values=values, user_attrs=attributes))

    def learned(self, stage: str) -> list[Learned]:
        """What the trainings of a stage gave, in their order."""
        found = []
        for trial in self._studies[stage].get_trials(deepcopy=False):
            cost, figures = CandidateCost(**trial.user_attrs["cost"]), trial.user_attrs["figures"]
            architecture = Architecture.from_json(trial.user_attrs["architecture"])
            found.append(Learned(architecture, cost, trial.values[1], figures))
        return found

    def staged(self, architecture: Architecture) -> space.Staged:
        """An architecture of the search with its stages, which only the trial that proposed it knows."""
        for trial in self._studies["table"].get_trials(deepcopy=False):
            if Architecture.from_json(trial.user_attrs["architecture"]) == architecture:
                return space.Staged(architecture, tuple(trial.params[f"depth{n}"] for n in range(1, space.STAGES + 1)))
        raise DataError(f"{architecture.key} is no candidate of {self._path}")

    def decided(self, name: str, decide: Callable[[], Any]) -> Any:
        """What was decided once, and holds when the search is gone on with."""
        study = self._studies["trained"]
        if name not in study.user_attrs:
            self._written(lambda: study.set_user_attr(name, decide()))
        return study.user_attrs[name]

    def spend(self, seconds: float) -> None:
        """Note CPU time that belongs to no candidate."""
        study = self._studies["trained"]
        self._written(lambda: study.set_user_attr("spent", seconds + study.user_attrs.get("spent", 0.0)))

    @property
    def cpu_seconds(self) -> float:
        """What all runs of the search have used for learning."""
        kept = [one.figures["cpu_seconds"] for stage in LEARNING_STAGES for one in self.learned(stage)]
        return float(sum(kept) + self._studies["trained"].user_attrs.get("spent", 0.0))

    def _add(self, stage: str, trial: Any) -> None:
        self._written(lambda: self._studies[stage].add_trial(trial))

    def _written(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise DataError(
                f"{self._path} cannot be written: {error.strerror}",
                hint="Free some disk space; --resume then goes on with what is kept.",
            ) from error

    def _within(self, stage: str, margin: float) -> list[Candidate]:
        found = self.candidates(stage)
        return [one for one in found if all(factor <= margin for factor in one.broken.values())]

    def _run(
        self,
        stage: str,
        chosen: list[Candidate],
        measure: Callable[[Architecture], CandidateCost],
        progress: Progress,
        measured: Elsewhere,
    ) -> None:
        have = {one.architecture.key for one in self.candidates(stage)}
        left = [one.architecture for one in chosen if one.architecture.key not in have]
        done, total = len(chosen) - len(left), len(chosen)
        progress(stage, done, total)
        for architecture, cost in zip(left, measured(measure, left), strict=True):
            trial = self._optuna.trial.create_trial(
                values=[float(cost.cycles), prior(architecture, cost)],
                user_attrs={"architecture": architecture.to_json(), "cost": cost.to_json()},
            )
            self._add(stage, trial)
            done += 1
            progress(stage, done, total)

    def _open(self, name: str, aims: list[str]) -> optuna.Study:
        sampler = self._optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=self._seed)
        study: optuna.Study = self._optuna.create_study(
            storage=self._storage,
            study_name=name,
            directions=aims,
            sampler=sampler,
            load_if_exists=True,
        )
        return study


def mobilenets_within(limits: Limits, progress: Progress) -> list[Candidate]:
    """MobileNet v1 scaled to the limits: for gray and for colour that of most capacity which fits by plan, if any."""
    found = []
    for colour, channels in (("gray", 1), ("RGB", 3)):
        near = []
        for architecture in space.mobilenets():
            if architecture.channels == channels and space.is_reasonable(architecture):
                cost = table_cost(architecture)
                if cost.cycles <= TABLE_MARGIN * limits.cycles and cost.flash_bytes <= limits.flash_bytes:
                    near.append((prior(architecture, cost), architecture))
        near.sort(key=lambda pair: -pair[0])
        for number, (_, architecture) in enumerate(near):
            progress(f"MobileNet v1, {colour}", number, len(near))
            cost = planned_cost(architecture)
            if not limits.broken_by(cost):
                found.append(Candidate(architecture, cost, {}))
                break
    return found


def _spread(candidates: list[Candidate], most: int) -> list[Candidate]:
    """The candidates of most capacity, in turn of each kind, colour and third of the sides; each architecture once."""
    groups: dict[tuple[object, ...], list[Candidate]] = {}
    seen: set[str] = set()
    for one in sorted(candidates, key=lambda one: -one.prior):
        if one.architecture.key not in seen:
            seen.add(one.architecture.key)
            groups.setdefault(_group(one.architecture), []).append(one)
    chosen: list[Candidate] = []
    for turn in range(max((len(group) for group in groups.values()), default=0)):
        chosen += [group[turn] for group in groups.values() if turn < len(group)]
    return chosen[:most]


def _group(architecture: Architecture) -> tuple[object, ...]:
    first, last, _ = space.SIDES
    third = min(2, 3 * (architecture.side - first) // (last - first))
    return architecture.kind, architecture.channels, third


def _here(workers: int) -> Elsewhere:
    """Measures in so many processes of this computer."""

    def measured(
        measure: Callable[[Architecture], CandidateCost], architectures: Sequence[Architecture]
    ) -> Iterator[CandidateCost]:
        if workers == 1 or len(architectures) < 2:
            yield from map(measure, architectures)
            return
        with ProcessPoolExecutor(max_workers=workers) as pool:
            try:
                yield from pool.map(measure, architectures)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return measured


def _require_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ToolMissing("Optuna is not installed", hint=install_extra("search")) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
