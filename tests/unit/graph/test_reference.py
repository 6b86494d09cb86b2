"""LiteRT's reference interpreter, in a process of its own: its end is not ours."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from tests.support.random_models import RandomModel
from tests.support.tflite_writer import options
from vww_deploy.errors import ModelError
from vww_deploy.graph import Reference, read_model
from vww_deploy.graph import reference as reference_module

PICTURE = np.array([[[-128, 0, 1, 127]]], np.int8)


def softmax(beta: float) -> bytes:
    model = RandomModel(np.random.default_rng(1), 1, 1, 4)
    source, out = model.now, model.output((1, 1, 1, 4), 1 / 256, -128)
    model.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=beta))
    return model.finish()


def test_an_abort_of_litert_is_an_error_and_others_go_on() -> None:
    """The reader refuses such a model; the file is changed behind its back, for whatever it does not know of."""
    graph = read_model(softmax(1.0))
    good = Reference(graph)
    before = good.run(PICTURE)
    with pytest.raises(ModelError, match=r"ended itself at this model \(SIGABRT") as caught:
        Reference(graph.replace(tflite=softmax(0.0))).run(PICTURE)
    assert caught.value.hint
    np.testing.assert_array_equal(good.run(PICTURE), before)


def test_a_model_is_tried_out_where_its_end_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    reference_module.try_out(softmax(1.0), "good")
    with pytest.raises(ModelError, match="cut: LiteRT refuses this model"):
        reference_module.try_out(softmax(1.0)[:300], "cut")
    monkeypatch.setattr(reference_module, "TRY_TIMEOUT_S", 0.1)
    os.kill(reference_module._running[0]._popen.pid, signal.SIGSTOP)  # as a model that takes for ever
    with pytest.raises(ModelError, match=r"slow: .*ended itself at this model \(SIGKILL"):
        reference_module.try_out(softmax(1.0), "slow")


def test_a_process_that_was_killed_between_is_started_again() -> None:
    reference = Reference(read_model(softmax(1.0)))
    before = reference.run_all(PICTURE)
    running = reference_module._running[0]
    os.kill(running._popen.pid, signal.SIGTERM)
    running._popen.wait()
    after = reference.run_all(PICTURE)
    assert reference_module._running[0] is not running
    for identity, values in before.items():
        np.testing.assert_array_equal(after[identity], values)


def test_an_interruption_leaves_no_half_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(read_model(softmax(1.0)))
    before = reference.run(PICTURE)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reference_module, "_array", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reference.run(PICTURE)
    np.testing.assert_array_equal(reference.run(PICTURE), before)


def test_a_model_that_litert_refuses() -> None:
    graph = read_model(softmax(1.0))
    with pytest.raises(ModelError, match="LiteRT refuses this model"):
        Reference(graph.replace(tflite=graph.tflite[:100]))


def test_models_that_nobody_needs_are_let_go() -> None:
    graph = read_model(softmax(1.0))
    reference = Reference(graph)
    process = reference_module._running[0]
    reference.run(PICTURE)
    Reference(graph)  # nobody keeps it
    assert len(process.forgotten) == 1
    reference.run(PICTURE)
    assert not process.forgotten
