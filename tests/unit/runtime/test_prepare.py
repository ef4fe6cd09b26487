"""What is settled before vLLM is imported: the address, the adapters, the defaults, the environment."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import kaito
from kaito.api import podcontract
from kaito.runtime.vllm import program
from kaito.runtime.vllm.folder import FolderError
from kaito.runtime.vllm.options import Config, OptionError, merge
from kaito.runtime.vllm.prepare import (
    Refused,
    adapter_flags,
    bind,
    check_model,
    default_flags,
    environment,
    hang_seconds,
    prepare,
    with_shipped,
    without_events,
)

HOST = "127.0.0.1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").touch()
    return folder


@pytest.fixture
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def adapter(folder: Path, rank: int) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
    (folder / "adapter_model.safetensors").touch()


def test_the_environments_address_wins_and_the_socket_is_bound_there(model: Path) -> None:
    port = free_port()
    prepared = prepare(
        [f"--model={model}", f"--port={port}", "--host=192.0.2.1", "--api-key=hush"],
        {podcontract.ENV_BIND_HOST: HOST, "HF_TOKEN": "hf_x"},
    )
    with prepared.sock:
        assert prepared.sock.getsockname() == (HOST, port)
        assert (prepared.host, prepared.port) == (HOST, port)
        assert prepared.launch.value("host") == HOST
        assert set(prepared.secrets) == {"hush", "hf_x"}


def test_a_shipped_model_is_found_in_this_installation() -> None:
    launch = with_shipped(merge(["--model=shipped:kaito-demo"], Config()))
    assert check_model(launch) is not None
    assert launch.value("model") == str(Path(kaito.__file__).parent / "models/demo/kaito-demo")
    given = merge(["--model=org/model"], Config())
    assert with_shipped(given) is given


@pytest.mark.parametrize("name", ["kaito-dmo", "", "..", "../../api"])
def test_a_model_that_does_not_come_with_the_image_is_said(name: str) -> None:
    with pytest.raises(FolderError, match="comes not with this image's kaito, which has kaito-demo"):
        with_shipped(merge([f"--model=shipped:{name}"], Config()))


def test_the_mounted_yaml_decides_the_port_too(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "inference_config.yaml"
    port = free_port()
    config.write_text(f"vllm: {{port: {port}}}")
    prepared = prepare([f"--model={model}", f"--kaito-config-file={config}", "--port=1"], {"KAITO_BIND_HOST": HOST})
    prepared.sock.close()
    assert prepared.port == port


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--port=zero"], podcontract.EXIT_BAD_FLAG, "--port: 'zero' is no port"),
        (["--port=70000"], podcontract.EXIT_BAD_FLAG, "--port: '70000' is no port"),
        (["--kaito-config-file=/nowhere.yaml"], podcontract.EXIT_BAD_FLAG, "/nowhere.yaml cannot be read"),
        (["--host=192.0.2.1"], podcontract.EXIT_BAD_FLAG, "cannot be served on"),
        (["--model=/nowhere"], podcontract.EXIT_BAD_MODEL, "/nowhere: is not there"),
    ],
)
def test_what_cannot_start_is_refused_with_its_exit_code(model: Path, words: list[str], code: int, said: str) -> None:
    with pytest.raises(Refused) as refused:
        prepare([f"--model={model}", *words], {})
    assert refused.value.code == code
    assert said in str(refused.value)


@pytest.mark.usefixtures("own_signals")
def test_the_program_ends_with_the_code_and_leaves_the_sentence(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = program.main(
            [f"--model={model}", f"--port={port}"], {"KAITO_BIND_HOST": HOST, "KAITO_TERMINATION_LOG": str(log)}
        )
    assert code == podcontract.EXIT_PORT_TAKEN
    assert log.read_text() == f"the address is taken: {HOST}:{port}. Stop the other process, or set --port."


def test_a_free_port_is_bound_without_listening() -> None:
    with bind(HOST, 0) as sock, pytest.raises(ConnectionRefusedError):
        socket.create_connection(sock.getsockname(), timeout=1)


def test_adapters_are_loaded_by_name_in_order_with_room_for_the_largest(tmp_path: Path) -> None:
    adapter(tmp_path / "b", 8)
    adapter(tmp_path / "a", 24)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").touch()
    flags = adapter_flags(merge([f"--kaito-adapters-dir={tmp_path}"], Config()))
    assert [token for flag in flags for token in flag.tokens()] == [
        "--enable-lora",
        "--max-lora-rank=32",
        "--lora-modules",
        f"a={tmp_path / 'a'}",
        f"b={tmp_path / 'b'}",
    ]


@pytest.mark.parametrize("words", [["--lora-modules=x=/x"], ["--kaito-adapters-dir=/nowhere"]])
def test_no_adapters_are_looked_for_when_named_or_absent(words: list[str], tmp_path: Path) -> None:
    adapter(tmp_path / "a", 8)
    assert adapter_flags(merge([f"--kaito-adapters-dir={tmp_path}", *words], Config())) == []


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("adapter_model.safetensors", None, "adapter_model.safetensors is not there"),
        ("adapter_config.json", None, "adapter_config.json is not there"),
        ("adapter_config.json", "{}", "gives no rank r"),
    ],
)
def test_a_broken_adapter_is_a_bad_model(model: Path, tmp_path: Path, file: str, text: str | None, said: str) -> None:
    adapter(tmp_path / "adapters/a", 8)
    path = tmp_path / "adapters/a" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(Refused, match=said) as refused:
        prepare([f"--model={model}", f"--kaito-adapters-dir={tmp_path / 'adapters'}"], {})
    assert refused.value.code == podcontract.EXIT_BAD_MODEL


@pytest.mark.parametrize(
    ("words", "cpu", "weights", "eager"),
    [
        ([], True, 7_000_000, True),
        ([], False, 7_000_000, False),
        ([], True, 8 << 30, False),
        ([], True, None, False),
        (["--compilation-config={}"], True, 7_000_000, False),
        (["--compilation-config.mode=3"], True, 7_000_000, False),
    ],
)
def test_small_models_on_a_cpu_are_not_compiled(words: list[str], cpu: bool, weights: int | None, eager: bool) -> None:
    flags = default_flags(merge(words, Config()), cpu=cpu, weights=weights)
    assert ("enforce-eager" in [flag.name for flag in flags]) is eager


@pytest.mark.parametrize(
    ("given", "published"),
    [
        ('{"enable_kv_cache_events":true}', False),
        ('{"enable_kv_cache_events":true,"endpoint":"tcp://*:9"}', True),
        ('{"enable_kv_cache_events":false}', False),
    ],
)
def test_pods_of_one_machine_do_not_fight_for_the_events_port(given: str, published: bool) -> None:
    launch = without_events(merge([f"--kv-events-config={given}"], Config()))
    assert json.loads(launch.value("kv-events-config") or "")["enable_kv_cache_events"] is published
    assert ("KV cache events are off" in " ".join(launch.notes)) is ("endpoint" not in given and "true" in given)


def test_the_pods_own_variables_stay_and_a_local_model_asks_no_hub(tmp_path: Path) -> None:
    found = environment({"VLLM_NO_USAGE_STATS": "0"}, local_model=True, cpu=True, logging_file=tmp_path / "l.json")
    assert found == {
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_LOGGING_CONFIG_PATH": str(tmp_path / "l.json"),
        "HF_HUB_OFFLINE": "1",
        "THP_MEM_ALLOC_ENABLE": "1",
    }
    assert "HF_HUB_OFFLINE" not in environment({}, local_model=False, cpu=False, logging_file=tmp_path / "l.json")


@pytest.mark.parametrize(("text", "seconds"), [(None, 120), ("", 120), ("300", 300), (" 0.5 ", 0.5), ("0", 0)], ids=str)
def test_how_long_an_engine_may_hang(text: str | None, seconds: float) -> None:
    env = {} if text is None else {podcontract.ENV_HANG_SECONDS: text}
    assert hang_seconds(env) == seconds


@pytest.mark.parametrize("text", ["-1", "two", "nan", "inf", "1e999"])
def test_a_limit_for_hanging_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"KAITO_ENGINE_HANG_SECONDS: .*120, or 0"):
        hang_seconds({podcontract.ENV_HANG_SECONDS: text})
