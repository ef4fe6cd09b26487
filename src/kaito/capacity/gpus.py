"""GPU models: what each is called, what it can do, and which ones nothing here can run on. Pure."""

import re
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

GIB: Final = 1 << 30
MIB: Final = 1 << 20
UNKNOWN_SHARE: Final = 0.93
"""What a driver leaves at least of the advertised memory: error correction takes a sixteenth of GDDR."""
_MAKER = re.compile(r"^(nvidia|tesla|geforce|amd|intel|aws|google|radeon|instinct)+")
_PARTED = re.compile(r"-(MIG-[0-9]+g\.[0-9.]+gb.*|SHARED)$", re.I)

Text = Annotated[str, Field(min_length=1)]


class Row(BaseModel):
    """A record of a data file: unknown keys are refused, and a number is not read out of text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class GpuModel(Row):
    """One GPU model; the units are those of gpus.yaml."""

    model: Text
    family: str | None = None
    label: str | None = None
    names: tuple[Text, ...] = Field(default=(), strict=False)
    gib: Annotated[int, Field(gt=0, le=4096)]
    driver_mib: Annotated[int, Field(gt=0)] | None = None
    bandwidth: Annotated[float, Field(gt=0)] | None = None
    bits16: Annotated[float, Field(gt=0)] | None = None
    fp8: Annotated[float, Field(gt=0)] | None = None
    int8: Annotated[float, Field(gt=0)] | None = None
    fp4: Annotated[float, Field(gt=0)] | None = None
    compute: Annotated[float, Field(ge=3, lt=100)] | None = None
    nvlink: Annotated[float, Field(gt=0)] | None = None
    mig: bool = False
    source: str | None = None

    @property
    def short(self) -> str:
        """What a table calls it: H100, or H100 PCIe."""
        return self.label or self.model.removeprefix("NVIDIA ")

    @property
    def driver_bytes(self) -> int:
        """Bytes that the driver reports; where that is not known, 93 % of the advertised memory."""
        return self.driver_mib * MIB if self.driver_mib else int(self.gib * GIB * UNKNOWN_SHARE)

    def speeds(self) -> dict[str, Any]:
        """The fields of a Machine that say how fast one such GPU is: bytes and operations in a second."""
        eight = self.fp8 or self.int8
        return {
            "gpu_bandwidth": self.bandwidth * 1e9 if self.bandwidth else None,
            "gpu_flops": self.bits16 * 1e12 if self.bits16 else None,
            "gpu_flops_8bit": eight * 1e12 if eight else None,
            "nvlink": self.nvlink * 1e9 if self.nvlink else None,
        }


class Refused(Row):
    """An accelerator that is known by name and cannot be used; ``vendor`` is a key of ``vendors`` in gpus.yaml."""

    model: Text
    vendor: Text
    names: tuple[Text, ...] = Field(default=(), strict=False)


def plain(name: str) -> str:
    """A name without its maker, blanks, dashes and case: ``NVIDIA-A100-SXM4-80GB`` is ``a100sxm480gb``.

    What feature discovery adds for a GPU that is cut or shared (``-MIG-2g.24gb``, ``-SHARED``) is left out.
    """
    return _MAKER.sub("", re.sub(r"[^a-z0-9]", "", _PARTED.sub("", name.strip()).lower()))


def family_of(key: str, gpu: GpuModel) -> str:
    """The name that a GPU shares with its variants: A100 for both memories and both connectors."""
    return plain(gpu.family or key)
