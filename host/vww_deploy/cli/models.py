"""``vww-deploy models``: the models that come with the package."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.model_outputs import ModelsOutput


def command(as_json: common.JsonOption = False) -> None:
    """List the shipped models with what their cards say.

    Example: vww-deploy models
    """
    from vww_deploy.graph.model import Model, shipped_models

    models = [Model.load(path) for path in shipped_models()]
    if as_json:
        common.print_json(ModelsOutput([{"file": model.path.name, **model.card.to_json()} for model in models]))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "top-1", "person", "no person", "AUC", "flash B", "RAM B", "instr. M"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for model in models:
        details = model.card.details
        figures: dict[str, Any] = details.get("accuracy", {})
        best: dict[str, Any] = figures.get("test") or figures.get("val") or {}
        table.add_row(
            escape(model.name),
            _percent(best.get("int8")),
            _percent(best.get("int8_person")),
            _percent(best.get("int8_no_person")),
            f"{best['int8_roc_auc']:.3f}" if "int8_roc_auc" in best else "",
            common.count(details["flash_bytes"]) if "flash_bytes" in details else "",
            common.count(details["ram_bytes"]) if "ram_bytes" in details else "",
            f"{details['instructions'] / 1e6:.2f}" if "instructions" in details else "",
        )
    common.out.print(table)
    for model in models:
        if model.card.description:
            common.out.print(f"{escape(model.name)}: {escape(model.card.description)}", soft_wrap=True)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
