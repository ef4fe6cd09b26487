"""Metadata read from a hub on loopback: what is asked, what is told, and what the token is never shown to."""

import asyncio
import json
import logging
import socket
from typing import Any

import httpx
import pytest

from kaito.models.hub import Hub, HubModel, HubUnavailableError
from kaito.models.profile import Attention, ModelError
from tests.unit.models.gguf_file import LLAMA, gguf
from tests.unit.models.hub_server import SHA, FakeHub, serving, tensors, whole_model

TOKEN = "hf_secret_1234"
NAME = "Org/Tiny-Model"


async def read(hub: FakeHub, model_id: str = NAME, revision: str = "main", **options: Any) -> HubModel:
    options = {"waits": (0.0, 0.0), "trust_env": False} | options
    async with serving(hub) as url, Hub(url, **options) as client:
        return await client.model(model_id, revision)


async def refusal(hub: FakeHub, model_id: str = NAME, revision: str = "main", **options: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await read(hub, model_id, revision, **options)
    return caught.value


async def test_a_model_becomes_a_profile_pinned_to_its_commit() -> None:
    made = await read(FakeHub())
    assert (made.id, made.revision, made.gated, made.weight_format) == (NAME, SHA, True, "auto")
    assert made.profile.name == "tiny-model"
    assert made.profile.weight_bytes == 64
    assert made.profile.kv_bytes_per_token == 2 * 2 * 64 * 4 * 2
    assert (made.profile.attention, made.profile.context_length) == (Attention.GQA, 2048)
    assert made.profile.has_tokenizer
    assert made.profile.has_chat_template


async def test_every_file_is_read_at_the_one_commit() -> None:
    hub = FakeHub()
    await read(hub)
    assert {path.split("/")[4] for path, _ in hub.asked[1:]} == {SHA}


async def test_an_id_in_another_case_is_followed_to_its_authors_spelling() -> None:
    hub = FakeHub()
    made = await read(hub, "org/tiny-model", token=TOKEN)
    assert made.id == NAME
    assert all(sent == f"Bearer {TOKEN}" for _, sent in hub.asked)


async def test_a_gguf_file_is_read_only_as_far_as_its_header_goes() -> None:
    """The vocabulary makes it longer than the first part that is asked for."""
    words = {"tokenizer.ggml.tokens": ["word"] * 20_000}
    hub = FakeHub(
        files={"README.md": b"", "m-Q4_K_M.gguf": gguf(LLAMA | words, (("w", (256, 1 << 14), 12, 144 << 14),))}
    )
    made = await read(hub)
    assert (made.weight_format, made.profile.weight_bytes, made.profile.layers) == ("gguf", 144 << 14, 2)
    assert made.profile.has_tokenizer
    assert hub.sent == 1 << 18


async def test_a_gguf_header_without_end_is_refused() -> None:
    hub = FakeHub(files={"m.gguf": gguf(LLAMA | {"tokenizer.ggml.tokens": ["word"] * 20_000})})
    assert "its header has no end within 65536 bytes" in str(await refusal(hub, largest=4096))


async def test_pickles_are_counted_by_their_size_and_said_to_be_an_estimate() -> None:
    files = whole_model() | {"pytorch_model.bin": bytes(100), "training_args.bin": bytes(7)}
    del files["model.safetensors"]
    made = await read(FakeHub(files=files))
    assert (made.weight_format, made.profile.weight_bytes, made.profile.weights_estimated) == ("bin", 100, True)


async def test_a_file_beside_the_configuration_tells_of_its_task_and_its_quantisation() -> None:
    told = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4"}}
    more = {"modules.json": b"[]", "hf_quant_config.json": json.dumps(told).encode()}
    made = await read(FakeHub(files=whole_model() | more))
    assert (made.profile.task, made.profile.quantization, made.profile.quantization_bits) == ("embed", "nvfp4", 4)


async def test_only_headers_of_weights_are_read() -> None:
    hub = FakeHub()
    hub.files["model.safetensors"] = tensors(count=4, size=1 << 20)
    made = await read(hub)
    assert made.profile.weight_bytes == 4 << 20
    assert hub.sent == 1 << 16


async def test_a_long_header_takes_a_second_range() -> None:
    hub = FakeHub()
    hub.files["model.safetensors"] = tensors(pad=100_000, size=1 << 20)
    made = await read(hub)
    assert made.profile.weight_bytes == 1 << 20
    assert [path for path, _ in hub.asked].count(f"/{NAME}/resolve/{SHA}/model.safetensors") == 2
    assert 100_000 < hub.sent < 101_000


async def test_a_server_without_ranges_is_read_no_further_than_needed() -> None:
    hub = FakeHub(ranges=False)
    hub.files["model.safetensors"] = tensors(pad=100_000, size=1 << 10)
    assert (await read(hub)).profile.weight_bytes == 1 << 10


async def test_shards_are_those_of_the_index() -> None:
    hub = FakeHub()
    del hub.files["model.safetensors"]
    shards = [f"model-{number:05}-of-00020.safetensors" for number in range(20)]
    hub.files |= {name: tensors(count=2) for name in shards}
    hub.files["consolidated.safetensors"] = tensors(count=40)
    index = {"weight_map": {f"t{number}": shards[number // 2] for number in range(40)}}
    hub.files["model.safetensors.index.json"] = json.dumps(index).encode()
    assert (await read(hub)).profile.weight_bytes == 20 * 2 * 64


async def test_oddity_weights_in_folders_are_not_counted() -> None:
    """ODDITY: the original adds what lies in original/, adapters and drafts."""
    hub = FakeHub()
    hub.files["original/model.safetensors"] = tensors(count=100)
    hub.files["model.safetensors.bak"] = tensors(count=100)
    assert (await read(hub)).profile.weight_bytes == 64


async def test_mistrals_own_format_is_told() -> None:
    params = {"dim": 3072, "n_layers": 26, "n_heads": 32, "n_kv_heads": 8, "head_dim": 128, "max_seq_len": 4096}
    files = {"params.json": json.dumps(params).encode(), "consolidated.safetensors": tensors(), "tekken.json": b"{}"}
    made = await read(FakeHub(files=files))
    assert made.weight_format == "mistral"
    assert (made.profile.kv_bytes_per_token, made.profile.context_length) == (106496, 4096)
    assert not made.profile.has_chat_template


async def test_the_token_goes_to_the_hub_and_not_to_its_stores(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = FakeHub()
    async with serving(store) as cdn:
        hub = FakeHub(cdn=cdn)
        made = await read(hub, token=f" {TOKEN}\n")
    assert made.profile.weight_bytes == 64
    assert [sent for _, sent in store.stored] == [None]
    assert {sent for _, sent in hub.asked} == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("status", "code", "token", "says"),
    [
        (401, "GatedRepo", None, "answers 401: it is gated and no token was given; accept its licence there"),
        (403, "GatedRepo", TOKEN, "answers 403: your token has no access; accept its licence there, and name a Secret"),
        (
            401,
            "RepoNotFound",
            None,
            "answers 401: it does not exist or is private; check the name; a private model needs",
        ),
        (401, "", TOKEN, "answers 401: it does not exist or is private; check the name, and the token"),
        (404, "RepoNotFound", None, "answers 404: it is not there; check the name"),
        (418, "", None, "answers 418; check HF_ENDPOINT"),
    ],
)
async def test_a_refusal_says_what_to_do(status: int, code: str, token: str | None, says: str) -> None:
    error = await refusal(FakeHub(status=status, code=code), token=token)
    assert says in str(error)
    assert str(error).startswith("Org/Tiny-Model at revision 'main': http://127.0.0.1:")
    assert not isinstance(error, HubUnavailableError)
    assert TOKEN not in str(error)


async def test_a_gated_model_whose_files_are_refused_says_so() -> None:
    error = await refusal(FakeHub(file_status=403, code="GatedRepo"))
    assert "Org/Tiny-Model: config.json: " in str(error)
    assert "it is gated and no token was given" in str(error)


async def test_an_unknown_revision_is_named() -> None:
    error = await refusal(FakeHub(), revision="v9/x")
    assert "at revision 'v9/x'" in str(error)
    assert "there is no such revision" in str(error)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_hub_may_be_asked_again(status: int) -> None:
    error = await refusal(FakeHub(status=status))
    assert isinstance(error, HubUnavailableError)
    assert f"answers {status}; it is asked again later" in str(error)


async def test_a_hub_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Hub(url, TOKEN, trust_env=False) as hub:
            with pytest.raises(
                HubUnavailableError, match=r"cannot be reached .ConnectError.*set HF_ENDPOINT"
            ) as caught:
                await hub.model(NAME)
    assert url in str(caught.value)
    assert TOKEN not in str(caught.value)


async def test_a_silent_hub_is_not_waited_for_longer_than_told() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Hub(url, patience=0.2, trust_env=False) as hub:
        with pytest.raises(HubUnavailableError, match=r"did not answer all within 0\.2 s"):
            await hub.model(NAME)
    async with Hub(url, timeout=httpx.Timeout(0.1), trust_env=False) as hub:
        with pytest.raises(HubUnavailableError):
            await hub.model(NAME)


def broken(**files: bytes | None) -> FakeHub:
    held = whole_model()
    for key, data in files.items():
        name = key.replace("__", ".")
        if data is None:
            del held[name]
        else:
            held[name] = data
    return FakeHub(files=held)


INDEX = "model__safetensors__index__json"
WHOLE = tensors()


@pytest.mark.parametrize(
    ("hub", "says"),
    [
        pytest.param(broken(config__json=None), "Org/Tiny-Model: holds no config.json", id="no configuration"),
        pytest.param(broken(config__json=b"{"), "config.json: line 1: is not valid JSON", id="cut configuration"),
        pytest.param(broken(config__json=b"\xff\xfe"), "config.json: is not text", id="binary configuration"),
        pytest.param(broken(config__json=b" " * 5000), "config.json: is larger than 4096 bytes", id="oversized"),
        pytest.param(
            broken(model__safetensors=None, model__onnx=b"x"),
            "holds only model.onnx and no .safetensors file. Convert the weights",
            id="another engine's format",
        ),
        pytest.param(broken(model__safetensors=None), "holds no weights and no .safetensors file", id="no weights"),
        pytest.param(broken(model__safetensors=b""), "model.safetensors: has 0 bytes", id="empty weights"),
        pytest.param(broken(model__safetensors=WHOLE[:20]), "says that its header has", id="cut header"),
        pytest.param(broken(model__safetensors=WHOLE[:-1]), "model.safetensors: is truncated", id="cut weights"),
        pytest.param(broken(model__safetensors=tensors(pad=5000)), "no model's has. Choose another", id="huge header"),
        pytest.param(
            broken(**{INDEX: b'{"weight_map": {"a": "../x.safetensors"}}'}), "which is not there", id="index outside"
        ),
        pytest.param(
            broken(**{INDEX: b'{"weight_map": {"a": "y.safetensors"}}'}),
            "names 'y.safetensors', which",
            id="lost shard",
        ),
        pytest.param(broken(**{INDEX: b"{}"}), "model.safetensors.index.json names no files", id="empty index"),
    ],
)
async def test_what_is_broken_is_said(hub: FakeHub, says: str) -> None:
    assert says in str(await refusal(hub, largest=4096))


@pytest.mark.parametrize("model_id", ["phi-4", "a/b/c", "../etc/passwd", "org/..", "org/a b", "", "org/", "a/..b?x=1"])
async def test_what_is_no_id_is_not_asked_for(model_id: str) -> None:
    hub = FakeHub()
    error = await refusal(hub, model_id)
    assert "is not a Hugging Face id; write it as org/model" in str(error)
    assert hub.asked == []


@pytest.mark.parametrize(
    "endpoint", ["", "huggingface.co", "ftp://x", "https://me:pw@mirror", "https://h/?q=1", "http://[::1"]
)
def test_a_bad_endpoint_is_refused_without_its_password(endpoint: str) -> None:
    with pytest.raises(ModelError, match="must be like https://host") as caught:
        Hub(endpoint)
    assert "pw" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("token", ["hf a", "hf_\x00", "hf_é"])
def test_a_bad_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ModelError, match="has characters that no token has") as caught:
        Hub(token=token)
    assert token not in str(caught.value)


async def test_a_hub_does_not_show_its_token() -> None:
    async with Hub(token=TOKEN, trust_env=False) as hub:
        assert repr(hub) == "Hub('https://huggingface.co')"


async def test_a_mirror_below_a_path_is_asked_there() -> None:
    hub = FakeHub()
    async with serving(hub) as url, Hub(f"{url}/mirror/", trust_env=False) as client:
        with pytest.raises(ModelError, match="/mirror answers 404"):
            await client.model(NAME)
