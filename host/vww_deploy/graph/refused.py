"""Operators that cannot be compiled: why, and what to change in the script that trains or converts the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ELSEWHERE: Final = "do this on the host, in front of the model or behind it"
_SCALE: Final = "multiply by a constant instead, or scale the pictures before the model (Rescaling is understood)"
_RECURRENT: Final = "a single picture is no sequence: take convolutions and GlobalAveragePooling2D"
_ATTENTION: Final = "matrix products of two activations (attention) do not run: take convolutions or squeeze-and-excite"
_ACTIVATION: Final = "take ReLU, ReLU6, LeakyReLU, hard_swish, sigmoid or tanh as the activation"
_REDUCE: Final = "take a mean or a maximum: GlobalAveragePooling2D or GlobalMaxPooling2D"
_BOXES: Final = "end the model before it; boxes are no single answer: FOMO or a classifier runs"
_FLOAT: Final = (
    "convert to full int8: representative_dataset, supported_ops = [TFLITE_BUILTINS_INT8], inference_input_type and "
    "inference_output_type int8"
)
_ADVICE: Final = {
    **dict.fromkeys(("DIV", "FLOOR_DIV", "FLOOR_MOD", "SQUARED_DIFFERENCE", "SQUARE"), _SCALE),
    **dict.fromkeys(("EXP", "LOG", "POW", "SQRT", "RSQRT", "ABS", "NEG", "ROUND", "FLOOR", "CEIL"), _ELSEWHERE),
    **dict.fromkeys(("L2_NORMALIZATION", "LOCAL_RESPONSE_NORMALIZATION", "TOPK_V2", "ONE_HOT"), _ELSEWHERE),
    **dict.fromkeys(("LSTM", "RNN", "SVDF", "WHILE", "UNIDIRECTIONAL_SEQUENCE_LSTM"), _RECURRENT),
    **dict.fromkeys(("UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_LSTM"), _RECURRENT),
    **dict.fromkeys(("BATCH_MATMUL", "EMBEDDING_LOOKUP", "GATHER", "GATHER_ND"), _ATTENTION),
    **dict.fromkeys(("ELU", "GELU", "LOG_SOFTMAX"), _ACTIVATION),
    **dict.fromkeys(("SUM", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), _REDUCE),
    **dict.fromkeys(("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"), _BOXES),
    **dict.fromkeys(("CAST", "QUANTIZE", "DEQUANTIZE", "FAKE_QUANT"), _FLOAT),
    "TRANSPOSE_CONV": "take UpSampling2D and Conv2D in place of Conv2DTranspose",
    "TILE": "take UpSampling2D to enlarge a map; ADD, SUB and MUL repeat a smaller input by themselves",
    "CONV_3D": "take Conv2D: a single picture has no depth",
    "ARG_MIN": "take argmax of the negative, as the last layer",
}


@dataclass(frozen=True)
class Refusal:
    """One operator: its ``index`` and ``kind`` in the file, the ``name`` of its output, and the ``reason``."""

    index: int
    kind: str
    name: str
    reason: str

    def __str__(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        return f"{self.index} {self.kind}{name}: {self.reason}"

    @property
    def advice(self) -> str:
        """What to change; empty where the reason says all that there is to say."""
        if self.kind.startswith("CUSTOM 'TFLite_Detection_PostProcess"):
            return _BOXES
        if self.kind.startswith("CUSTOM"):
            return (
                "an operator of another library: take the Keras layers that TFLite has itself, and leave out "
                "allow_custom_ops and SELECT_TF_OPS when you convert"
            )
        return _ADVICE.get(self.kind, "")


def advice_on(refusals: Sequence[Refusal]) -> str:
    """What to change for all of them, each kind of operator once; empty if nothing is known."""
    by_kind = {refusal.kind: refusal.advice for refusal in refusals if refusal.advice}
    return "; ".join(f"{kind}: {what}" for kind, what in by_kind.items())
