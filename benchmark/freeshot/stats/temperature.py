"""Temperature scaling of a classifier's logits (Guo et al., 2017).

Axes: m classified images, c classes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RANGE = math.log(100)
"""The logits' spread divided by the temperature is searched in e^±RANGE: from a uniform softmax to a single class."""


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the T that gives softmax(logits / T) the highest likelihood, for logits [m, c] and true classes [m].

    0 or infinity if no finite optimum exists: 0 if every true class has the largest logit, so that the likelihood
    grows with any confidence, and infinity if the true classes have no larger logits than all classes on average.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    centred = logits - logits.mean(1, keepdims=True)  # [m, c]
    true = centred[np.arange(len(labels)), labels]  # [m]
    if true.mean() <= 0:
        return math.inf
    if (true >= centred.max(1)).all():
        return 0.0
    spread = float(np.sqrt(np.square(centred).mean()))

    def loss(log_sharpness: float) -> float:
        """Mean negative log-likelihood: unimodal, because it is convex in 1/T."""
        scale = math.exp(log_sharpness) / spread
        return float((logsumexp(scale * centred, axis=1) - scale * true).mean())

    best = float(minimize_scalar(loss, bounds=(-RANGE, RANGE), method="bounded").x)
    if abs(best) > RANGE - 0.01:
        return 0.0 if best > 0 else math.inf
    return spread / math.exp(best)
