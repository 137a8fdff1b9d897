"""Numbers of a figure, plain or as Plotly packs them."""

import base64
from typing import Any

import numpy as np


def numbers(values: Any) -> list[float]:
    if isinstance(values, dict):
        packed = base64.b64decode(values["bdata"])
        found: list[float] = np.frombuffer(packed, values["dtype"]).tolist()
        return found
    return list(values)
