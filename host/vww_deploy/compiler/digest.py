"""The digest that tells whether a layer's output on a device is the reference's.

Rows may be finished in any order and grouping, by whole layers or by streaming ones, so the digest is a sum over rows:
for row y, CRC-32 (as in zlib) over y as four bytes, little end first, then the row's int8 values, pixel after pixel,
channels innermost; the rows' CRCs are added modulo 2**32.
"""

from __future__ import annotations

import struct
import zlib

from vww_deploy.graph.ir import Int8Array


def layer_digest(output: Int8Array) -> int:
    """The digest of a whole layer's output, int8 [height, width, channels]; a 32-bit unsigned number."""
    return sum(zlib.crc32(struct.pack("<I", y) + row.tobytes()) for y, row in enumerate(output)) & 0xFFFFFFFF
