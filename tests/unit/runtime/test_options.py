"""The options of the serving program: who wins, how YAML becomes words, and what is refused."""

import json
from pathlib import Path

import pytest

from kaito.runtime.vllm.options import (
    Config,
    Flag,
    OptionError,
    config_file,
    merge,
    parse_config,
    parse_words,
)

WHERE = "/mnt/config/inference_config.yaml"


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ([], []),
        (["--model=/m"], [Flag("model", ("/m",))]),
        (["--model", "/m"], [Flag("model", ("/m",))]),
        (["--max_model_len=5"], [Flag("max-model-len", ("5",))]),
        (["--enable-lora", "--model=/m"], [Flag("enable-lora"), Flag("model", ("/m",))]),
        (["--served-model-name", "a", "b"], [Flag("served-model-name", ("a", "b"))]),
        (["--seed", "-1"], [Flag("seed", ("-1",))]),
        (["-tp", "2"], [Flag("tensor-parallel-size", ("2",))]),
        (["--download-dir="], [Flag("download-dir", ("",))]),
        (['--kv-events-config={"a":"b=c"}'], [Flag("kv-events-config", ('{"a":"b=c"}',))]),
        (
            ["--compilation-config.pass_config.fuse_x=False"],
            [Flag("compilation-config.pass_config.fuse_x", ("False",))],
        ),
    ],
    ids=lambda value: " ".join(map(str, value)) if value and isinstance(value[0], str) else "",
)
def test_words_become_options(words: list[str], flags: list[Flag]) -> None:
    assert parse_words(words) == flags


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stray", "--model=/m"], "'stray': is not an option. Write --name=value."),
        (["-x", "1"], "'-x': write the option's long name, --name=value."),
        (["--", "a"], "'--': is not the name of an option."),
        (["--kaito-nonsense=1"], "--kaito-nonsense: is no option of KAITO. Use one of --kaito-adapters-dir"),
        (["--kaito-max-probe-steps=many"], "--kaito-max-probe-steps: 'many' is not a number."),
        (["--kaito-max-probe-steps=1.5"], "--kaito-max-probe-steps: '1.5' is not a whole number of at least 0."),
        (["--kaito-adapters-dir"], "--kaito-adapters-dir: has 0 values and takes one."),
        (["--kaito-disable-rate-limit=maybe"], "'maybe' is neither true nor false."),
    ],
)
def test_a_bad_option_is_refused_by_name(words: list[str], said: str) -> None:
    with pytest.raises(OptionError) as refused:
        merge(words, Config())
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("", []),
        ("vllm:", []),
        ("max_probe_steps: 6", []),
        ("vllm: {max-model-len: 1024}", ["--max-model-len=1024"]),
        ("vllm: {max-model-len: auto}", ["--max-model-len=auto"]),
        ("vllm: {max_num_seqs: '16'}", ["--max-num-seqs=16"]),
        ("vllm: {enable-prefix-caching: true}", ["--enable-prefix-caching"]),
        ("vllm: {enable-prefix-caching: false}", ["--no-enable-prefix-caching"]),
        ("vllm: {dtype: null, seed: 3}", ["--seed=3"]),
        ("vllm: {served-model-name: [a, b]}", ["--served-model-name", "a", "b"]),
        ("vllm: {middleware: [a.b, c.d]}", ["--middleware=a.b", "--middleware=c.d"]),
        ("vllm: {served-model-name: []}", []),
        ("vllm: {hf-overrides: {a: {b: 1}}}", ['--hf-overrides={"a": {"b": 1}}']),
        ("vllm: {gpu-memory-utilization: 0.7}", ["--gpu-memory-utilization=0.7"]),
    ],
)
def test_yaml_becomes_words(yaml: str, words: list[str]) -> None:
    assert merge([], parse_config(yaml, WHERE)).arguments() == words


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("a: [", f"{WHERE}: is not valid YAML"),
        ("- a", f"{WHERE}: holds list. Write a map with the key vllm."),
        ("vlm: {}", f"{WHERE}: 'vlm' is no known key. Use vllm, max_probe_steps"),
        ("vllm: [a]", f"{WHERE}: vllm: holds list. Write a map from option to value."),
        ("vllm: {'a b': 1}", f"{WHERE}: vllm: 'a b' is not the name of an option."),
        ("vllm: {1: 1}", f"{WHERE}: vllm: 1 is not the name of an option."),
        ("vllm: {kaito-adapters-dir: /a}", "is KAITO's own option. Put it at the top level of the file."),
    ],
)
def test_bad_yaml_is_refused_by_key(yaml: str, said: str) -> None:
    with pytest.raises(OptionError) as refused:
        parse_config(yaml, WHERE)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("words", "yaml", "expected"),
    [
        (["--max-model-len=2048"], "vllm: {max-model-len: 1024}", ["--max-model-len=1024"]),
        (["--max-model-len=2048"], "vllm: {max_model_len: 1024}", ["--max-model-len=1024"]),
        (["--enable-lora"], "vllm: {enable-lora: false}", ["--no-enable-lora"]),
        (["--seed=1", "--dtype=auto"], "vllm: {seed: 2}", ["--dtype=auto", "--seed=2"]),
        (
            ["--compilation-config.mode=3"],
            "vllm: {compilation-config.mode: 0}",
            ["--compilation-config.mode=0"],
        ),
    ],
)
def test_the_yaml_wins_over_the_command_line_for_engine_options(
    words: list[str], yaml: str, expected: list[str]
) -> None:
    assert merge(words, parse_config(yaml, WHERE)).arguments() == expected


def test_dotted_fields_of_the_command_line_survive_below_a_map_of_the_yaml() -> None:
    words = ["--compilation-config.pass_config.fuse_x=False", "--compilation-config.mode=3"]
    launch = merge(words, parse_config("vllm: {compilation-config: {mode: 0, splitting_ops: [a]}}", WHERE))
    (flag,) = launch.flags
    assert flag.name == "compilation-config"
    assert json.loads(flag.values[0]) == {"pass_config": {"fuse_x": False}, "mode": 0, "splitting_ops": ["a"]}


def test_the_command_line_wins_over_the_yaml_for_kaito_options() -> None:
    config = parse_config("kv_cache_cpu_memory_utilization: 0.5\nmax_probe_steps: 6", WHERE)
    assert [note.split()[0] for note in merge([], config).notes] == [
        "max_probe_steps",
        "kv_cache_cpu_memory_utilization",
    ]
    launch = merge(["--kaito-kv-cache-cpu-memory-utilization=0", "--kaito-adapters-dir=/a"], config)
    assert [note.split()[0] for note in launch.notes] == ["max_probe_steps"]
    assert launch.adapters_dir == Path("/a")
    assert launch.arguments() == []


def test_defaults_yield_to_what_is_given_however_it_is_spelled() -> None:
    launch = merge(["--no-enforce-eager", "--port=1"], Config())
    wanted = [Flag("enforce-eager"), Flag("port", ("5000",)), Flag("seed", ("7",))]
    assert launch.with_defaults(wanted).arguments() == ["--seed=7", "--no-enforce-eager", "--port=1"]


def test_the_log_shows_no_key() -> None:
    launch = merge(["--api-key=hush", "--model=/m"], parse_config("vllm: {api-key: [quiet, still]}", WHERE))
    assert launch.shown() == "--model=/m --api-key=***"
    assert launch.arguments() == ["--model=/m", "--api-key", "quiet", "still"]


@pytest.mark.parametrize(
    ("words", "path"),
    [([], None), (["--kaito-config-file="], None), (["--kaito-config-file", WHERE], Path(WHERE))],
)
def test_the_config_file_is_the_named_one(words: list[str], path: Path | None) -> None:
    assert config_file(words) == path


def test_the_last_value_of_an_option_counts() -> None:
    launch = merge(["--port=1", "--port=2", "--enable-lora"], Config())
    assert (launch.value("port"), launch.value("enable-lora"), launch.value("host")) == ("2", None, None)
