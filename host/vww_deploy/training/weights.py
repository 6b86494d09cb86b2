"""Weights to begin from: of an earlier training, of a wider network, or of Keras's MobileNet trained on ImageNet."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from vww_deploy.errors import ModelError
from vww_deploy.graph.costs import BLOCKS
from vww_deploy.training.augment import BT601
from vww_deploy.training.mobilenet import (
    MOBILENET_V1_NAME,
    build_mobilenet_v1,
    require_tensorflow,
    with_plain_normalisation,
)
from vww_deploy.training.narrow import take_channels
from vww_deploy.training.recipe import Recipe

IMAGENET: Final = Path("imagenet")
"""In place of a file of weights: those that Keras publishes, which it downloads once."""
WIDTHS: Final = (0.25, 0.5, 0.75, 1.0)
"""Depth multipliers that Keras publishes weights of, and of the networks that a narrower one may begin from."""
_OVERHEAD: Final = 1 << 19  # bytes that HDF5 adds to the numbers, and room to spare


def load_network(recipe: Recipe, weights: Path) -> Any:
    """The trained network for pictures of the recipe's size, from the weights that ``train`` wrote."""
    model = recipe.network(recipe.size)
    adopt_weights(model, weights)
    return model


def adopt_weights(model: Any, weights: Path) -> None:
    """Load weights of a network that differs at most in the input's channels and in being wider.

    Gray becomes colour by the luma weights, and colour gray by the sum over its channels. Of a wider network the most
    useful channels are taken: something to train on from, no finished network.

    Args:
        model: of :func:`vww_deploy.training.mobilenet.build_mobilenet_v1`.
        weights: a file that ``train`` wrote, one of ``keras.applications.MobileNet``, or :data:`IMAGENET`.

    Raises:
        ModelError: the file is missing or damaged, or holds another network; the download fails.
    """
    if weights != IMAGENET:
        _check_readable(weights)
    if not model.name.startswith(MOBILENET_V1_NAME):
        if not _load_own(model, weights):
            raise ModelError(f"{weights} holds no weights of {model.name}", hint="Give the weights of that network.")
        return
    multiplier, own = float(model.name.rsplit("_", 1)[1]), int(model.input_shape[3])
    widths = (multiplier, *(one for one in WIDTHS if one > multiplier))
    for channels in dict.fromkeys((own, 1, 3)):
        for width in dict.fromkeys(widths):
            source = build_mobilenet_v1(width, (None, None, channels))
            if not _load(source, weights):
                continue
            if width != multiplier:
                narrow = build_mobilenet_v1(multiplier, (None, None, channels))
                take_channels(source, narrow)
                source = narrow
            values = source.get_weights()
            if channels == 1 and own == 3:
                values[0] = values[0] * np.array(BT601, np.float32)[None, None, :, None]
            elif channels != own:
                values[0] = values[0].sum(axis=2, keepdims=True)
            model.set_weights(values)
            return
    raise ModelError(f"{weights} holds no weights of {model.name}", hint="Give the same --depth-multiplier.")


def _load(source: Any, weights: Path) -> bool:
    """Fill a network with weights if they are of one like it."""
    width = float(source.name.rsplit("_", 1)[1])
    if weights != IMAGENET and _load_own(source, weights):
        return True
    if width not in WIDTHS or source.input_shape[3] != 3:
        return False
    try:
        published = _published(width, weights)
    except (ValueError, OSError, KeyError):
        return False
    for index in range(len(BLOCKS) + 1):
        kinds = [("conv0", "conv1")] if index == 0 else [(f"{k}{index}", f"conv_{k}_{index}") for k in ("dw", "pw")]
        for mine, theirs in kinds:
            for ending in ("", "_bn"):
                source.get_layer(mine + ending).set_weights(published.get_layer(theirs + ending).get_weights())
    return True


def _load_own(model: Any, weights: Path) -> bool:
    """Fill a network with weights that ``train`` wrote, if they are of one like it."""
    try:
        with warnings.catch_warnings():
            # Keras looks for a second copy of every layer that its own files do not have.
            warnings.filterwarnings("ignore", "Skipping nested container")
            model.load_weights(weights)
    except (ValueError, OSError, KeyError):
        return False
    return True


def _published(width: float, weights: Path) -> Any:
    """``keras.applications.MobileNet`` without its classifier.

    Where it halves a picture it pads below and to the right only. So does SAME padding here for every even side, and
    all sides of 96 and 64 pixels are even down to the last layer: the kernels fit as they are.
    """
    chosen = "imagenet" if weights == IMAGENET else str(weights)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping nested container")
            warnings.filterwarnings("ignore", "`input_shape` is undefined")
            return require_tensorflow().keras.applications.MobileNet(
                input_shape=(224, 224, 3), alpha=width, include_top=False, weights=chosen
            )
    except Exception as error:
        if weights == IMAGENET:
            raise ModelError(
                f"Keras cannot download its ImageNet weights: {error}",
                hint="Connect to the internet, or give the file mobilenet_2_5_224_tf_no_top.h5 with --initial.",
            ) from error
        raise


def _check_readable(weights: Path) -> None:
    import h5py

    if not weights.is_file():
        raise ModelError(f"there are no weights {weights}", hint="Give a file that train or Keras wrote.")
    try:
        h5py.File(weights, "r").close()
    except OSError as error:
        raise ModelError(
            f"{weights} is damaged or no weights file: {error}", hint="Copy it again, or train it again."
        ) from error


def save_weights(model: Any, path: Path) -> None:
    """Write a network's weights, whole or not at all; raises OSError."""
    # Keras files weights under the classes of layers: those of a network in training under its own normalisation's.
    plain = with_plain_normalisation(model)
    plain.set_weights(model.get_weights())
    unfinished = path.with_name(f"next.{path.name}")
    try:
        # HDF5 crashes when it closes a file that the disk has no space for, so the space is taken first.
        unfinished.write_bytes(bytes(_OVERHEAD + sum(one.nbytes for one in model.get_weights())))
        plain.save_weights(unfinished)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(path)
