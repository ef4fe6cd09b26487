"""One model of the catalogue: the record that people read and change, and its text.

A record is a YAML file. ``config`` holds the keys of the model's own config.json that a plan needs, under their Hugging
Face names, so that one set of functions reads both; what config.json leaves to a default of the model's code is
written out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from kaito.models.config import integer
from kaito.models.folder import from_folder
from kaito.models.profile import CONTEXT_KEYS, ModelError, ModelProfile, profile

HERE: Final = Path(__file__).parent
GIB: Final = 1 << 30
FORMATS: Final = ("auto", "mistral")
CONFIG_KEYS: Final = (
    "architectures", "model_type", "max_position_embeddings", "num_hidden_layers", "hidden_size",
    "num_attention_heads", "num_key_value_heads", "head_dim", "kv_lora_rank", "qk_rope_head_dim",
    # Layers of several kinds.
    "layer_types", "layers_block_type", "hybrid_override_pattern", "block_configs", "attn_type_list",
    "attn_layer_indices", "full_attn_idxs", "attn_layer_period", "attn_layer_offset", "full_attention_interval",
    "layer_group_size", "num_kv_shared_layers",
    # Windows and chunks.
    "sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern",
    "global_attn_every_n_layers", "swa_head_dim", "swa_num_key_value_heads", "global_head_dim",
    "num_global_key_value_heads", "attention_k_eq_v", "attention_chunk_size", "no_rope_layers",
    "no_rope_layer_interval",
    # States.
    "mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "mamba_head_dim", "mamba_d_head", "mamba_headdim",
    "mamba_d_ssm", "mamba_d_state", "ssm_state_size", "state_size", "n_groups", "mamba_n_groups", "mamba_ngroups",
    "conv_kernel", "mamba_d_conv", "mamba_expand", "expand", "mamba_ssm_cache_dtype", "mamba_ssm_dtype",
    "conv_L_cache", "conv_dim", "linear_attn_config", "linear_num_key_heads", "linear_num_value_heads",
    "linear_key_head_dim", "linear_value_head_dim", "linear_conv_kernel_dim",
    # Sparse and compressed attention.
    "compress_ratios", "index_n_heads", "index_head_dim", "index_topk", "index_topk_freq", "index_topk_pattern",
    "index_skip_topk_offset",
    # Encoders.
    "is_encoder_decoder", "decoder_layers", "max_source_positions", "is_causal", "use_bidirectional_attention",
    # Experts.
    "num_local_experts", "num_experts", "n_routed_experts", "n_shared_experts", "num_experts_per_tok",
    "top_k_experts",
    "quantization_config",
)  # fmt: skip
"""The keys of config.json that a record keeps, in the order in which they are written."""
OTHER_NAMES: Final = {
    "max_position_embeddings": CONTEXT_KEYS,
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_attention_heads": ("n_head", "n_heads"),
    "num_key_value_heads": ("n_head_kv", "n_kv_heads", "num_kv_heads", "multi_query_group_num"),
    "head_dim": ("attention_head_dim", "hidden_size_per_head"),
}
"""What other families call the same, Mistral's own params.json among them."""
MIXED: Final = {
    "DeepseekV4ForCausalLM": ("compress_ratios",),
    "Gemma3ForConditionalGeneration": ("sliding_window",),
    "Gemma4ForConditionalGeneration": ("layer_types",),
    "Gemma4UnifiedForConditionalGeneration": ("layer_types",),
    "GptOssForCausalLM": ("layer_types",),
    "NemotronHForCausalLM": ("hybrid_override_pattern", "layers_block_type"),
    "NemotronH_Nano_VL_V2": ("hybrid_override_pattern", "layers_block_type"),
    "Qwen3_5ForConditionalGeneration": ("linear_num_value_heads",),
    "Qwen3_5MoeForConditionalGeneration": ("linear_num_value_heads",),
}
"""Architectures whose layers do not all keep the same cache, and the keys one of which says what each keeps."""
SEES: Final = ("image-text-to-text", "any-to-any")
"""Tasks of models that read images too."""
_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[0-9a-f]{40}")
_GIB_TEXT = re.compile(r"(\d+(?:\.\d+)?)Gi")


class Kind(StrEnum):
    """What a model is for."""

    INSTRUCT = "instruct"
    REASONING = "reasoning"
    BASE = "base"
    EMBEDDING = "embedding"

    @property
    def chats(self) -> bool:
        """Whether it has learned to answer messages."""
        return self in (Kind.INSTRUCT, Kind.REASONING)

    @property
    def meaning(self) -> str:
        """In words, for a person who chooses a model."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Kind.INSTRUCT: "instruction-tuned: chat with it, or tune it further",
    Kind.REASONING: "instruction-tuned: it thinks before it answers; chat with it",
    Kind.BASE: "it continues text and does not chat: tune it on examples of your own",
    Kind.EMBEDDING: "it turns text into vectors for search and does not chat",
}


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model. ``id`` is its Hugging Face id, or the name of a model that comes with this package.

    ``revision`` is the commit that a plan and a server use, None where none is pinned. ``format`` is how the weights
    are stored: ``auto``, or ``mistral``. ``gated``: its files are read with a token of someone who accepted its
    licence. ``weights`` is bytes, or GiB as text (``27.31Gi``) where KAITO v0.12 says no more. ``folder`` is where a
    model that comes with this package lies; its record has neither weights nor config.
    """

    id: str
    kind: Kind
    license: str
    alias: str | None = None
    task: str | None = None
    base_model: tuple[str, ...] = ()
    revision: str | None = None
    gated: bool = False
    format: str = "auto"
    weights: int | str = 0
    config: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    folder: Path | None = None

    @property
    def name(self) -> str:
        """What a person writes: the short alias where there is one, else the id."""
        return self.alias or self.id

    @property
    def served_name(self) -> str:
        """The name under which the API serves it: the id's last part in lower case."""
        return self.id.rpartition("/")[2].lower()

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights, as exact as they are known."""
        return self.weights if isinstance(self.weights, int) else int(float(self.weights.removesuffix("Gi")) * GIB)

    @property
    def layers_known(self) -> bool:
        """Whether the record says what each layer keeps; where it does not, its cache is an upper bound."""
        needed = [keys for name, keys in MIXED.items() if name in self.config.get("architectures", ())]
        return all(any(key in self.config for key in keys) for keys in needed)

    def profile(self) -> ModelProfile:
        """The model in numbers. Reads files only for a model that comes with this package; raises ModelError."""
        if self.folder is not None:
            if not self.folder.is_dir():
                raise ModelError(
                    f"{self.id}: its folder {self.folder} is not there: this installation is incomplete. "
                    "Install kaito again, or choose another model."
                )
            return from_folder(self.folder, self.id)
        return profile(
            self.served_name,
            self._whole_config(),
            weight_bytes=self.weight_bytes,
            has_tokenizer=True,
            has_chat_template=self.kind.chats,
        )

    def _whole_config(self) -> dict[str, Any]:
        """The configuration, with what the record says elsewhere; layers that are not known keep every token."""
        config = dict(self.config)
        if not self.layers_known:
            config["layer_types"] = ["full_attention"] * integer(config, "num_hidden_layers")
        if self.task in SEES:
            config["vision_config"] = {"task": self.task}
        return config


def parse(text: str, where: str) -> CatalogueEntry:
    """The record in ``text``. Raises ModelError naming ``where``, the key, what is wrong and the remedy."""
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as exc:
        raise ModelError(f"{where}: is not YAML: {exc}. Correct it.") from exc
    if not isinstance(found, dict):
        raise ModelError(f"{where}: holds {type(found).__name__}, not a record. Write one as docs/models.md shows.")
    for key in found:
        if key not in _KEYS:
            raise ModelError(f"{where}: {key}: is no key of a record. Use one of {', '.join(_KEYS)}.")
    for key in ("id", "kind", "license"):
        if not isinstance(found.get(key), str):
            raise ModelError(f"{where}: {key}: is missing or no text. Write it.")
    for key, (valid, remedy) in _CHECKS.items():
        if key in found and not valid(found[key]):
            raise ModelError(f"{where}: {key}: {found[key]!r} is not valid. {remedy}")
    if "folder" not in found and not ("weights" in found and "config" in found):
        raise ModelError(f"{where}: has no weights or no config. Run `kaito models refresh {found['id']}`.")
    return CatalogueEntry(
        **{
            **found,
            "kind": Kind(found["kind"]),
            "base_model": tuple(found.get("base_model", ())),
            "folder": HERE / found["folder"] if "folder" in found else None,
        }
    )


def text_of(entry: CatalogueEntry) -> str:
    """The record as it is written: one key a line, lists and the quantisation on lines of their own width."""
    lines: list[str] = []
    for key in _KEYS:
        value = getattr(entry, key)
        if key == "config" and value:
            lines.append("config:")
            ordered = sorted(value, key=CONFIG_KEYS.index)
            lines += [f"  {line}" for one in ordered for line in _lines(one, value[one])]
        elif value and (key, value) != ("format", "auto"):
            lines += _lines(key, value)
    return "\n".join(lines) + "\n"


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a record keeps of a configuration that was read with ``parse_config``, under one name for each fact.

    The size of a head is left out where it follows from the hidden size. The quantisation is named by how the weights
    are packed, where the configuration says that: as in KAITO v0.12's catalogue.
    """
    found = {key: config[key] for key in CONFIG_KEYS if config.get(key) is not None}
    for key, others in OTHER_NAMES.items():
        number = integer(config, key, *others)
        if number:
            found[key] = number
    if config.get("multi_query") is True:
        found.setdefault("num_key_value_heads", 1)
    heads, head_size = found.get("num_attention_heads"), found.get("head_dim")
    if heads and head_size and heads * head_size == found.get("hidden_size"):
        del found["head_dim"]
    quantization = found.pop("quantization_config", None)
    if isinstance(quantization, dict):
        named = [quantization.get(key) for key in ("format", "quant_algo", "quant_method")]
        method = next((name for name in named if isinstance(name, str) and name), None)
        bits = integer(quantization, "bits")
        if method is not None:
            found["quantization_config"] = {"quant_method": method} | ({"bits": bits} if bits else {})
    return {key: found[key] for key in CONFIG_KEYS if key in found}


def _lines(key: str, value: Any) -> list[str]:
    plain = _plain(value)
    flow = None if isinstance(plain, list | dict) else False
    return yaml.safe_dump(
        {key: plain}, default_flow_style=flow, sort_keys=False, width=96, allow_unicode=True
    ).splitlines()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.relative_to(HERE).as_posix()
    return list(value) if isinstance(value, tuple) else str(value) if isinstance(value, StrEnum) else value


def _is_weights(value: Any) -> bool:
    if isinstance(value, str):
        return _GIB_TEXT.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_config(value: Any) -> bool:
    names = value.get("architectures") if isinstance(value, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    return all(key in CONFIG_KEYS for key in value)


_KEYS: Final = (
    "id",
    "alias",
    "kind",
    "license",
    "task",
    "base_model",
    "revision",
    "gated",
    "format",
    "folder",
    "weights",
    "config",
)
_CHECKS: Final[Mapping[str, tuple[Any, str]]] = {
    "id": (lambda value: _ID.fullmatch(value), "Write it as on the hub: org/Name."),
    "alias": (lambda value: isinstance(value, str) and "/" not in value, "Write a short name without a slash."),
    "kind": (lambda value: value in tuple(Kind), f"Use one of {', '.join(Kind)}."),
    "task": (lambda value: isinstance(value, str), "Write the hub's pipeline tag, such as text-generation."),
    "base_model": (
        lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
        "Write a list of ids.",
    ),
    "revision": (
        lambda value: isinstance(value, str) and _REVISION.fullmatch(value),
        "Write a commit: 40 hexadecimal digits.",
    ),
    "gated": (lambda value: isinstance(value, bool), "Write true or false."),
    "format": (lambda value: value in FORMATS, f"Use one of {', '.join(FORMATS)}."),
    "folder": (lambda value: isinstance(value, str), "Write a path below the package."),
    "weights": (_is_weights, "Write bytes as a number, or GiB such as 27.31Gi."),
    "config": (
        _is_config,
        f"Write a list of architectures, and no other keys of config.json than {', '.join(CONFIG_KEYS)}.",
    ),
}
