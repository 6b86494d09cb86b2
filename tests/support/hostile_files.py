"""Damaged models: hostile edits and flipped bits of five models."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np

from tests.support.random_models import moved_model, random_model, small_mobilenet, unsigned_model, varied_model

NUMBERS = (0, 1, -1, 2, 127, 255, 4096, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31), 0x7F800000, 0x7FC00000, 1)


@cache
def models() -> tuple[bytes, ...]:
    return small_mobilenet(), random_model(3), varied_model(4), moved_model(5), unsigned_model(6)


def edited(data: bytearray, random: np.random.Generator) -> bytes:
    """Some hostile edits, most of them in the first and last 4 KB, where the tables are."""
    for _ in range(int(random.integers(1, 4))):
        near = min(4096, len(data))
        at = int(random.integers(near))
        at = at if random.random() < 0.5 else len(data) - 1 - at
        kind, length = random.random(), int(random.integers(1, 64))
        if kind < 0.6:
            at = min(at & ~3, len(data) - 4)
            struct.pack_into("<i", data, at, int(random.choice(NUMBERS)))
        elif kind < 0.7:
            at = min(at & ~1, len(data) - 2)
            struct.pack_into("<H", data, at, int(random.integers(1 << 16)))
        elif kind < 0.8:
            other = int(random.integers(len(data) - 64))
            data[at : at + length] = data[other : other + length]
        elif kind < 0.87:
            del data[at : at + length]
        elif kind < 0.94:
            data[at:at] = random.bytes(length)
        else:
            del data[max(at, 16) :]
        if len(data) < 128:
            break
    return bytes(data)


def flipped(data: bytearray, random: np.random.Generator) -> bytes:
    """One to eight bits."""
    for bit in random.integers(0, 8 * len(data), int(random.integers(1, 9))).tolist():
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def hostile_file(case: int) -> bytes:
    """Even cases are edits, odd ones flips."""
    random = np.random.default_rng(case)
    data = bytearray(models()[case // 2 % len(models())])
    return (flipped if case % 2 else edited)(data, random)
