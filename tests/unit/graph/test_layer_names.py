"""Layers' names for people, from what converters make of them."""

from __future__ import annotations

import pytest

from vww_deploy.graph.layer_names import cut, short_name


@pytest.mark.parametrize(
    ("name", "kind", "short"),
    [
        ("model/block_3/Relu6;model/block_3/depthwise", "DEPTHWISE_CONV_2D", "block_3/depthwise"),
        (
            "net/dw1_relu_1/Relu6;net/dw1_bn_1/batchnorm/add_1;net/dw1_1/depthwise",
            "DEPTHWISE_CONV_2D",
            "dw1_1/depthwise",
        ),
        # The name of another convolution whose constants are equal comes first.
        ("m/Conv1_relu/Relu6;m/block_15_project/Conv2D;m/Conv1/Conv2D1", "CONV_2D", "Conv1/Conv2D"),
        ("m/re_lu/Relu6;m/conv2d_2/BiasAdd;m/conv2d_2/Conv2D1", "CONV_2D", "conv2d_2"),
        ("m/dense/MatMul;m/dense/BiasAdd", "FULLY_CONNECTED", "dense/MatMul"),
        ("s/bn1_1/batchnorm/mul_1", "MUL", "bn1_1/mul"),
        ("MobilenetV1/MobilenetV1/Conv2d_2_pointwise/Relu6", "CONV_2D", "Conv2d_2_pointwise/Relu6"),
        ("StatefulPartitionedCall:0", "SOFTMAX", "StatefulPartitionedCall:0"),
        ("956", "MEAN", "956"),
        ("add", "ADD", "add"),
        ("", "CONV_2D", ""),
        (";/", "CONV_2D", ";"),
    ],
)
def test_a_layer_is_called_after_its_own_operation(name: str, kind: str, short: str) -> None:
    assert short_name(name, kind) == short


def test_a_long_name_keeps_its_end() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "…cdefg"
