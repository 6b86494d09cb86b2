"""Whether one model is better than another on the same labelled pictures: the difference in top-1, and its interval.

    python benchmarks/paired.py MODEL.tflite OTHER.tflite DATA [--split val test]

Both are asked by LiteRT's reference kernels, which boards equal bit for bit. The interval is that of a mean of paired
differences (each picture is +1, 0 or -1): both models see the same pictures, so what is hard for both cancels out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vww_deploy.graph.model import Model
from vww_deploy.training.datasets import Dataset, read_dataset
from vww_deploy.training.evaluate import answer_all, reference_probability


def right(model: Model, dataset: Dataset) -> npt.NDArray[np.bool_]:
    """Which of the pictures a model decides rightly at its own threshold."""
    answers, skipped = answer_all(model, dataset, reference_probability(model))
    if skipped:
        raise SystemExit(f"{len(skipped)} pictures are unreadable: {skipped[0]}")
    return np.array([(one.person >= model.card.threshold) == bool(one.picture.label) for one in answers])


def main() -> None:
    """Print both accuracies and the paired difference for each split, and for all together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", nargs="+", default=["val"])
    given = parser.parse_args()
    models, dataset = [Model.load(one) for one in (given.model, given.other)], read_dataset(given.data)
    results = {name: [right(model, dataset.split(name)) for model in models] for name in given.split}
    if len(results) > 1:
        results["all"] = [np.concatenate([both[i] for both in results.values()]) for i in (0, 1)]
    for name, (first, second) in results.items():
        differences = first.astype(int) - second.astype(int)
        mean, half = differences.mean(), 1.96 * differences.std(ddof=1) / np.sqrt(len(differences))
        print(
            f"{name}: {len(differences)} pictures, {first.mean():.2%} against {second.mean():.2%}, "
            f"difference {100 * mean:+.2f} points, 95 % interval "
            f"{100 * (mean - half):+.2f} to {100 * (mean + half):+.2f}"
        )


if __name__ == "__main__":
    main()
