"""Records made anew: what the hub says, what stays, and what changes on the disk."""

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kaito.cli.errors import NOT_FOUND, UNREACHABLE, USAGE, CliError
from kaito.cli.main import app
from kaito.models.catalogue import lookup, read
from kaito.models.hub import HubModel
from kaito.models.profile import ModelError
from kaito.models.record import Kind, kept
from kaito.models.refresh import difference, kind_of, refreshed, write
from tests.unit.models.hub_server import CONFIG, SHA, FakeHub, serving, tensors

FOUND = HubModel(
    id="Org/Tiny-Model",
    revision=SHA,
    gated=True,
    weight_format="auto",
    weight_bytes=64,
    has_tokenizer=True,
    has_chat_template=True,
    license="mit",
    task="text-generation",
    base_model=("Org/Tiny-Base",),
    config=CONFIG,
)
OLD = refreshed(FOUND, None)


def test_a_new_record_is_what_the_hub_says() -> None:
    assert (OLD.id, OLD.alias, OLD.kind, OLD.license) == ("Org/Tiny-Model", None, Kind.INSTRUCT, "mit")
    assert (OLD.task, OLD.base_model, OLD.revision, OLD.gated) == ("text-generation", ("Org/Tiny-Base",), SHA, True)
    assert (OLD.format, OLD.weights) == ("auto", 64)
    assert OLD.config == kept(CONFIG)
    assert OLD.profile().kv_bytes_per_token == FOUND.profile.kv_bytes_per_token


def test_what_people_wrote_stays() -> None:
    old = replace(OLD, alias="tiny", kind=Kind.BASE, gated=False, weights="1Gi", revision=None)
    made = refreshed(FOUND, old)
    assert (made.alias, made.kind) == ("tiny", Kind.BASE)
    assert (made.gated, made.weights, made.revision) == (True, 64, SHA)


def test_what_the_hub_leaves_out_stays() -> None:
    old = replace(OLD, config={**OLD.config, "sliding_window_pattern": 6})
    made = refreshed(replace(FOUND, license=None, task=None, base_model=()), old)
    assert (made.license, made.task, made.base_model) == ("mit", "text-generation", ("Org/Tiny-Base",))
    assert made.config["sliding_window_pattern"] == 6
    assert refreshed(replace(FOUND, license=None), None).license == "unknown"


def test_a_model_that_was_renamed_is_not_written_twice() -> None:
    with pytest.raises(ModelError, match=r"Org/Old: the hub calls it Org/Tiny-Model now\. Move its record"):
        refreshed(FOUND, replace(OLD, id="Org/Old"))


@pytest.mark.parametrize("key", ["architectures", "num_hidden_layers"])
def test_a_configuration_that_a_plan_cannot_use_is_refused(key: str) -> None:
    config = {name: value for name, value in CONFIG.items() if name != key}
    with pytest.raises(ModelError, match=f"its configuration names no {key}"):
        refreshed(replace(FOUND, config=config), None)
    assert refreshed(replace(FOUND, config=config), OLD).config[key] == CONFIG[key]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({}, Kind.INSTRUCT, id="chat template"),
        pytest.param({"has_chat_template": False}, Kind.BASE, id="no chat template"),
        pytest.param({"id": "Qwen/Qwen3-4B"}, Kind.REASONING, id="the engine has a parser for its thoughts"),
        pytest.param({"task": "feature-extraction"}, Kind.EMBEDDING, id="feature-extraction"),
        pytest.param({"task": "sentence-similarity"}, Kind.EMBEDDING, id="sentence-similarity"),
    ],
)
def test_the_kind_of_a_new_model(changes: dict[str, Any], kind: Kind) -> None:
    assert kind_of(replace(FOUND, **changes)) is kind


@pytest.mark.parametrize(
    ("config", "found"),
    [
        pytest.param(
            {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "max_seq_len": 9},
            {
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 9,
            },
            id="params.json",
        ),
        pytest.param(
            {"n_head": 71, "multi_query": True}, {"num_attention_heads": 71, "num_key_value_heads": 1}, id="mqa"
        ),
        pytest.param(
            {"hidden_size": 64, "num_attention_heads": 4, "head_dim": 16},
            {"hidden_size": 64, "num_attention_heads": 4},
            id="a head's size that follows",
        ),
        pytest.param({"head_dim": 16}, {"head_dim": 16}, id="a head's size that does not"),
        pytest.param(
            {"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}},
            {"quantization_config": {"quant_method": "pack-quantized"}},
            id="how weights are packed",
        ),
        pytest.param(
            {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}},
            {"quantization_config": {"quant_method": "NVFP4"}},
            id="the algorithm",
        ),
        pytest.param({"quantization_config": {"bits": 4}}, {}, id="quantisation without a name"),
        pytest.param(
            {"layer_types": ["full_attention"], "vocab_size": 3}, {"layer_types": ["full_attention"]}, id="rest"
        ),
    ],
)
def test_each_fact_is_kept_under_one_name(config: dict[str, Any], found: dict[str, Any]) -> None:
    assert kept(config) == found


def test_a_difference_names_the_lines() -> None:
    assert difference("a\nb\n", "a\nb\n", "x") == ""
    assert difference("a\nb\n", "a\nc\n", "x").splitlines()[:2] == ["--- a/x", "+++ b/x"]
    assert difference("", "a\n", "x").splitlines() == ["--- /dev/null", "+++ b/x", "@@ -0,0 +1 @@", "+a"]


def test_a_record_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "org" / "Name.yaml"
    write(path, "a: 1\n")
    write(path, "a: 2\n")
    assert path.read_text() == "a: 2\n"
    assert [one.name for one in path.parent.iterdir()] == ["Name.yaml"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    with pytest.raises(ModelError, match=r"cannot be written: .*Name a folder of yours with --to"):
        write(path / "below" / "x.yaml", "")


async def run(hub: FakeHub, *words: str, to: Path, **env: str) -> Result:
    """`kaito models refresh` in a thread, against the hub on loopback."""
    async with serving(hub) as url:
        clean = {"HF_ENDPOINT": url, "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "", "XDG_CACHE_HOME": str(to / "cache")}
        line = ["models", "refresh", *words, "--to", str(to)]
        return await asyncio.to_thread(CliRunner().invoke, app, line, env={**clean, **env})


async def test_a_new_model_gets_a_record(tmp_path: Path) -> None:
    done = await run(FakeHub(), "org/tiny-model", to=tmp_path)
    assert done.exit_code == 0, done.exception
    (entry,) = read(tmp_path)
    assert entry == OLD
    assert entry.config == OLD.config
    assert f"+revision: {SHA}" in done.stdout
    assert "Org/Tiny-Model: written to" in done.stdout
    again = await run(FakeHub(), "Org/Tiny-Model", to=tmp_path)
    assert again.stdout == "Org/Tiny-Model: up to date\n"


async def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = await run(FakeHub(), "Org/Tiny-Model", "--dry-run", to=tmp_path)
    assert "+weights: 64" in done.stdout
    assert "would be written to" in done.stdout
    assert read(tmp_path) == ()


async def test_a_record_of_the_release_is_pinned_anew(tmp_path: Path) -> None:
    """ODDITY: the original's catalogue has neither gated nor revision, so that gated models look open."""
    entry = lookup("llama-3.1-8b-instruct")
    config = CONFIG | {"num_hidden_layers": 32, "head_dim": None, "hidden_size": 4096, "num_attention_heads": 32}
    files = FakeHub().files | {"config.json": json.dumps(config).encode(), "model.safetensors": tensors(size=1 << 20)}
    hub = FakeHub(id=entry.id, files=files, token="hf_mine", card={"license": "llama3.1"})
    done = await run(hub, "Llama-3.1-8B-Instruct", to=tmp_path, HF_TOKEN="hf_mine")
    assert done.exit_code == 0, done.exception
    (made,) = read(tmp_path)
    assert (made.id, made.alias, made.kind) == (entry.id, entry.alias, entry.kind)
    assert (made.revision, made.weights, made.gated) == (SHA, 1 << 20, True)
    assert "hf_mine" not in done.stdout + (tmp_path / f"{entry.id}.yaml").read_text()


@pytest.mark.parametrize(
    ("hub", "words", "env", "code", "says"),
    [
        pytest.param(FakeHub(), ["kaito-demo"], {}, NOT_FOUND, "kaito-demo: comes with KAITO", id="the demo"),
        pytest.param(FakeHub(), ["phi4"], {}, NOT_FOUND, "did you mean phi-4", id="typing error"),
        pytest.param(FakeHub(status=503), ["a/b"], {}, UNREACHABLE, "answers 503", id="busy"),
        pytest.param(FakeHub(token="t"), ["Org/Tiny-Model"], {}, NOT_FOUND, "answers 401", id="private"),
        pytest.param(FakeHub(), ["a/b"], {"HF_HUB_OFFLINE": "1"}, USAGE, "HF_HUB_OFFLINE is set", id="offline"),
        pytest.param(FakeHub(), ["a/b"], {"HF_ENDPOINT": "ftp://x"}, USAGE, "must be like https://host", id="endpoint"),
    ],
)
async def test_what_cannot_be_refreshed_is_said(
    hub: FakeHub, words: list[str], env: dict[str, str], code: int, says: str, tmp_path: Path
) -> None:
    done = await run(hub, *words, to=tmp_path, **env)
    assert isinstance(done.exception, CliError)
    assert done.exception.code == code
    assert says in str(done.exception)
    assert read(tmp_path) == ()


async def test_one_failure_does_not_keep_the_others(tmp_path: Path) -> None:
    done = await run(FakeHub(), "org/none", "Org/Tiny-Model", to=tmp_path)
    assert isinstance(done.exception, CliError)
    assert "org/none at revision 'main'" in str(done.exception)
    assert [entry.id for entry in read(tmp_path)] == ["Org/Tiny-Model"]
