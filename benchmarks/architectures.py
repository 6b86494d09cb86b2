"""What published networks cost on this engine: the table of docs/search.md. Counted in the emulator, weights made up.

python benchmarks/architectures.py
"""

from __future__ import annotations

from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.search.costs import counted_cost

_MOBILENET_V2 = (
    (16, 1, 1, 1),
    (24, 2, 2, 6),
    (32, 3, 2, 6),
    (64, 4, 2, 6),
    (96, 3, 1, 6),
    (160, 3, 2, 6),
    (320, 1, 1, 6),
)
"""Channels, blocks, first stride and expansion of each stage (Sandler et al. 2018, table 2)."""


def mobilenet_v2(depth_multiplier: float, side: int) -> Architecture:
    """MobileNet v2 without its last 1x1 convolution, which is 1,280 channels wide at any depth multiplier."""

    def scaled(channels: int) -> int:
        wanted = channels * depth_multiplier
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * wanted else rounded

    blocks = [
        Block(scaled(channels), 3, stride if number == 0 else 1, expansion)
        for channels, count, stride, expansion in _MOBILENET_V2
        for number in range(count)
    ]
    return Architecture("inverted", side, 3, scaled(32), tuple(blocks))


def main() -> None:
    """Print the table."""
    networks = {
        "MobileNet v1 0.25, 96x96 RGB": Architecture.mobilenet_v1(0.25, 96, 3),
        "MobileNet v1 0.25, 80x80 RGB": Architecture.mobilenet_v1(0.25, 80, 3),
        "MobileNet v1 0.125, 64x64 RGB": Architecture.mobilenet_v1(0.125, 64, 3),
        "MobileNet v2 0.35, 96x96 RGB": mobilenet_v2(0.35, 96),
        "MobileNet v2 0.35, 80x80 RGB": mobilenet_v2(0.35, 80),
    }
    print(f"{'network':<32}{'M MAC':>7}{'M cycles':>10}{'cycles a MAC':>14}{'RAM B':>9}{'flash B':>10}")
    for name, architecture in networks.items():
        cost = counted_cost(architecture)
        print(
            f"{name:<32}{cost.macs / 1e6:>7.2f}{cost.cycles / 1e6:>10.2f}{cost.cycles / cost.macs:>14.2f}"
            f"{cost.ram_bytes:>9,}{cost.flash_bytes:>10,}"
        )


if __name__ == "__main__":
    main()
