"""A model without a card: what its outputs mean is not invented in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tflite_writer import ModelWriter
from vww_deploy.graph.model import Model


def pooled(channels: int) -> bytes:
    """A model whose outputs are as many as the channels of its picture."""
    writer = ModelWriter()
    given = writer.tensor([1, 1, 1, channels], scale=0.1)
    result = writer.tensor([1, 1, 1, channels], scale=1 / 256, zero_point=-128)
    writer.op("LOGISTIC", [given], [result])
    return writer.write([given], [result])


@pytest.mark.parametrize(("outputs", "told"), [(1, False), (2, False), (3, True)])
def test_more_outputs_than_two_without_a_card_are_said_to_be_unknown(tmp_path: Path, outputs: int, told: bool) -> None:
    path = tmp_path / "mine.tflite"
    path.write_bytes(pooled(outputs))
    notices = " ".join(Model.load(path).graph.notices)
    assert ("nobody knows which of them is a person" in notices) is told
