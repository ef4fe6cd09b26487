"""`kaito plan` as a person and a program run it: words, exit codes, plain text, time."""

import json
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.command import kaito

ON_A100 = ("plan", "phi-4", "--instance-type", "Standard_NC24ads_A100_v4")


def test_a_plan_is_told_in_words(tmp_path: Path) -> None:
    done = kaito(*ON_A100, home=tmp_path)
    assert done.returncode == 0
    text = done.stdout
    assert text.startswith("✓ FIT  phi-4 on Standard_NC24ads_A100_v4\n")
    for words in (
        "weights       27.9 GiB  35 %",
        "KV cache      35.7 GiB  45 %  186,912 tokens",
        "11 of 16,384 tokens",
        "tokens/s for 91 requests of 2,048, 46 for one",
        "price             $3.67 an hour; at full load $",
        "disk              107.0 GiB",
    ):
        assert words in text


def test_a_program_gets_the_documented_numbers(tmp_path: Path) -> None:
    got: dict[str, Any] = json.loads(kaito(*ON_A100, "-o", "json", home=tmp_path).stdout)
    assert (got["schema"], got["model"], got["verdict"]) == ("kaito.sh/plan/v1", "phi-4", "FIT")
    assert (got["nodes"], got["gpus_per_node"], got["max_model_len"]) == (1, 1, 16384)
    assert (got["kv_tokens"], got["concurrent_requests"]) == (186912, 11)
    assert got["price_per_hour"] > 3
    assert got["tokens_per_second"]["requests"] == 91
    assert "comparison" not in got
    assert "steps" not in got


def test_every_number_is_explained_when_asked(tmp_path: Path) -> None:
    steps = json.loads(kaito(*ON_A100, "--explain", "-o", "json", home=tmp_path).stdout)["steps"]
    assert {"weights in memory", "usable memory of one GPU", "tokens in the cache"} <= {step["name"] for step in steps}
    assert all(step["why"] for step in steps)
    assert "usable memory of one GPU" in kaito(*ON_A100, "--explain", home=tmp_path).stdout


def test_without_a_machine_this_host_and_the_known_ones_are_compared(tmp_path: Path) -> None:
    done = kaito("plan", "kaito-demo", "-o", "json", home=tmp_path)
    got = json.loads(done.stdout)
    assert got["machine"] == "this host"
    assert got["instance_type"] is None
    assert len(got["comparison"]) > 15
    assert {one["verdict"] for one in got["comparison"]} == {"FIT"}
    text = kaito("plan", "llama-3.3-70b-instruct", home=tmp_path).stdout
    assert "MACHINE TYPE" in text
    assert "Standard_NC96ads_A100_v4" in text
    assert "Only on several such machines, which this release does not serve: " in text


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        pytest.param(("plan", "kaito-dmo"), 2, "did you mean kaito-demo?", id="unknown model"),
        pytest.param(("plan", "phi-4", "--instance-type", "nope"), 2, "is not a GPU machine type", id="unknown type"),
        pytest.param(
            ("plan", "phi-4", "--gpu", "H100", "--instance-type", "x"), 1, "give one of them", id="two machines"
        ),
        pytest.param(("plan", "phi-4", "--context-length", "0"), 1, "context-length", id="no context"),
        pytest.param(("plan", "phi-4", "--set", "seed=1"), 1, "is no option that a plan depends on", id="seed"),
        pytest.param(("plan", "phi-4", "--set", "tp"), 1, "write NAME=VALUE", id="no value"),
        pytest.param(("plan", "phi-4", "--set", "tp=0"), 1, "--set tensor-parallel-size: '0' is no number", id="none"),
        pytest.param(
            ("plan", "phi-4", "--set", "gpu-memory-utilization=90"), 1, "is no share of a GPU's memory", id="too much"
        ),
        pytest.param(
            ("plan", "phi-4", "--context-length", "1", "--set", "max-model-len=1"), 1, "say the same", id="twice"
        ),
        pytest.param(("plan", "phi-4", "--concurrency", "0"), 1, "concurrency", id="no requests"),
        pytest.param(("plan", "phi-4", "--node-selector", "a=b"), 5, "no usable kubeconfig", id="no cluster"),
        pytest.param(("models", "describe", "phi-5"), 2, "did you mean phi-4", id="describe"),
        pytest.param(("render", "-f", "none.yaml"), 2, "none.yaml: cannot be read", id="no manifest"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(tmp_path: Path, args: tuple[str, ...], code: int, says: str) -> None:
    done = kaito(*args, home=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_model_that_does_not_run_ends_with_3_and_names_a_machine_that_holds_it(tmp_path: Path) -> None:
    done = kaito("plan", "deepseek-v3-0324", "--gpu", "A2", home=tmp_path)
    assert done.returncode == 3
    assert done.stdout.startswith("✗ NO  deepseek-v3-0324 on 1 × A2 16 GiB\n")
    assert "instead: --instance-type " in done.stdout


def test_what_is_set_wins_and_is_checked(tmp_path: Path) -> None:
    words = ("plan", "phi-4", "--gpu", "A100-80GB:4", "-o", "json")
    got = json.loads(kaito(*words, "--set", "tp=2", "--set", "gpu_memory_utilization=0.9", home=tmp_path).stdout)
    sizes = (got["tensor_parallel"], got["data_parallel"], got["gpu_memory_utilization"], got["verdict"])
    assert sizes == (2, 2, 0.9, "FIT")
    got = json.loads(kaito(*words, "--set", "tp=3", home=tmp_path).stdout)
    assert (got["verdict"], got["changes"][0]["value"]) == ("FIT-WITH-CHANGES", "left out")
    assert "40 attention heads; the heads must divide evenly" in got["reason"]


def test_more_requests_than_a_server_holds_need_more_servers(tmp_path: Path) -> None:
    got = json.loads(kaito(*ON_A100, "--concurrency", "30", "-o", "json", home=tmp_path).stdout)
    assert (got["verdict"], got["replicas"], got["concurrent_requests"]) == ("FIT-WITH-CHANGES", 3, 33)
    assert "3 servers, each 1 node with" in kaito(*ON_A100, "--concurrency", "30", home=tmp_path).stdout


def test_machines_are_ranked_by_what_is_asked_for(tmp_path: Path) -> None:
    def best(*words: str) -> list[dict[str, Any]]:
        got = json.loads(kaito("plan", "phi-4", "-o", "json", *words, home=tmp_path).stdout)["comparison"]
        return [one for one in got if one["verdict"] == "FIT"]

    prices = [one["price_per_hour"] for one in best() if one["price_per_hour"] is not None]
    assert prices == sorted(prices)
    speeds = [one["tokens_per_second"]["decode"] for one in best("--sort", "speed") if one["tokens_per_second"]]
    assert speeds == sorted(speeds, reverse=True)


@pytest.mark.parametrize(
    "args", [ON_A100, ("models", "list"), ("models", "describe", "phi-4"), ("plan", "phi-4"), (*ON_A100, "--explain")]
)
def test_piped_text_is_plain_and_fits(tmp_path: Path, args: tuple[str, ...]) -> None:
    for columns in ("80", "100"):
        text = kaito(*args, home=tmp_path, COLUMNS=columns).stdout
        assert "\x1b" not in text
        lines = text.splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert all(line == line.rstrip() for line in lines)


def on_terminal(*args: str, home: Path, **env: str) -> str:
    """What the command prints in a terminal of 100 columns."""
    from tests.unit.cli.command import COMMAND, environment

    words = ["script", "-qec", "stty cols 100; exec " + " ".join(map(repr, [*COMMAND, *args])), "/dev/null"]
    clean = environment(home, TERM="xterm-256color", SHELL="/bin/sh", **env)
    return subprocess.run(words, capture_output=True, text=True, env=clean, timeout=60, check=True, input="").stdout


def test_a_terminal_gets_colours_unless_it_says_no(tmp_path: Path) -> None:
    assert "\x1b[1;32mFIT" in on_terminal(*ON_A100, home=tmp_path)
    assert "\x1b" not in on_terminal(*ON_A100, home=tmp_path, NO_COLOR="1")


def test_a_terminal_without_utf8_gets_signs_that_it_has(tmp_path: Path) -> None:
    text = kaito("plan", "phi-4", home=tmp_path, PYTHONIOENCODING="ascii").stdout
    assert text.isascii()
    assert "NO  phi-4" in text or "FIT" in text
    bar = kaito(*ON_A100, home=tmp_path, PYTHONIOENCODING="ascii").stdout.splitlines()[4].strip()
    assert set(bar) == {"#", "=", "+", "/", "%", "."}


def test_a_plan_takes_half_a_second_of_processor_time_at_most(tmp_path: Path) -> None:
    def used() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert kaito("plan", "phi-4", "-o", "json", home=tmp_path).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(used() for _ in range(5)) <= 0.5
