"""How the commands that make an int8 model show what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common

if TYPE_CHECKING:
    from vww_deploy.training.package import Packed


def show(packed: Packed) -> None:
    """Float beside int8, the layers that lose most, and where the model is."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("split", "", "top-1", "person", "no person", "ROC AUC"):
        table.add_column(name, justify="left" if name in ("split", "") else "right")
    for split, exact in packed.float_figures.items():
        for kind, one in (("float", exact), ("int8", packed.int8_figures[split])):
            table.add_row(
                split if kind == "float" else "",
                kind,
                f"{one.top1:.2%}",
                f"{one.person:.2%}",
                f"{one.no_person:.2%}",
                f"{one.roc_auc:.4f}",
            )
    common.out.print(table)
    if packed.fine_tuned:
        common.out.print("fine-tuned for int8")
    if packed.noise:
        common.out.print("\nthe layers that lose most (signal to noise of the output):")
        for layer in packed.noise[:5]:
            common.out.print(f"  {layer.snr_db:6.1f} dB  {layer.operator:<18} {escape(layer.name[-48:])}")
    common.out.print(f"\n[green]✓[/] {escape(str(packed.path))} and {escape(packed.path.with_suffix('.json').name)}")
