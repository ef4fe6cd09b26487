"""A small operator as people write them with kopf; run by test_kopf.py as a program of its own."""

import kopf


@kopf.on.startup()
def quick(settings: kopf.OperatorSettings, **_: object) -> None:
    settings.posting.enabled = False
    settings.persistence.finalizer = "toys.example.com/kopf"


@kopf.on.create("kopf.example.com", "v1", "toys")
def made(spec: kopf.Spec, **_: object) -> dict[str, object]:
    return {"wheels": spec.get("wheels", 0) * 2}


@kopf.on.update("kopf.example.com", "v1", "toys", field="spec.wheels")
def changed(old: int, new: int, patch: kopf.Patch, **_: object) -> None:
    patch.status["change"] = f"{old} to {new}"


@kopf.on.delete("kopf.example.com", "v1", "toys")
async def gone(name: str, namespace: str, logger: kopf.Logger, **_: object) -> None:
    logger.info(f"let go of {namespace}/{name}")
