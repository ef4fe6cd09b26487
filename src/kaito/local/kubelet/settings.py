"""What the process kubelet is told at start: paths, addresses, host images, timings. Values only."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The only variables of the daemon's environment that a container may see.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "USER")


def inherited_env() -> dict[str, str]:
    """The allow-listed part of the daemon's environment."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


@dataclass(frozen=True, slots=True)
class HostImage:
    """An image that runs as a host process: folders put before PATH, and extra environment.

    ``env`` values may use $(POD_IP) and $(TERMINATION_LOG); the container's own env wins over them.
    """

    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """Everything the kubelet needs besides the API client. Times are seconds."""

    state_dir: Path
    pod_cidr: str = "127.20.0.0/16"
    node_name: str = field(default_factory=lambda: platform.node().lower() or "localhost")
    node_labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, HostImage] = field(default_factory=dict)
    base_env: Mapping[str, str] = field(default_factory=inherited_env)
    backoff_base: float = 10.0
    backoff_max: float = 300.0
    heartbeat: float = 60.0
    memory_interval: float = 1.0
    retry: float = 5.0
    log_max_bytes: int = 10 * 1024 * 1024
    log_keep: int = 5

    @property
    def pods_dir(self) -> Path:
        """One folder per pod uid."""
        return self.state_dir / "pods"
