"""What the operator and the programs inside pods agree on: ports, paths, environment names, exit codes.

Plain constants only. Source: the KAITO v0.12 wire contract.
"""

from typing import Final

HTTP_PORT: Final = 5000
KV_EVENTS_PORT: Final = 5557
RAY_PORT: Final = 6379
RAY_DASHBOARD_PORT: Final = 8265

CONFIG_DIR: Final = "/mnt/config"
CONFIG_KEY: Final = "inference_config.yaml"
CONFIG_FILE: Final = f"{CONFIG_DIR}/{CONFIG_KEY}"
ADAPTERS_DIR: Final = "/mnt/adapter"
WEIGHTS_DIR: Final = "/workspace/weights"

SHIPPED: Final = "shipped:"
"""``--model=shipped:kaito-demo`` is a model that comes with the kaito package: the serving program finds it in its own
installation, wherever that is in the image."""
SHIPPED_FOLDER: Final = "models/demo"
"""Where the package keeps the models that come with it, below its own folder."""

VLLM_COMMAND: Final = ("python3", "-m", "kaito.runtime.vllm")
"""How the serving container starts; the module is installed in the image, or in the environment on one machine."""

ENV_BIND_HOST: Final = "KAITO_BIND_HOST"
"""Address the server binds. Unset in a cluster (every interface); the pod's own loopback address on one machine."""

TERMINATION_LOG: Final = "/dev/termination-log"
ENV_TERMINATION_LOG: Final = "KAITO_TERMINATION_LOG"
"""Where the last words go when the default path cannot be written; the process kubelet sets it."""

ENV_HANG_SECONDS: Final = "KAITO_ENGINE_HANG_SECONDS"
"""For how long the engine may answer nothing before the container ends to be started anew; 0 waits for ever."""
HANG_SECONDS: Final = 120
"""Where that is not set. A step of the engine takes far less, a long prompt on a CPU included."""

# Exit codes of kaito.runtime.vllm. Each comes with one sentence in the termination log.
EXIT_BAD_FLAG: Final = 64
EXIT_BAD_MODEL: Final = 65
EXIT_OUT_OF_MEMORY: Final = 66
EXIT_PORT_TAKEN: Final = 67
EXIT_ENGINE: Final = 70
