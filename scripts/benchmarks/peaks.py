"""Measure the peak of this machine's processors, and count the operations of the model.

The peak is measured, not looked up. The library that runs the model computes only multiplications of the model's
shapes, one text of 256 tokens on each processor.
"""

import os
import time

import numpy as np

from recommender.errors import ModelError
from recommender.installation import not_installed

LAYERS, HIDDEN, INNER, WINDOW = 6, 384, 1536, 256
"""Dimensions of all-MiniLM-L6-v2."""

TURNS, TEXTS = 20, 32


def operations(tokens: int) -> float:
    """Return the operations for one text, counting additions and multiplications separately.

    Each token uses every weight twice. Attention is included.

    >>> round(operations(215) / 1e9, 1)
    5.0
    """
    weights = 4 * HIDDEN**2 + 2 * HIDDEN * INNER
    return LAYERS * (2 * tokens * weights + 4 * tokens**2 * HIDDEN)


def peak(*, integers: bool) -> float:
    """Return the peak operations per second, in 8-bit integers or in float32.

    Raises:
        ModelError: OpenVINO is not installed.
    """
    try:
        import openvino
        from openvino import opset13
    except ModuleNotFoundError as error:
        raise ModelError(not_installed(str(error.name), "build")) from None
    text = hidden = opset13.parameter([WINDOW, HIDDEN], np.float32)
    least, most = np.float32(-4), np.float32(4)
    for shape in ((INNER, HIDDEN), (HIDDEN, INNER)):
        weights = np.random.default_rng(0).integers(-127, 128, shape)
        if integers:
            hidden = opset13.fake_quantize(hidden, least, most, least, most, 256)
            scaled = opset13.multiply(opset13.convert(weights.astype(np.int8), np.float32), np.full((shape[0], 1), 1e-3, np.float32))
        else:
            scaled = opset13.constant(weights.astype(np.float32) * np.float32(1e-3))
        hidden = opset13.matmul(hidden, scaled, False, True)
    threads = len(os.sched_getaffinity(0))
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    queue = openvino.AsyncInferQueue(openvino.Core().compile_model(openvino.Model([hidden], [text]), "CPU", hints), 2 * threads)
    tokens = np.random.default_rng(1).standard_normal((WINDOW, HIDDEN)).astype(np.float32)
    taken = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in range(TEXTS):
            queue.start_async([tokens])
        queue.wait_all()
        taken.append(time.perf_counter() - began)
    return TEXTS * 4 * WINDOW * HIDDEN * INNER / min(taken)
