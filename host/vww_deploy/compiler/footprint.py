"""What a plan takes on a Cortex-M4: flash and stack, estimated before anything is built.

Weights and tables are exact; code and stack are the target's measured figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vww_deploy.compiler.kernels import Kernel
from vww_deploy.compiler.plan import Plan
from vww_deploy.compiler.targets.cortex_m4 import TARGET

_CALL_BYTES: Final = 24  # passing a call's arguments
_BAND_BYTES: Final = 60  # a band's loop and row arithmetic, for each of its layers
_VIEW_BYTES: Final = 16
_INVOKE_STACK_BYTES: Final = 160  # vww_model_invoke itself, its hooked variant being the deeper one


def constant_bytes(kernels: Mapping[int, Kernel]) -> int:
    """Flash for weights, biases and scales; equal arrays are stored once."""
    unique = {(kind, values.tobytes()): values.nbytes for k in kernels.values() for _, kind, values in k.arrays}
    return sum(-(-size // 4) * 4 for size in unique.values())


def table_bytes(plan: Plan, kernels: Mapping[int, Kernel]) -> int:
    """Flash for parameter structs and views."""
    views = {(p.offset, p.channel_stride, p.row_stride, p.rows) for p in plan.places.values()}
    return sum(k.params.struct.size for k in kernels.values() if k.params) + _VIEW_BYTES * len(views)


def code_bytes(plan: Plan, kernels: Mapping[int, Kernel]) -> int:
    """Flash for the kernels used and the calls of them, without the hooked variant."""
    kernel_code = sum(TARGET.code_bytes[source] for source in {kernel.source for kernel in kernels.values()})
    bands = sum(s.end - s.begin for s in plan.segments if s.is_band)
    return kernel_code + _CALL_BYTES * len(kernels) + _BAND_BYTES * bands


def stack_bytes(kernels: Mapping[int, Kernel]) -> int:
    """The deepest stack of an inference."""
    return _INVOKE_STACK_BYTES + max(TARGET.stack_bytes[kernel.source] for kernel in kernels.values())
