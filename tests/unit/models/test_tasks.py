"""What models are for, told by their architectures."""

from typing import Any

import pytest

from kaito.models.tasks import Task, has_vision, is_encoder, task_of


@pytest.mark.parametrize(
    ("config", "task"),
    [
        pytest.param({"architectures": ["LlamaForCausalLM"]}, Task.GENERATE, id="text"),
        pytest.param({"architectures": ["Qwen2VLForConditionalGeneration"]}, Task.GENERATE, id="text about images"),
        pytest.param({"architectures": ["GPT2LMHeadModel"]}, Task.GENERATE, id="an old name for text"),
        pytest.param({}, Task.GENERATE, id="it does not say"),
        pytest.param({"architectures": ["BertModel"], "model_type": "bert"}, Task.EMBED, id="all-MiniLM"),
        pytest.param({"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta"}, Task.EMBED, id="bge-m3"),
        pytest.param({"architectures": ["MistralModel"], "model_type": "mistral"}, Task.EMBED, id="E5 Mistral"),
        pytest.param({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, Task.EMBED, id="SPLADE"),
        pytest.param(
            {"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "LABEL_0"}},
            Task.RERANK,
            id="bge-reranker",
        ),
        pytest.param(
            {"architectures": ["Qwen3ForSequenceClassification"], "num_labels": 1},
            Task.RERANK,
            id="a reranker by number",
        ),
        pytest.param(
            {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "good", "1": "bad"}},
            Task.CLASSIFY,
            id="moods",
        ),
        pytest.param({"architectures": ["BertForTokenClassification"]}, Task.CLASSIFY, id="names in a text"),
    ],
)
def test_what_a_model_is_for(config: dict[str, Any], task: Task) -> None:
    assert task_of(config) is task


def test_sentence_transformers_files_tell_an_embedding_model_from_its_base() -> None:
    """Qwen3-Embedding's configuration is that of a model that writes text."""
    assert task_of({"architectures": ["Qwen3ForCausalLM"]}, sentence_transformers=True) is Task.EMBED


@pytest.mark.parametrize(
    ("config", "encoder"),
    [
        pytest.param({"model_type": "bert"}, True, id="BERT"),
        pytest.param({"model_type": "bert", "is_decoder": True}, False, id="BERT as a decoder"),
        pytest.param({"model_type": "llama"}, False, id="Llama"),
        pytest.param({"model_type": "llama", "is_causal": False}, True, id="Llama that reads both ways"),
        pytest.param({"architectures": ["LlamaBidirectionalModel"]}, True, id="the same by name"),
        pytest.param({"model_type": "gemma3_text", "use_bidirectional_attention": True}, True, id="EmbeddingGemma"),
    ],
)
def test_who_reads_a_whole_text_at_once(config: dict[str, Any], encoder: bool) -> None:
    assert is_encoder(config) is encoder


@pytest.mark.parametrize(
    ("config", "sees"),
    [
        pytest.param(
            {"architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {"a": 1}}, True, id="Gemma 3"
        ),
        pytest.param({"architectures": ["Qwen2VLForConditionalGeneration"]}, True, id="Qwen2-VL"),
        pytest.param({"architectures": ["Gemma3ForCausalLM"]}, False, id="its text model"),
    ],
)
def test_who_reads_images(config: dict[str, Any], sees: bool) -> None:
    assert has_vision(config) is sees
