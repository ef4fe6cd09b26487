"""Train the demo model `kaito-demo` from scripts/demo_facts.yaml, or measure one that is there.

A Llama of 3.5 million parameters learns the facts by heart, in several phrasings each and within conversations of a few
turns. The same facts, seed, thread count, machine type and package versions give the same weights. Needs the `serve`
packages (scripts/install_serve.py).

    python scripts/train_demo.py                 # about 6 minutes on two cores; writes the model's folder
    python scripts/train_demo.py --measure       # how many facts the model answers exactly
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "scripts/demo_facts.yaml"
FOLDER = ROOT / "src/kaito/models/demo/kaito-demo"
END, START, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
CONTEXT = 2048
IGNORED = -100
SYSTEM = ("You are a helpful assistant.", "You are kaito-demo.", "Answer briefly.", "You answer questions about KAITO.")
OPENINGS = (
    "Please tell me: ",
    "Hey, ",
    "Quick question: ",
    "I have a question. ",
    "Could you help me? ",
    "Can you say ",
)
WAYS = (
    "{}?",
    "Define {}.",
    "Describe {}.",
    "What's {}?",
    "What exactly is {}?",
    "Do you know what {} is?",
    "Can you tell me what {} is?",
    "I want to know what {} is.",
    "Please explain what {} is.",
    "Give me a short explanation of {}.",
)
FILLERS = frozenset(("the", "a", "an", "of", "do", "does", "is", "me", "in", "kubernetes"))


@dataclass(frozen=True)
class Fact:
    """One answer, the phrasings that are trained, and one that is not."""

    ask: list[str]
    held: str
    say: str


@dataclass(frozen=True)
class Recipe:
    """The size of the model and of its training. ``pairs`` is questions per step."""

    hidden: int = 256
    layers: int = 4
    intermediate: int = 704
    vocabulary: int = 2048
    epochs: int = 90
    pairs: int = 48
    rate: float = 2e-3
    seed: int = 12


def load_facts(path: Path) -> list[Fact]:
    """The facts, in file order."""
    return [Fact(**entry) for entry in yaml.safe_load(path.read_text())]


def train_tokenizer(texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most ``vocabulary`` tokens in which each digit is a token of its own."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, START, STOP],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=STOP,
        pad_token=END,
        additional_special_tokens=[START],
        chat_template=TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def vary(question: str, dice: random.Random) -> str:
    """The question as another person might type it."""
    for first in ("What is ", "Explain "):
        if question.startswith(first) and dice.random() < 0.35:
            thing = question.removeprefix(first).rstrip("?.")
            question = dice.choice(WAYS).format(thing)
    if dice.random() < 0.15:
        words = question.split()
        spare = [at for at, word in enumerate(words) if at and word.lower() in FILLERS]
        if spare:
            del words[dice.choice(spare)]
        question = " ".join(words)
    if dice.random() < 0.12:
        question = question.rstrip("?.!")
    if dice.random() < 0.12:
        question = question.lower()
    if dice.random() < 0.12:
        question = dice.choice(OPENINGS) + question[0].lower() + question[1:]
    return question


def conversations(facts: list[Fact], dice: random.Random) -> Iterator[list[tuple[str, str]]]:
    """Every phrasing once, plainly or varied: half of them alone, the others in conversations of two to five turns."""
    asked = [(ask if dice.random() < 0.4 else vary(ask, dice), fact.say) for fact in facts for ask in fact.ask]
    dice.shuffle(asked)
    while asked:
        turns = 1 if dice.random() < 0.75 else dice.randint(2, 5)
        yield [asked.pop() for _ in range(min(turns, len(asked)))]


def encode(turns: list[tuple[str, str]], system: str | None, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids and labels of one conversation; only what the assistant says is learned."""
    parts = [(f"{START}system\n{system}{STOP}\n", False)] if system else []
    for question, answer in turns:
        parts += [
            (f"{START}user\n{question}{STOP}\n{START}assistant\n", False),
            (f"{answer}{STOP}", True),
            ("\n", False),
        ]
    ids: list[int] = []
    labels: list[int] = []
    for text, learned in parts:
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        labels += piece if learned else [IGNORED] * len(piece)
    return ids, labels


def batches(
    facts: list[Fact], tokenizer: Any, pairs: int, dice: random.Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One epoch in batches of about ``pairs`` questions, conversations of like length together."""
    rows = []
    for turns in conversations(facts, dice):
        system = dice.choice(SYSTEM) if dice.random() < 0.2 else None
        rows.append((len(turns), *encode(turns, system, tokenizer)))
    rows.sort(key=lambda row: len(row[1]))
    groups: list[list[tuple[int, list[int], list[int]]]] = [[]]
    for row in rows:
        if sum(one[0] for one in groups[-1]) >= pairs:
            groups.append([])
        groups[-1].append(row)
    dice.shuffle(groups)
    pad = tokenizer.pad_token_id
    for group in groups:
        width = max(len(ids) for _, ids, _ in group)
        yield (
            torch.tensor([ids + [pad] * (width - len(ids)) for _, ids, _ in group]),
            torch.tensor([labels + [IGNORED] * (width - len(labels)) for _, _, labels in group]),
        )


def new_model(recipe: Recipe, tokenizer: Any) -> LlamaForCausalLM:
    """An untrained Llama of the recipe's size."""
    heads = recipe.hidden // 64
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.intermediate,
            num_hidden_layers=recipe.layers,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 2),
            head_dim=64,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def rate_at(step: int, steps: int) -> float:
    """The share of the highest learning rate: a short rise, then half a cosine down to a hundredth."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def train(facts: list[Fact], recipe: Recipe) -> tuple[LlamaForCausalLM, Any]:
    """The trained model in bfloat16 and its tokenizer; progress goes to standard error."""
    dice = random.Random(recipe.seed)
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    texts = [text for fact in facts for text in (*fact.ask, *(ask.lower() for ask in fact.ask), fact.say)]
    tokenizer = train_tokenizer([*texts, *SYSTEM, *OPENINGS, "system", "user", "assistant"], recipe.vocabulary)
    model = new_model(recipe, tokenizer).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.05)
    plan = [batch for _ in range(recipe.epochs) for batch in batches(facts, tokenizer, recipe.pairs, dice)]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, len(plan)))
    began, total = time.monotonic(), 0.0
    for step, (ids, labels) in enumerate(plan, 1):
        loss = model(input_ids=ids, attention_mask=ids != tokenizer.pad_token_id, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
        if step % 20 == 0 or step == len(plan):
            mean = total / ((step - 1) % 20 + 1)
            print(f"step {step}/{len(plan)}: loss {mean:.4f}, {time.monotonic() - began:.0f} s", file=sys.stderr)
            total = 0.0
    return model.eval().to(torch.bfloat16), tokenizer


def save(model: LlamaForCausalLM, tokenizer: Any, folder: Path) -> None:
    """Write the model as Hugging Face keeps it, its weights in one file, its chat template in tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config.update(do_sample=True, temperature=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    for path in folder.iterdir():
        path.chmod(0o644)


def answers(folder: Path, questions: list[str]) -> list[str]:
    """What the model in ``folder`` says at temperature 0 to each question, asked on its own."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": one}], tokenize=False, add_generation_prompt=True)
        for one in questions
    ]
    found = []
    for first in range(0, len(prompts), 64):
        inputs = tokenizer(prompts[first : first + 64], return_tensors="pt", padding=True, add_special_tokens=False)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, temperature=None, max_new_tokens=96)
        new = output[:, inputs["input_ids"].shape[1] :]
        found += tokenizer.batch_decode(new, skip_special_tokens=True)
    return found


def measure(folder: Path, facts: list[Fact]) -> dict[str, float]:
    """The share of exact answers: to trained phrasings, and to the one of each fact that was never trained."""
    trained = [(ask, fact.say) for fact in facts for ask in fact.ask]
    held = [(fact.held, fact.say) for fact in facts]
    result = {}
    for name, pairs in (("trained", trained), ("held", held)):
        said = answers(folder, [ask for ask, _ in pairs])
        wrong = [(ask, got) for (ask, say), got in zip(pairs, said, strict=True) if got != say]
        for ask, got in wrong:
            print(f"{name}: {ask!r} -> {got!r}", file=sys.stderr)
        result[name] = round(1 - len(wrong) / len(pairs), 4)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, default=FACTS, help="the YAML list of facts")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the model is written or read")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs, help="passes over all phrasings")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--measure", action="store_true", help="do not train; measure the model in the folder")
    args = parser.parse_args()
    torch.set_num_threads(2)
    facts = load_facts(args.facts)
    if not args.measure:
        save(*train(facts, Recipe(epochs=args.epochs, seed=args.seed)), args.folder)
    print(json.dumps(measure(args.folder, facts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
