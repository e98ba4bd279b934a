"""Names for the shapes that the simulations pass around."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Looks = NDArray[np.int64]  # per run: after how many looks, 0 never
Counts = NDArray[np.signedinteger[Any]]  # (runs, looks): counted within each look
Truths = NDArray[np.bool_]
Effects = Floats


def cumulative(*columns: Counts | Floats) -> Floats:
    """Return (runs, looks + 1, columns): what was counted in the first t looks."""
    runs, looks = columns[0].shape
    told = np.zeros((runs, looks + 1, len(columns)))
    for i, column in enumerate(columns):
        np.cumsum(column, axis=1, out=told[:, 1:, i])
    return told
