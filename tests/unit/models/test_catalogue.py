"""The catalogue: every name in any case, every figure of KAITO v0.12, and what a wrong name is told."""

import dataclasses
import json
from pathlib import Path

import pytest

from kaito.models import catalogue
from kaito.models.catalogue import UnknownModelError, entries, find, lookup, names
from kaito.models.profile import ModelError, attention_of

# Served name, attention, bytes of keys and values per token: KAITO v0.12's own figures.
FIGURES = [
    ("phi-4", "GQA", 204800),
    ("phi-4-mini-instruct", "GQA", 131072),
    ("deepseek-r1-distill-llama-8b", "GQA", 131072),
    ("deepseek-r1-distill-qwen-14b", "GQA", 196608),
    ("phi-3-mini-4k-instruct", "MHA", 393216),
    ("phi-3-mini-128k-instruct", "MHA", 393216),
    ("phi-3-medium-4k-instruct", "GQA", 204800),
    ("phi-3-medium-128k-instruct", "GQA", 204800),
    ("phi-3.5-mini-instruct", "MHA", 393216),
    ("qwen2.5-coder-7b-instruct", "GQA", 57344),
    ("qwen2.5-coder-32b-instruct", "GQA", 262144),
    ("gpt-oss-20b", "GQA", 49152),
    ("gpt-oss-120b", "GQA", 73728),
    ("llama-3.1-8b-instruct", "GQA", 131072),
    ("llama-3.3-70b-instruct", "GQA", 327680),
    ("mistral-7b-v0.3", "GQA", 131072),
    ("mistral-7b-instruct-v0.3", "GQA", 131072),
    ("ministral-3-3b-instruct-2512", "GQA", 106496),
    ("ministral-3-8b-instruct-2512", "GQA", 139264),
    ("ministral-3-14b-instruct-2512", "GQA", 163840),
    ("gemma-3-4b-it", "GQA", 139264),
    ("gemma-3-27b-it", "GQA", 507904),
    ("deepseek-r1-0528", "MLA", 70272),
    ("deepseek-v3-0324", "MLA", 70272),
    ("mistral-large-3-675b-instruct-2512", "MLA", 70272),
    ("nvidia-nemotron-3-super-120b-a12b-bf16", "GQA", 90112),
    ("nemotron-cascade-2-30b-a3b", "GQA", 53248),
    ("nvidia-nemotron-3-nano-30b-a3b-bf16", "GQA", 53248),
    ("nvidia-nemotron-nano-12b-v2-vl-bf16", "GQA", 253952),
    ("nvidia-nemotron-nano-9b-v2", "GQA", 229376),
    ("nvidia-nemotron-3-nano-4b-bf16", "GQA", 172032),
    ("qwen3-8b-awq", "GQA", 147456),
    ("gemma-4-31b-it", "GQA", 983040),
    ("gemma-4-26b-a4b-it", "GQA", 245760),
    ("gemma-4-e4b-it", "GQA", 86016),
    ("gemma-4-e2b-it", "MQA", 35840),
    ("mistral-small-4-119b-2603", "MLA", 23040),
    ("mistral-small-4-119b-2603-nvfp4", "MLA", 23040),
    ("qwen3.5-2b", "GQA", 49152),
    ("qwen3.5-4b", "GQA", 131072),
    ("qwen3.5-9b", "GQA", 131072),
    ("qwen3.5-122b-a10b-gptq-int4", "GQA", 98304),
    ("qwen3.5-122b-a10b", "GQA", 98304),
    ("qwen3.6-35b-a3b-fp8", "GQA", 81920),
    ("qwen3.6-35b-a3b", "GQA", 81920),
    ("qwen3.6-27b", "GQA", 262144),
    ("qwen3.5-397b-a17b-gptq-int4", "GQA", 122880),
    ("kimi-k2.5", "MLA", 70272),
    ("kimi-k2.6", "MLA", 70272),
    ("minimax-m2.7", "GQA", 253952),
    ("mistral-medium-3.5-128b", "GQA", 360448),
    ("deepseek-v4-flash-0731", "MQA", 88064),
    ("deepseek-v4-pro", "MQA", 124928),
    ("gemma-4-12b-it", "GQA", 393216),
    ("glm-5.2-fp8", "MLA", 89856),
    ("kimi-k2.7-code", "MLA", 70272),
    ("nvidia-nemotron-3-ultra-550b-a55b-nvfp4", "GQA", 110592),
    ("deepseek-v3.2", "MLA", 70272),
    ("granite-4.1-8b", "GQA", 163840),
    ("qwen3.8-27b", "GQA", 262144),
]
ALIASES = {
    "phi-4": "microsoft/phi-4",
    "phi-4-mini-instruct": "microsoft/Phi-4-mini-instruct",
    "deepseek-r1-distill-llama-8b": "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "deepseek-r1-distill-qwen-14b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
    "phi-3-mini-4k-instruct": "microsoft/Phi-3-mini-4k-instruct",
    "phi-3-mini-128k-instruct": "microsoft/Phi-3-mini-128k-instruct",
    "phi-3-medium-4k-instruct": "microsoft/Phi-3-medium-4k-instruct",
    "phi-3-medium-128k-instruct": "microsoft/Phi-3-medium-128k-instruct",
    "phi-3.5-mini-instruct": "microsoft/Phi-3.5-mini-instruct",
    "qwen2.5-coder-7b-instruct": "Qwen/Qwen2.5-Coder-7B-Instruct",
    "qwen2.5-coder-32b-instruct": "Qwen/Qwen2.5-Coder-32B-Instruct",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "llama-3.1-8b-instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "llama-3.3-70b-instruct": "meta-llama/Llama-3.3-70B-Instruct",
    "mistral-7b": "mistralai/Mistral-7B-v0.3",
    "mistral-7b-instruct": "mistralai/Mistral-7B-Instruct-v0.3",
    "ministral-3-3b-instruct": "mistralai/Ministral-3-3B-Instruct-2512",
    "ministral-3-8b-instruct": "mistralai/Ministral-3-8B-Instruct-2512",
    "ministral-3-14b-instruct": "mistralai/Ministral-3-14B-Instruct-2512",
    "gemma-3-4b-instruct": "google/gemma-3-4b-it",
    "gemma-3-27b-instruct": "google/gemma-3-27b-it",
    "deepseek-r1-0528": "deepseek-ai/DeepSeek-R1-0528",
    "deepseek-v3-0324": "deepseek-ai/DeepSeek-V3-0324",
    "mistral-large-3-675b-instruct": "mistralai/Mistral-Large-3-675B-Instruct-2512",
}


@pytest.mark.parametrize(("name", "attention", "kv_bytes"), FIGURES, ids=[row[0] for row in FIGURES])
def test_every_figure_is_that_of_the_release(name: str, attention: str, kv_bytes: int) -> None:
    entry = next(entry for entry in entries() if entry.served_name == name)
    made = entry.profile()
    elements = attention_of(entry.config)[1]
    assert (made.name, made.attention, elements * made.layers * 2) == (name, attention, kv_bytes)
    assert made.heads > 0
    assert made.layers > 0


@pytest.mark.parametrize(
    ("name", "growing", "state"),
    [
        pytest.param("llama-3.3-70b-instruct", 80 * 4096, 0, id="80 layers, all alike"),
        pytest.param("gemma-3-27b-it", 10 * 8192, 0, id="10 of 62 layers read all"),
        pytest.param("gpt-oss-20b", 12 * 2048, 0, id="12 of 24 layers read all"),
        pytest.param("qwen3.5-9b", 8 * 4096, 24 * (3 * 8192 * 2 + 32 * 128 * 128 * 4), id="8 of 32 layers attend"),
        pytest.param(
            "nvidia-nemotron-nano-9b-v2",
            4 * 4096,
            27 * (3 * 12288 * 2 + 128 * 80 * 128 * 4),
            id="4 of 56 layers attend",
        ),
        pytest.param("deepseek-v3-0324", 61 * 1152, 0, id="one latent for all heads"),
        pytest.param("deepseek-v3.2", 61 * (1152 + 132), 0, id="the same, and an index"),
    ],
)
def test_each_layer_counts_as_what_it_keeps(name: str, growing: int, state: int) -> None:
    """A defect of the original: every layer counts as one that keeps all tokens, and an index as nothing."""
    cache = next(entry for entry in entries() if entry.served_name == name).profile().cache
    assert (cache.bytes_per_token(), cache.state_bytes()) == (growing, state)


def test_the_cache_of_every_model_is_known() -> None:
    assert [entry.id for entry in entries() if not entry.profile().cache.known] == []


def test_the_catalogue_holds_the_release_and_the_demo_model() -> None:
    assert len(FIGURES) == 60
    assert len(names()) == len(set(names())) >= 61
    assert names()[0] == "kaito-demo"
    assert list(names()[1:]) == sorted(names()[1:], key=str.lower)


@pytest.mark.parametrize(("alias", "hub_id"), ALIASES.items())
def test_an_alias_stands_for_its_id_in_any_case(alias: str, hub_id: str) -> None:
    assert lookup(alias).id == hub_id
    assert lookup(alias.upper()) is lookup(hub_id.lower()) is lookup(hub_id)
    assert lookup(alias).name == alias


def test_an_id_keeps_its_authors_spelling() -> None:
    """ODDITY: the original hands the engine the id in lower case."""
    assert lookup("qwen/qwen3-8b-awq").id == "Qwen/Qwen3-8B-AWQ"
    assert lookup("QWEN/QWEN3-8B-AWQ").served_name == "qwen3-8b-awq"


def test_every_listed_commit_is_whole() -> None:
    revisions = [entry.revision for entry in entries() if entry.revision]
    assert len(revisions) >= 25
    assert all(len(one) == 40 and int(one, 16) for one in revisions)
    assert lookup("phi-4").revision == "187ef0342fff0eb3333be9f00389385e95ef0b61"


def test_a_gated_model_says_so() -> None:
    """ODDITY: the original's catalogue has no such mark."""
    gated = [entry.id for entry in entries() if entry.gated]
    assert {"meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"} <= set(gated)


def test_facts_become_a_profile() -> None:
    made = lookup("phi-4-mini-instruct").profile()
    assert made.weight_bytes / 2**30 == pytest.approx(7.15, abs=0.01)
    assert (made.context_length, made.layers, made.heads, made.kv_heads) == (131072, 32, 24, 8)
    assert made.architectures == ("Phi3ForCausalLM",)
    quantized = lookup("Qwen/Qwen3-8B-AWQ").profile()
    assert (quantized.quantization, quantized.quantization_bits) == ("awq", 4)
    assert lookup("mistral-7b").format == "mistral"
    assert not lookup("mistral-7b").profile().has_chat_template


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("phi4", "model 'phi4' is not in the catalogue: did you mean phi-4?"),
        ("qwen3-8b-awq", "did you mean Qwen/Qwen3-8B-AWQ?"),
        ("lama-3.1-8b", "did you mean llama-3.1-8b-instruct?"),
        ("llama", "did you mean llama-3.1-8b-instruct or llama-3.3-70b-instruct?"),
        ("falcon-7b", "use tiiuae/falcon-7b"),
        ("phi-2", "it is deprecated; use phi-4-mini-instruct"),
        ("nonexistent-model", "use a Hugging Face id (org/model), or a name of `kaito models list`"),
        ("", "use a Hugging Face id"),
    ],
)
def test_an_unknown_name_is_told_what_to_write(name: str, says: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        lookup(name)
    assert str(caught.value).endswith(says) or says in str(caught.value)
    assert find(name) is None


def test_the_demo_model_reads_its_own_folder(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    heads = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64}
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 2048, **heads}))
    entry = dataclasses.replace(lookup("kaito-demo"), folder=tmp_path)
    made = entry.profile()
    assert (made.name, made.weight_bytes, made.context_length) == ("kaito-demo", 64, 2048)
    assert made.kv_bytes_per_token == 2 * 2 * 64 * 4 * 2


def test_a_demo_model_that_is_not_installed_is_named() -> None:
    entry = dataclasses.replace(lookup("KAITO-Demo"), folder=Path("/nowhere/kaito-demo"))
    with pytest.raises(ModelError, match="kaito-demo: its folder /nowhere/kaito-demo is not there"):
        entry.profile()


def test_the_demo_model_lies_inside_the_package() -> None:
    folder = lookup("kaito-demo").folder
    assert folder == Path(catalogue.__file__).parent / "demo/kaito-demo"
