"""The disk that a model takes on each node, and how long it takes to start. Pure."""

import math
from typing import Final

from kaito.capacity.plan import GIB

DISK_BASE: Final = 80 * GIB
"""For the system, the serving image and scratch files, beside the weights: what KAITO v0.12 asks for."""
DOWNLOAD: Final = 125_000_000
"""Bytes in a second from the hub: a link of one gigabit."""
LOAD: Final = GIB
"""Bytes in a second from the disk to the GPUs of one node."""
ENGINE_ON_GPU: Final = 90
"""Seconds: imports, compilation, recording of CUDA graphs, and a first token."""
ENGINE_ON_CPU: Final = 20


def disk_bytes(weight_bytes: int) -> int:
    """The disk of one node, in whole GiB: each node keeps the whole model."""
    return (weight_bytes + DISK_BASE) // GIB * GIB


def startup_seconds(weight_bytes: int, *, cap: int = 180 * 60) -> int:
    """How long a download and a load may take: 15 minutes and 18 s for each GiB, from 30 minutes to ``cap`` seconds."""
    return min(max(15 * 60 + math.ceil(weight_bytes * 18 / GIB), 30 * 60), cap)


def startup_estimate(weight_bytes: int, *, gpu: bool) -> int:
    """How long they should take, in seconds, on a node that is there and has the image."""
    return math.ceil(weight_bytes / DOWNLOAD + weight_bytes / LOAD) + (ENGINE_ON_GPU if gpu else ENGINE_ON_CPU)
