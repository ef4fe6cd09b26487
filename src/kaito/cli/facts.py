"""What is said of a model, as plain values: a row of the catalogue, and the whole description. Pure."""

from typing import Any

from kaito.cli.find import Found
from kaito.models.engine import engine_options
from kaito.models.record import CatalogueEntry
from kaito.models.size import family, parameters


def summary(entry: CatalogueEntry) -> dict[str, Any]:
    """One row of `kaito models list`."""
    made = entry.profile()
    count, exact = parameters(entry.id, made)
    return {
        "name": entry.name,
        "id": entry.id,
        "family": family(entry.id),
        "publisher": entry.id.rpartition("/")[0].lower() or None,
        "parameters": count,
        "parameters_exact": exact,
        "context_length": made.context_length,
        "weight_bytes": made.weight_bytes,
        "quantization": made.quantization,
        "kind": entry.kind.value,
        "chat": made.has_chat_template,
        "gated": entry.gated,
        "license": entry.license,
    }


def description(found: Found) -> dict[str, Any]:
    """All that the profile knows, and the engine's options on GPUs and on CPUs."""
    made = found.profile
    count, exact = parameters(found.id, made)
    options = engine_options(found.id, made.architectures, weight_format=found.weight_format)
    return {
        "name": found.name,
        "id": found.id,
        "source": found.source,
        "family": family(found.id),
        "license": found.license,
        "revision": found.revision,
        "task": found.task,
        "base_model": list(found.base_model),
        "gated": found.gated,
        "kind": found.kind.value,
        "meaning": found.kind.meaning,
        "chat": made.has_chat_template,
        "parameters": count,
        "parameters_exact": exact,
        "weight_bytes": made.weight_bytes,
        "weight_format": found.weight_format,
        "dtype": made.dtype,
        "quantization": made.quantization,
        "quantization_bits": made.quantization_bits,
        "architectures": list(made.architectures),
        "context_length": made.context_length,
        "layers": made.layers,
        "attention": made.attention.value,
        "heads": made.heads,
        "kv_heads": made.kv_heads,
        "kv_bytes_per_token": made.kv_bytes_per_token,
        "layers_known": found.layers_known,
        "engine": {"gpu": options.flags(gpu=True), "cpu": options.flags(gpu=False)},
    }
