"""Texts and values that have broken programs like this one, by what they pretend to be."""

from typing import Any

LONG = "a" * 5000
HUGE = "x" * 70_000
ODD = [
    "", " ", "\n", "a\nb: c", "\t", "\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x7f", "\u202eevil", "\ufeffa",
    "é", "ｆｕｌｌ",
    "日本", "😀", "٣", "²", "a b", "a/b/c", "a:b", "a@b", "{}", "[]", "null", "true", "NaN", "Infinity",
    "-Infinity", "1e999",
    "-1", "0", "1_0", "0x10", "%s%n", "${HOME}", "{{ 1 }}", "../../etc/passwd", "'; --", "<b>", "~", "~1", "/", "//",
    "$ref", "__proto__", "__class__", LONG,
]  # fmt: skip
NAMES = [
    "demo", "a", "a.b", "A", "-a", "a-", "a_b", "a" * 52, "a" * 53, "a" * 63, "a" * 64, "a" * 254, "1", "kaito",
]  # fmt: skip
MODELS = [
    "kaito-demo", "phi-4-mini-instruct", "llama-3.1-8b-instruct", "phi-2", "Phi-2", "falcon-7b", "nope", "org/model",
    "org/model/more", "microsoft/phi-4-mini-instruct", "/models/mine", "/models/../etc", "//", "/", " kaito-demo ",
]  # fmt: skip
MACHINES = [
    "Standard_NC24ads_A100_v4", "standard_nc24ads_a100_v4", "Standard_NC6s_v3", "Standard_ND96isr_H100_v5",
    "Standard_D4s_v5", "p4d.24xlarge", "nope", "",
]  # fmt: skip
URLS = [
    "https://example.com/data.parquet", "http://a", "ftp://a", "https://", "https:///x", "http://[::1]/", "http://[",
    "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.1/", "http://" + "9" * 5000 + "/",
    "http://0x" + "f" * 5000, "http://localhost.", "http://a:b/", "http://a:99999/", "http://a:-1",
    "http://user:pw@h/",
    "http://a\\b/", "http://a\nb/", "http://%61/", "http://１２７.0.0.1/", "http://a。b/", "http://[fe80::1%25eth0]/",
    "http://[v1.a]/", "http://\u2100.com/", "javascript:alert(1)", "https://" + "a." * 3000 + "com/",
    "http://[::ffff:1.2.3.4]",
]  # fmt: skip
IMAGES = [
    "registry.example/a:1", "a", "a:1", "a@sha256:" + "0" * 64, "a@sha256:1", "A/b", "localhost/a", "[::1]:5000/a:1",
    ":", "@", "a:", "a@", "a//b", "a:1:2", "a@b@c", "a" * 300, "a-" * 20_000, "a__" * 9000 + "!", "a." * 9000,
    "x" * 127 + ":" + "t" * 129, "http://a/b:1",
]  # fmt: skip
QUANTITIES = [
    "1", "1Gi", "1.5Gi", "-1Gi", "1e3", "1E", "1e", "0", "1Gb", "1 Gi", "9" * 400 + "Gi", "1e999999999", "100m", "+1",
]  # fmt: skip
CRONS = ["0 2 * * *", "* * * * *", "*/0 * * * *", "60 * * * *", "@daily", "@every 1h", "TZ=x 0 0 * * *", "0 0",
    "99999999999-1 * * * *"]  # fmt: skip
DURATIONS = ["1h", "4h0m0s", "1.5h", "-1h", "1", "1d", "99999999999h", "1ns", "1h1h1h", "h", "." * 100]
STRENGTHS = ["0", "1", "1.0", "0.5", "2", "nan", "inf", "1e-9", "1_0", "٣", "0x1", ""]
SLICES = ["1g.10gb", "1g.10.0gb", "7g.80gb", "0g.0gb", "9" * 5000 + "g.1gb", "1g." + "9" * 5000 + "gb", "1g"]
TIMES = ["2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "yesterday", "9999-99-99"]
ANNOTATIONS = {
    "kaito.sh/runtime": ["vllm", "transformers", "x"],
    "kaito.sh/bypass-resource-checks": ["true", "", "no"],
    "kaito.sh/performance-mode": ["balanced", "throughput", "x"],
    "kaito.sh/use-local-weights": ["true", "false", "x"],
    "kaito.sh/enablelb": ["true", "x"],
    "kaito.sh/disable-benchmark": ["true"],
    "kaito.sh/node-image-family": ["ubuntu", "AzureLinux", "x"],
    "kaito.sh/node-class-name": ["default", "x"],
    "kaito.sh/model-streaming": ["disabled", "x"],
    "kaito.sh/v1beta1-fields": [
        '{"/resource/partition":{"mode":"mig","profile":"1g.10gb"}}', '{"/resource/partition":1}', "{", "[]", "null",
        '{"/status/x":NaN}', '{"/resource/x":1e999}', '{"/a":' + "9" * 30 + "}", '{"/a/b":"\\ud800"}', '{"":1}',
        '{"/":1}', '{"//":{}}', '{"/metadata/name":"other"}', '{"/kind":"x"}', '{"/apiVersion":"x"}',
        '{"/spec/guardrails":{"enabled":true}}', '{"/status/conditions":' + "[" * 300 + "]" * 300 + "}",
        '{"/resource":' + '{"a":' * 990 + "1" + "}" * 990 + "}", '{"/spec/compute/instanceType":null}',
    ],
    "kaito.sh/v1alpha1-fields": [
        '{"/spec/queryServiceName":"q"}', '{"/spec/queryServiceName":1}', "{", '{"/spec":null}',
        '{"/spec":{"a":"\\ud800"}}',
        '{"/resource/labelSelector":"x"}',
    ],
}  # fmt: skip
"""By annotation: values that are right first, and others."""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k0: 1}\n" + "".join(
    f"{new}: &{new}\n  <<: [{', '.join(['*' + old] * 10)}]\n  k{new}: 1\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
CONFIGS = [
    "vllm:\n  max-model-len: 8192\n", "vllm: {max_model_len: 8K}", "vllm: {max-model-len: auto}", "vllm: 1",
    "vllm: []", "",
    "null", "1", "[]", "a: [", "\t", "\x00", "vllm: {max-model-len: 0x" + "f" * 5000 + "}", "vllm: 0x" + "f" * 5000,
    "0x" + "f" * 5000, "vllm: {max-model-len: " + "9" * 5000 + "}", "vllm: {max-model-len: 1:60:60}",
    "vllm: {1: 2, ? [a] : 1}",
    "vllm: {max-model-len: 2026-99-99}", "vllm: {max-model-len: .nan}", "vllm: {max-model-len: !!binary aaa}",
    "vllm: {max-model-len: [1]}", "&a [*a]", "&a {vllm: *a}", "&a {<<: *a}", "vllm: &a {<<: *a, max-model-len: *a}",
    "[" * 5000, "a:\n" * 3000, BOMB + "vllm: {max-model-len: *i}", BOMB + "vllm: *i", BOMB.replace("a: &a", "- &a", 1),
    MERGES + "vllm: *i", "vllm:\n" + "- {a: 1}\n" * 6_000,
    "a: &a " + "x" * 40_000 + "\nvllm: [" + "*a, " * 5000 + "]",
    "vllm: {max-model-len: 1}\n" + "# " + "x" * 200_000, "!!python/object/apply:os.system [a]",
    "vllm: {gpu-memory-utilization: .inf, tensor-parallel-size: 0x" + "f" * 5000 + ", kv-cache-dtype: {}}",
    "training_config: {QuantizationConfig: {load_in_4bit: true}, TrainingArguments: {output_dir: a}}",
    "training_config: {QuantizationConfig: {load_in_4bit: 1}, TrainingArguments: {output_dir: ../..}, Other: {}}",
    "training_config: {1: 2, null: 3, TrainingArguments: {output_dir: 0x" + "f" * 5000 + "}}", "training_config: []",
    BOMB + "training_config: {QuantizationConfig: *i}", "training_config: {TrainingArguments: {output_dir: /mnt/\x7f}}",
]  # fmt: skip
"""Texts in ConfigMaps."""
TEXTS = [*ODD, *NAMES, *MODELS, *MACHINES, *URLS, *IMAGES, *QUANTITIES, *CRONS, *DURATIONS, *STRENGTHS, *SLICES, *TIMES]
NUMBERS = [
    0,
    1,
    -1,
    2,
    10,
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    2**53,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    1.5,
    -0.0,
    1e308,
    1e-308,
]

SHAPES: list[Any] = [
    None, True, False, {}, [], [None], [[]], [{}], {"": ""}, {"a": None}, {"a": {"b": ["c"]}}, ["a", "a"], ["a"] * 1000,
    [{"name": "a"}] * 12, {f"k{n}": n for n in range(300)}, {LONG: 1}, {"a\nb": 1}, {"\x1b[2J": 1},
    {"matchLabels": {"a": 1}}, {"matchExpressions": [{"key": "a"}]},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "b"]}]},
    {"matchExpressions": [{"key": "a", "operator": "in", "values": []}]},
    {"matchLabels": {"a": "b"}, "matchExpressions": []},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}] * 50},
]  # fmt: skip
"""Values that are no text and no number."""
DEPTHS = [20, 90, 110, 300, 700]


def deep(depth: int, *, lists: bool = False) -> Any:
    """``depth`` objects, or lists, one in the other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value
