"""The fused scaling as the kernels compute it, for every sum that can occur."""

from __future__ import annotations

import numpy as np
import pytest

from vww_deploy.compiler.kernels.fused_scaling import fuse


def rotated(sums: np.ndarray, offset: int) -> np.ndarray:
    """256 times a sum, and the offset: it lies in the highest byte above the sum's 24 bits, and a rotation brings it
    down (conv2d.cpp).
    """
    word = (sums + offset // 256 + (offset % 256 << 24)) & 0xFFFFFFFF
    turned = (word << 8 | word >> 24) & 0xFFFFFFFF
    return np.where(turned >= 1 << 31, turned - (1 << 32), turned)


@pytest.mark.parametrize(("multiplier", "bias"), [(1_909_246_974, -8722), (1_321_499_195, -12504), (1 << 30, 0)])
def test_every_sum(multiplier: int, bias: int) -> None:
    """The first one had an offset of 0, to which a negative sum added 255 where it should have taken 1 away."""
    least, most = bias - 127 * 74, bias + 128 * 74
    for shift in (-8, -6, -5):
        found = fuse(
            np.array([2 * multiplier], np.uint32),
            np.array([32 + shift], np.uint8),
            (np.array([least]), np.array([most])),
            output_zero_point=0,
            clamp=(-128, 127),
            rounds_once=True,
        )
        if not found.exact[0]:
            continue
        sums = np.arange(least, most + 1)
        total = 31 - shift
        wanted = np.clip((sums * multiplier + (1 << (total - 1))) >> total, -128, 127)
        scaled = rotated(sums, int(found.offsets[0])) * int(found.multipliers[0]) >> 32
        np.testing.assert_array_equal(np.clip((scaled + 256) >> 9, -128, 127), wanted)
