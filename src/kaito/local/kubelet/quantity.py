"""Kubernetes quantities as exact numbers: "500m", "1.5Gi", "2e3"."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

_SUFFIX = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(1000),
    "M": Decimal(1000) ** 2,
    "G": Decimal(1000) ** 3,
    "T": Decimal(1000) ** 4,
    "P": Decimal(1000) ** 5,
    "E": Decimal(1000) ** 6,
    **{unit + "i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def parse(value: str | int | float) -> Decimal:
    """The number a quantity stands for; ValueError names a value that is none."""
    text = str(value).strip()
    for suffix in (text[-2:], text[-1:]):
        if suffix in _SUFFIX and len(text) > len(suffix):
            number, factor = text[: -len(suffix)], _SUFFIX[suffix]
            break
    else:
        number, factor = text, Decimal(1)
    try:
        return Decimal(number) * factor
    except InvalidOperation:
        raise ValueError(f"quantity {text!r} is not a number with a Kubernetes suffix") from None


def divided(value: str | int, divisor: str | int) -> int:
    """A resource in units of its divisor, rounded up, as resourceFieldRef gives it."""
    unit = parse(divisor)
    return int((parse(value) / (unit or Decimal(1))).to_integral_value(rounding=ROUND_CEILING))


def add(totals: dict[str, Decimal], amounts: Mapping[str, Any]) -> None:
    """Add a resource list onto totals, in place."""
    for name, amount in amounts.items():
        totals[name] = totals.get(name, Decimal(0)) + parse(amount)


def pod_requests(pod: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a pod asks of a node: its containers together, or its largest init container where that is more."""
    spec = pod.get("spec") or {}
    totals: dict[str, Decimal] = {}
    for container in spec.get("containers") or []:
        add(totals, _requests(container))
    for container in spec.get("initContainers") or []:
        asked = {name: parse(amount) for name, amount in _requests(container).items()}
        if container.get("restartPolicy") == "Always":
            add(totals, asked)
        else:
            totals = {n: max(totals.get(n, Decimal(0)), asked.get(n, Decimal(0))) for n in {*totals, *asked}}
    add(totals, spec.get("overhead") or {})
    return totals


def total_requests(pods: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """What the given pods ask for together."""
    totals: dict[str, Decimal] = {}
    for pod in pods:
        add(totals, pod_requests(pod))
    return totals


def _requests(container: Mapping[str, Any]) -> dict[str, Any]:
    resources = container.get("resources") or {}
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
