"""The engine's figures: instructions, modelled cycles, RAM, stack and flash of each model, and how they compare.

    python benchmarks/engine.py                  # the table of docs/benchmarks.md
    python benchmarks/engine.py --layers         # cycles per MAC by layer as well
    python benchmarks/engine.py --update         # writes engine.json, which the tests guard

Models are the shipped one and those of ../shared/models that are there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from vww_deploy import resources
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.profile import EngineProfile, profile_engine

FIGURES = Path(__file__).with_name("engine.json")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"

# TFLM with CMSIS-NN, the newest of both, gcc 12.2 -O2, counted and modelled the same way; flash with the model.
TFLM = {
    "person_detect": (22_928_025, 27_110_000, 82_308, 343_864),
    "vww_96_int8": (24_101_552, 28_860_000, 100_708, 386_328),
    "wv_micronets_vww2_50_50": (13_080_272, 15_540_000, 66_900, 289_000),
    "wv_k_8_c_5": (7_607_225, 9_770_000, 31_476, 96_636),
    "wv_mcunet_10fps": (26_438_470, 31_990_000, 165_492, 604_694),
}
NAMES = ("person_96_gray", *TFLM)


def profiles() -> Iterator[tuple[str, EngineProfile]]:
    """The models that are there, profiled."""
    for name in NAMES:
        path = next((p for p in (resources.models_dir(), SHARED) if (p / f"{name}.tflite").exists()), None)
        if path is not None:
            yield name, profile_engine(compile_model(path / f"{name}.tflite"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    figures = {}
    print("| model | | instructions | modelled cycles | cycles/MAC | RAM | flash |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, found in profiles():
        figures[name] = {
            "instructions": found.instructions,
            "cycles": found.cycles,
            "ram_bytes": found.ram_bytes,
            "stack_bytes": found.stack_bytes,
            "flash_bytes": found.flash_bytes,
        }
        ours = (found.instructions, found.cycles, found.ram_bytes, found.flash_bytes)
        if name in TFLM:
            _row(name, "TFLM + CMSIS-NN", TFLM[name], found.macs)
        _row(name, "vww-deploy", ours, found.macs)
        if name in TFLM:
            times = [f"{theirs / mine:.2f}x" for theirs, mine in zip(TFLM[name], ours, strict=True)]
            print(f"| | better by | {times[0]} | {times[1]} | | {times[2]} | {times[3]} |")
        if arguments.layers:
            _layers(found)
    if arguments.update:
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


def _row(name: str, engine: str, values: tuple[int, int, int, int], macs: int) -> None:
    instructions, cycles, ram, flash = values
    print(f"| {name} | {engine} | {instructions:,} | {cycles:,} | {cycles / macs:.2f} | {ram:,} | {flash:,} |")


def _layers(found: EngineProfile) -> None:
    print(
        "\n| layer | operator | MACs | instructions/MAC | cycles/MAC | share of cycles |"
        "\n|---:|---|---:|---:|---:|---:|"
    )
    for layer in found.layers:
        each = (layer.instructions / layer.macs, layer.cycles / layer.macs) if layer.macs else None
        ratios = f"{each[0]:.2f} | {each[1]:.2f}" if each else "|"
        share = 100 * layer.cycles / found.cycles
        print(f"| {layer.index} | {layer.kind} | {layer.macs:,} | {ratios} | {share:.1f} % |")
    print()


if __name__ == "__main__":
    main()
