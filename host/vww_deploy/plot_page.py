"""A Plotly figure as a page of its own."""

from __future__ import annotations

from html import escape
from typing import Any


def plot_page(figure: Any, title: str) -> str:
    """HTML that needs no network. Plotly's own page has neither a language nor a title."""
    head = f'<html lang="en"><head><title>{escape(title)}</title><meta name="viewport" content="width=device-width">'
    page: str = figure.to_html(include_plotlyjs=True).replace("<html>\n<head>", head, 1)
    return page
