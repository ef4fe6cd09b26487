"""What we say of a model's memory is what the engine itself says of it: loaded weights to the byte, tokens to 1 %.

One process loads tiny models of all kinds into the real engine; `python -m benchmarks engine-proof` asks of more.
"""

from collections.abc import Mapping

import pytest

from benchmarks.proof.compare import Row, rows

pytestmark = [pytest.mark.serve, pytest.mark.timeout(400)]
MODELS = (
    "llama",  # Heads that share keys and values.
    "qwen2",  # Tied embeddings, biases.
    "phi3",  # A window in every layer, projections stored as one.
    "mistral",
    "gemma3",  # Windows and full attention.
    "gemma4",  # The same, with heads of different size.
    "llama4",  # Chunks and full attention, experts.
    "mixtral",  # Experts.
    "deepseek",  # Latent attention.
    "granite-hybrid",  # Mamba 2 and attention.
    "jamba",  # Mamba 1 and attention.
    "qwen3-next",  # Gated delta net and attention.
)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Row]:
    return {row.name: row for row in rows(MODELS, tmp_path_factory.mktemp("models"), timeout_s=350)}


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_that_the_engine_loads(proof: Mapping[str, Row], name: str) -> None:
    assert proof[name].fault is None
    assert proof[name].measured_weights > 1_000_000
    assert proof[name].unexplained == 0


@pytest.mark.parametrize("name", MODELS)
def test_the_cache_holds_the_tokens_that_the_engine_reports(proof: Mapping[str, Row], name: str) -> None:
    """For two memories, three lengths, and each block that the engine takes on a CPU."""
    assert len(proof[name].answers) >= 6
    assert proof[name].worst < 0.01, proof[name].answers
