"""What the kernels of sliding windows have in common."""

from __future__ import annotations

from vww_deploy.graph.geometry import Window


def window_fields(window: Window, *, dilates: bool = True) -> dict[str, int]:
    """A window's fields in a parameter struct."""
    fields = {
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.stride[0],
        "stride_w": window.stride[1],
        "pad_top": window.padding.top,
        "pad_left": window.padding.left,
    }
    if dilates:
        fields |= {"dilation_h": window.dilation[0], "dilation_w": window.dilation[1]}
    return fields
