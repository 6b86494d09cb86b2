"""Layers' names for people: the operator's own, without the whole model's path and what was folded into it."""

from __future__ import annotations

import re
from typing import Final

# What TensorFlow and Keras call the operation, as the last part of its name.
_WORDS: Final = {
    "CONV_2D": ("conv2d", "convolution"),
    "DEPTHWISE_CONV_2D": ("depthwise",),
    "FULLY_CONNECTED": ("matmul",),
    "ADD": ("add",),
    "MUL": ("mul",),
    "MEAN": ("mean",),
    "AVERAGE_POOL_2D": ("avgpool",),
    "MAX_POOL_2D": ("maxpool",),
}


def short_name(name: str, kind: str) -> str:
    """``model/block_3/Relu6;model/block_3/depthwise`` of a DEPTHWISE_CONV_2D as ``block_3/depthwise``.

    A converter names a tensor after all that it folded into the operator, and after those with equal constants: the
    last name that ends in the operation's own is meant. Without one the first name is taken.

    Args:
        name: of the operator's output in the file.
        kind: of the operator, ``CONV_2D`` for example.
    """
    names = [part for part in name.split(";") if part.strip("/ ")] or [name]
    own = [one for one in names if _word(one.rpartition("/")[2]) in _WORDS.get(kind, ())]
    *above, last = (own[-1] if own else names[0]).strip("/").split("/")
    parent = next((one for one in reversed(above) if one != "batchnorm"), "")
    if not own:
        return f"{parent}/{last}" if parent else last
    # A Keras layer that is called after its operation needs it only once.
    plain = re.sub(r"_?[0-9]+$", "", last)
    return parent if _word(last) in parent.lower() else f"{parent}/{plain}".strip("/")


def cut(name: str, width: int) -> str:
    """A name in at most ``width`` characters: its end, which distinguishes it."""
    return name if len(name) <= width else f"…{name[len(name) - width + 1 :]}"


def _word(last: str) -> str:
    """An operation's name without the number that makes it unique."""
    return re.sub(r"_?[0-9]+$", "", last.lower())
