"""From a Workspace to what is served: the model is found and read, the machine is looked at, the plan is made."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kaito.api.errors import SpecError
from kaito.capacity import cpu
from kaito.capacity.cpu import CpuHost
from kaito.capacity.host import this_host
from kaito.models import catalogue
from kaito.models.folder import from_folder
from kaito.models.profile import ModelError, ModelProfile
from kaito.workloads.inference import Serving

Object = Mapping[str, Any]
FIELD = "inference.preset.name"


class Resolver:
    """Resolves for one kind of machine; ``host`` is asked anew for each plan."""

    def __init__(self, host: Callable[[], CpuHost]) -> None:
        self._host = host

    @staticmethod
    def local() -> "Resolver":
        """For the machine that this process runs on."""
        return Resolver(_this_machine)

    async def __call__(self, ws: Object, nodes: Sequence[Object], config: Object | None) -> Serving:
        """The plan as a Serving. Raises SpecError for the Workspace's author."""
        name = ws["inference"]["preset"]["name"]
        try:
            label, folder = locate(name)
            profile = await asyncio.to_thread(from_folder, folder, label)
        except ModelError as exc:
            raise SpecError(FIELD, name, str(exc)) from exc
        return serving(label, folder, profile, self._host())


def _this_machine() -> CpuHost:
    machine = this_host()
    return CpuHost(machine.cpu_cores or 1.0, machine.available or 0)


def locate(name: str) -> tuple[str, Path]:
    """(the name to serve under, the folder) of a catalogue name or an absolute folder. Raises ModelError."""
    if name.startswith("/"):
        folder = Path(name)
        return folder.name, folder
    entry = catalogue.lookup(name)
    if entry.folder is None:
        raise ModelError(f"the files of '{name}' are not on this machine. Download them and name their folder.")
    return entry.name, entry.folder


def serving(label: str, folder: Path, profile: ModelProfile, host: CpuHost) -> Serving:
    """What runs on a CPU host. Raises SpecError when it does not fit."""
    plan = cpu.plan(profile, host)
    if plan.refusal is not None:
        raise SpecError(FIELD, label, plan.refusal)
    return Serving(
        name=label,
        model=str(folder),
        local_folder=True,
        dtype="bfloat16",
        max_model_len=plan.max_model_len,
        cpu_cores=max(0.5, plan.cores / 2),
        memory_bytes=plan.memory_bytes,
        kv_cache_bytes=plan.kv_cache_bytes,
        flags={"enforce-eager": ""},
    )
