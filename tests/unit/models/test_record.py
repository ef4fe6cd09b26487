"""The catalogue's records: every figure of KAITO v0.12, what each layer keeps, and what a wrong record is told."""

from pathlib import Path

import pytest

from kaito.models.catalogue import RECORDS, entries, find, lookup, path_of, read
from kaito.models.profile import ModelError
from kaito.models.record import GIB, Kind, kept, parse, text_of

FILES = sorted(RECORDS.glob("**/*.yaml"))
TABLE = [
    [cell.strip() for cell in line.split("|")]
    for line in (Path(__file__).parent / "v012_models.txt").read_text().splitlines()
    if not line.startswith("#")
]
RELEASE = {row[0] for row in TABLE}
RECORD = """\
id: org/Name-7B
kind: instruct
license: mit
weights: 1024
config:
  architectures: [LlamaForCausalLM]
"""


def test_the_release_has_sixty_models() -> None:
    assert len(TABLE) == 60
    assert {entry.id for entry in entries()} >= RELEASE


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_a_record_has_every_figure_of_the_release(row: list[str]) -> None:
    model_id, alias, licence, task, weights, architecture, context, sizes, latent, quantization, weight_format = row
    entry = find(model_id)
    assert entry is not None
    config = entry.config
    assert (entry.id, entry.alias or "-", entry.license) == (model_id, alias, licence)
    assert (entry.task or "-", entry.format) == (task, weight_format)
    assert entry.weight_bytes / GIB == pytest.approx(float(weights.removesuffix("Gi")), abs=0.01)
    assert (config["architectures"], str(config["max_position_embeddings"])) == ([architecture], context)
    layers, heads, kv_heads, hidden, head_size = sizes.split(" / ")
    keys = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "hidden_size")
    assert [str(config[key]) for key in keys] == [layers, heads, kv_heads, hidden]
    if head_size.startswith("("):
        assert "head_dim" not in config
        assert int(hidden) // int(heads) == int(head_size.strip("()"))
    else:
        assert str(config["head_dim"]) == head_size
    rank, rope = ("-", "-") if latent == "-" else latent.split(" / ")
    assert (str(config.get("kv_lora_rank", "-")), str(config.get("qk_rope_head_dim", "-"))) == (rank, rope)
    held = config.get("quantization_config", {})
    assert "/".join(str(held[key]) for key in ("quant_method", "bits") if key in held) == quantization.strip("-")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_record_is_written_as_the_program_writes_it(path: Path) -> None:
    """So that a refresh changes the lines that changed, and no others."""
    entry = parse(path.read_text(), str(path))
    assert text_of(entry) == path.read_text()
    assert path_of(entry.id) == path
    assert max(map(len, path.read_text().splitlines())) <= 120


@pytest.mark.parametrize(
    ("name", "key", "layers"),
    [
        pytest.param("gpt-oss-20b", "layer_types", 24, id="gpt-oss: every second layer has a window"),
        pytest.param("google/gemma-4-31B-it", "layer_types", 60, id="gemma-4: five windows, one full"),
        pytest.param("google/gemma-4-E2B-it", "layer_types", 35, id="gemma-4 E2B: four windows, one full"),
        pytest.param("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "hybrid_override_pattern", 56, id="nemotron-h"),
        pytest.param("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "hybrid_override_pattern", 52, id="nemotron-h MoE"),
        pytest.param("deepseek-ai/DeepSeek-V4-Pro", "compress_ratios", 62, id="deepseek-v4: and one to predict"),
    ],
)
def test_a_pattern_has_an_entry_for_each_layer(name: str, key: str, layers: int) -> None:
    assert len(lookup(name).config[key]) == layers


ATTENTION = {
    "gpt-oss-20b": 12,
    "gpt-oss-120b": 18,
    "google/gemma-4-31B-it": 10,
    "google/gemma-4-26B-A4B-it": 5,
    "google/gemma-4-12B-it": 8,
    "google/gemma-4-E4B-it": 7,
    "google/gemma-4-E2B-it": 7,
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16": 8,
    "nvidia/Nemotron-Cascade-2-30B-A3B": 6,
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 6,
    "nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16": 6,
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": 4,
    "nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16": 4,
}


@pytest.mark.parametrize(("name", "full"), ATTENTION.items(), ids=ATTENTION)
def test_how_many_layers_keep_every_token(name: str, full: int) -> None:
    config = lookup(name).config
    types = config.get("layer_types", ())
    assert types.count("full_attention") + config.get("hybrid_override_pattern", "").count("*") == full


def test_a_model_whose_layers_are_not_known_says_so() -> None:
    unknown = [entry.id for entry in entries() if entry.id in RELEASE and not entry.layers_known]
    assert unknown == ["nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4"]


@pytest.mark.parametrize(
    ("name", "kind", "chats"),
    [
        ("mistral-7b", Kind.BASE, False),
        ("mistral-7b-instruct", Kind.INSTRUCT, True),
        ("phi-4", Kind.INSTRUCT, True),
        ("gpt-oss-20b", Kind.REASONING, True),
        ("deepseek-v3-0324", Kind.INSTRUCT, True),
        ("deepseek-r1-0528", Kind.REASONING, True),
    ],
)
def test_a_kind_says_what_a_model_is_for(name: str, kind: Kind, chats: bool) -> None:
    entry = lookup(name)
    assert (entry.kind, entry.profile().has_chat_template) == (kind, chats)
    assert kind.chats is chats
    assert "chat" in kind.meaning


def test_only_one_model_of_the_release_is_a_base_model() -> None:
    assert [entry.name for entry in entries() if entry.id in RELEASE and not entry.kind.chats] == ["mistral-7b"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("id: org/Name-7B", "id: a/b/c", "id: 'a/b/c' is not valid. Write it as on the hub", id="id"),
        pytest.param("license: mit\n", "", "license: is missing or no text. Write it.", id="no licence"),
        pytest.param("kind: instruct", "kind: chat", "Use one of instruct, reasoning, base, embedding", id="kind"),
        pytest.param("weights: 1024", "weights: 7GB", "Write bytes as a number, or GiB such as 27.31Gi", id="unit"),
        pytest.param("weights: 1024", "weights: -1", "weights: -1 is not valid", id="negative weights"),
        pytest.param("weights: 1024\n", "", "Run `kaito models refresh org/Name-7B`.", id="no weights"),
        pytest.param("license", "licence: mit\nlicense", "licence: is no key of a record", id="unknown key"),
        pytest.param("  arch", "  vocab_size: 1\n  arch", "no other keys of config.json than", id="unknown config"),
        pytest.param("kind", "revision: main\nkind", "Write a commit: 40 hexadecimal digits", id="branch for commit"),
        pytest.param("kind", "gated: 'no'\nkind", "Write true or false", id="gated as text"),
        pytest.param("kind", "format: gguf\nkind", "Use one of auto, mistral", id="format"),
        pytest.param("kind", "alias: a/b\nkind", "Write a short name without a slash", id="alias with a slash"),
        pytest.param("kind", "base_model: org/x\nkind", "Write a list of ids", id="base model as text"),
        pytest.param("id: org", "id: [", "is not YAML", id="not YAML"),
    ],
)
def test_a_wrong_record_is_told_what_to_write(old: str, new: str, says: str) -> None:
    assert parse(RECORD, "x.yaml").weight_bytes == 1024
    with pytest.raises(ModelError) as caught:
        parse(RECORD.replace(old, new), "x.yaml")
    assert str(caught.value).startswith("x.yaml: ")
    assert says in str(caught.value)


def test_a_record_of_another_type_is_refused() -> None:
    with pytest.raises(ModelError, match=r"x.yaml: holds list, not a record"):
        parse("[]", "x.yaml")


def test_a_record_lies_where_its_id_says(tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org/name-7b.yaml").write_text(RECORD)
    with pytest.raises(ModelError, match=r"id: org/Name-7B belongs in .*/org/Name-7B\.yaml\. Move the file"):
        read(tmp_path)


def test_two_records_do_not_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org/Name-7B.yaml").write_text(RECORD.replace("kind", "alias: short\nkind"))
    assert [entry.name for entry in read(tmp_path)] == ["short"]
    (tmp_path / "org/Other.yaml").write_text(RECORD.replace("Name-7B", "Other").replace("kind", "alias: Short\nkind"))
    with pytest.raises(ModelError, match=r"Other\.yaml: 'short' is the name of .*Name-7B\.yaml too"):
        read(tmp_path)


def test_a_record_keeps_only_what_a_plan_needs() -> None:
    config = {
        "vocab_size": 9,
        "num_hidden_layers": 4,
        "architectures": ["A"],
        "head_dim": None,
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
    }
    assert kept(config) == {
        "architectures": ["A"],
        "num_hidden_layers": 4,
        "quantization_config": {"quant_method": "awq", "bits": 4},
    }
