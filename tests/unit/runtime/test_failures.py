"""From the texts of vLLM's exceptions to an exit code, a reason and a sentence."""

import pytest

from kaito.api import podcontract
from kaito.runtime.vllm.failures import MAX_CAUSE, Cause, classify, shorten

HOLLOW = Cause(
    "RuntimeError",
    "Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}",
    True,
)
OOM = podcontract.EXIT_OUT_OF_MEMORY
MODEL = podcontract.EXIT_BAD_MODEL
FLAG = podcontract.EXIT_BAD_FLAG


@pytest.mark.parametrize(
    ("kind", "text", "code", "reason"),
    [
        ("ValueError", "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`", OOM, ""),
        (
            "ValueError",
            "To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, which"
            " is larger than the available KV cache memory (1.0 GiB). Try increasing",
            OOM,
            "",
        ),
        ("ValueError", "Cannot auto-fit max_model_len: not enough GPU memory available to serve", OOM, ""),
        (
            "ValueError",
            "Available memory on node 0 (9.0/23.0 GiB) on kv cache allocation is less than requested memory for kv"
            " (512.0 GiB). Decrease --kv-cache-memory-bytes",
            OOM,
            "",
        ),
        ("ValueError", "Available memory on node 0 (9/23 GiB) on startup is less than desired CPU memory ", OOM, ""),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB.", OOM, ""),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate", OOM, ""),
        ("MemoryError", "", OOM, ""),
        ("OSError", "[Errno 98] Address already in use", podcontract.EXIT_PORT_TAKEN, "PortTaken"),
        (
            "ValidationError",
            "1 validation error for ModelConfig\n  Value error, Model architectures ['FooForCausalLM'] are not"
            " supported for now.",
            MODEL,
            "ModelNotSupported",
        ),
        ("GatedRepoError", "401 Client Error.", MODEL, "ModelAccessDenied"),
        ("RepositoryNotFoundError", "404 Client Error.", MODEL, "ModelNotFound"),
        ("OSError", "We couldn't connect to 'https://huggingface.co' to load the files", MODEL, "ModelNotFound"),
        ("SafetensorError", "Error while deserializing header: MetadataIncompleteBuffer", MODEL, "BadModel"),
        ("ValueError", "There is no module or parameter named 'x' in LlamaForCausalLM", MODEL, "BadModel"),
        ("ValueError", "LoRA rank 64 is greater than max_lora_rank 16.", MODEL, "BadAdapter"),
        ("ValueError", "No common block size for 16 (CPU_ATTN: MultipleOf(32))", FLAG, "BadFlag"),
        ("ValueError", "Sleep mode is not supported on current platform.", FLAG, "BadFlag"),
        ("AssertionError", "", podcontract.EXIT_ENGINE, "EngineFailed"),
        ("EngineDied", "the engine stopped while it was serving", podcontract.EXIT_ENGINE, "EngineFailed"),
    ],
)
def test_a_known_text_has_its_exit_code(kind: str, text: str, code: int, reason: str) -> None:
    failure = classify([Cause(kind, text), HOLLOW])
    assert (failure.code, failure.reason) == (code, reason or "OutOfMemory")
    assert (text.split("\n")[-1].strip()[:40] or kind) in failure.sentence


def test_the_first_telling_cause_counts_not_the_last_to_notice() -> None:
    causes = [
        Cause("ValueError", "No available memory for the cache blocks."),
        Cause("Exception", "WorkerProc initialization failed due to an exception in a background process."),
        HOLLOW,
    ]
    assert classify(causes).code == OOM


def test_a_killed_engine_is_told_as_memory_that_ran_out() -> None:
    text = "Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': -9}"
    failure = classify([Cause("RuntimeError", text, True)])
    assert (failure.code, failure.reason) == (OOM, "OutOfMemory")
    assert "signal 9" in failure.sentence


def test_before_an_engine_ran_a_value_error_is_an_options_fault() -> None:
    assert classify([Cause("ValueError", "seed must not be negative", True)]).code == FLAG
    assert classify([Cause("ValueError", "seed must not be negative"), HOLLOW]).code == podcontract.EXIT_ENGINE


def test_without_any_cause_the_engine_is_named() -> None:
    assert classify([]).code == podcontract.EXIT_ENGINE


def test_a_sentence_never_shows_a_secret() -> None:
    failure = classify(
        [Cause("ValueError", "token hf_abc and hf_abcdef are wrong")], secrets=["hf_abc", "hf_abcdef", ""]
    )
    assert "hf_" not in failure.sentence
    assert "token *** and *** are wrong" in failure.sentence


def test_a_long_cause_becomes_one_line_of_bounded_length() -> None:
    assert shorten("a\n  b [type=value_error, input_value=1]\n For further information visit https://x.y/z") == "a b."
    assert len(shorten("x" * 10_000)) <= MAX_CAUSE
