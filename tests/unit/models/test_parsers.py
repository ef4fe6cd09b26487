"""Parsers, templates and tokenizer modes: every row of KAITO v0.12's tables, and the rows that are put right."""

from pathlib import Path

import pytest

from kaito.models.engine import EngineOptions, engine_options

ROWS = [
    tuple(cell.strip() for cell in line.split("|"))
    for line in (Path(__file__).parent / "v012_parsers.txt").read_text().splitlines()
    if not line.startswith("#")
]
CORRECTED = {
    # ODDITY: keys that no model's name begins with; the right ones are in FAMILIES.
    ("tool_parser", "phi4-mini"): None,
    ("tool_parser", "kimi_k2"): None,
    # ODDITY: functiongemma is a family of its own; Gemma 3 has learned no format of tool calls.
    ("tool_parser", "gemma-3"): None,
    ("tool_parser", "Gemma3ForCausalLM"): None,
}
ONLY = {"deepseek-r1": ["DeepseekV3ForCausalLM"]}


def told(made: EngineOptions, option: str) -> str | None:
    value = getattr(made, option)
    return None if value is None else str(value)


def test_the_release_has_148_rows() -> None:
    assert len(ROWS) == 148


@pytest.mark.parametrize("row", ROWS, ids=[f"{option}-{key}" for option, _, key, _ in ROWS])
def test_a_row_of_the_release(row: tuple[str, str, str, str]) -> None:
    option, chosen_by, key, value = row
    if chosen_by == "name":
        made = engine_options(f"org/{key}-x", ONLY.get(key, ["NobodyKnowsForCausalLM"]))
    else:
        made = engine_options("org/nobody-knows", [key])
    assert told(made, option) == CORRECTED.get((option, key), value)


# Model, its architecture, reasoning parser, tool parser, chat template, tokenizer mode.
FAMILIES: list[tuple[str, str, str | None, str | None, str | None, str | None]] = [
    ("ai21labs/AI21-Jamba-Mini-1.7", "JambaForCausalLM", None, "jamba", None, None),
    ("swiss-ai/Apertus-8B-Instruct-2509", "ApertusForCausalLM", None, "apertus", None, None),
    (
        "deepseek-ai/DeepSeek-R1",
        "DeepseekV3ForCausalLM",
        "deepseek_r1",
        "deepseek_v3",
        "tool-chat-deepseekr1.jinja",
        "deepseek_v32",
    ),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "Qwen2ForCausalLM", "deepseek_r1", "hermes", None, None),
    (
        "deepseek-ai/DeepSeek-V3.1",
        "DeepseekV3ForCausalLM",
        "deepseek_v3",
        "deepseek_v31",
        "tool-chat-deepseekv3.jinja",
        "deepseek_v32",
    ),
    ("baidu/ERNIE-4.5-21B-A3B-PT", "Ernie4_5_MoeForCausalLM", "ernie45", "ernie45", None, None),
    ("google/gemma-3-1b-it", "Gemma3ForCausalLM", None, None, None, None),
    ("google/functiongemma-270m-it", "Gemma3ForCausalLM", None, "functiongemma", None, None),
    ("zai-org/GLM-4.5-Air", "Glm4MoeForCausalLM", "glm45", "glm45", None, None),
    ("zai-org/GLM-4.7", "Glm4MoeForCausalLM", "glm45", "glm47", None, None),
    ("ibm-granite/granite-3.3-8b-instruct", "GraniteForCausalLM", "granite", "granite", None, None),
    ("ibm-granite/granite-4.0-h-small", "GraniteMoeHybridForCausalLM", None, "granite4", None, None),
    ("NousResearch/Hermes-3-Llama-3.1-8B", "LlamaForCausalLM", None, "hermes", None, None),
    ("moonshotai/Kimi-K2-Instruct", "KimiK2ForCausalLM", "kimi_k2", "kimi_k2", None, None),
    (
        "meta-llama/Llama-3.2-3B-Instruct",
        "LlamaForCausalLM",
        None,
        "llama3_json",
        "tool-chat-llama3.1-json.jinja",
        None,
    ),
    ("meta-llama/Meta-Llama-3-8B-Instruct", "LlamaForCausalLM", None, "llama3_json", None, None),
    (
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        "Llama4ForConditionalGeneration",
        None,
        "llama4_pythonic",
        None,
        None,
    ),
    ("XiaomiMiMo/MiMo-7B-RL", "MiMoForCausalLM", "mimo", "mimo", None, None),
    ("MiniMaxAI/MiniMax-M2", "MiniMaxM2ForCausalLM", "minimax_m2_append_think", "minimax_m2", None, None),
    ("mistralai/Ministral-3-8B-Instruct-2512", "Mistral3ForConditionalGeneration", None, "mistral", None, None),
    ("mistralai/Mistral-Nemo-Instruct-2407", "MistralForCausalLM", "mistral", "mistral", None, None),
    ("allenai/Olmo-3-7B-Instruct", "Olmo3ForCausalLM", "olmo3", "olmo3", None, None),
    ("microsoft/Phi-4-mini-instruct", "Phi3ForCausalLM", None, "phi4_mini_json", "tool-chat-phi4-mini.jinja", None),
    ("Qwen/Qwen2.5-7B-Instruct", "Qwen2ForCausalLM", None, "hermes", "tool-chat-hermes.jinja", None),
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen3MoeForCausalLM", "qwen3", "qwen3_xml", None, None),
    ("Qwen/Qwen3.5-9B", "Qwen3_5ForConditionalGeneration", "qwen3", "qwen3_coder", None, None),
    ("Qwen/QwQ-32B", "Qwen2ForCausalLM", "deepseek_r1", "hermes", None, None),
    ("ByteDance-Seed/Seed-OSS-36B-Instruct", "SeedOssForCausalLM", None, "seed_oss", None, None),
    ("stepfun-ai/Step3p5", "Step3p5TextForCausalLM", "step3", "step3p5", None, None),
    ("Salesforce/Llama-xLAM-2-8b-fc-r", "LlamaForCausalLM", None, "xlam", None, None),
]


@pytest.mark.parametrize(
    ("name", "architecture", "reasoning", "tool", "template", "mode"), FAMILIES, ids=[row[0] for row in FAMILIES]
)
def test_a_model_of_each_family(
    name: str, architecture: str, reasoning: str | None, tool: str | None, template: str | None, mode: str | None
) -> None:
    made = engine_options(name, [architecture])
    assert (made.reasoning_parser, made.tool_parser) == (reasoning, tool)
    assert (made.chat_template, made.tokenizer_mode) == (template, mode)
