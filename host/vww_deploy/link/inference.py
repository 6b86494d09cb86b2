"""What a board made of one picture: one record from the device to the report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Inference:
    """One picture's result.

    Attributes:
        number: of the picture: its place in the session, or in the run. As the device gives it, the number that the
            link sent it under.
        p_person: 0..1; NaN as the device gives it, which does not know what its outputs mean.
        latency_us: of the inference alone, by the device's clock; microseconds. None where it counts instructions,
            which are no time.
        ticks: the same in units of the device's clock.
        retries: messages that had to be sent again for this picture.
        outputs: int8 values, as the model gives them.
        reference: what the host reference gives for the same input; None if it did not run.
        stages: ticks by stage, in the order of the way: those of ``capture``, ``preprocess``, ``upload``, ``inference``
            and ``transfer`` that were measured.
        at: when it was known, by the host's clock; seconds since 1970 (UTC).
    """

    number: int
    p_person: float
    latency_us: int | None
    ticks: int
    retries: int = 0
    outputs: tuple[int, ...] = ()
    reference: tuple[int, ...] | None = None
    stages: tuple[tuple[str, int], ...] = ()
    at: float = field(default_factory=time.time)

    @property
    def equal(self) -> bool | None:
        """Whether device and reference agree in every output; None without a reference."""
        return None if self.reference is None else self.outputs == self.reference
