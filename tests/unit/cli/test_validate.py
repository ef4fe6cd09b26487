"""`kaito validate`: the judges of admission over files, with file and line; words, exit codes, lists for programs."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from kaito.cli import judging, manifests
from kaito.controllers import judges
from kaito.controllers.admission_facts import FactSettings
from tests.unit.cli.command import COMMAND, environment, kaito

ROOT = Path(__file__).parents[3]
GOOD = """\
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata:
  name: chat
resource:
  instanceType: Standard_NC24ads_A100_v4
  labelSelector:
    matchLabels: {apps: chat}
inference:
  preset:
    name: phi-4
"""
CONFIG = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  inference_config.yaml: |
    # for the engine
    vllm:
      max-model-len: LENGTH
"""
GATED = GOOD.replace("phi-4", "llama-3.1-8b-instruct")


def judged(
    text: str, settings: FactSettings | None = None, *, namespace: str = "default"
) -> tuple[list[tuple[int, str, str]], int]:
    """((line, severity, "field: message") of each finding, skipped objects)."""
    source = manifests.parse(text, "m.yaml")
    assert not source.faults
    said = asyncio.run(judging.verdict(source.manifests, settings or FactSettings(), namespace=namespace))
    return [(one.line, one.severity, f"{one.field}: {one.message}") for one in said.findings], said.skipped


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(GOOD.replace("phi-4", "phi-44"), 11, "inference.preset.name: 'phi-44' is not in", id="a value"),
        pytest.param(
            GOOD.replace("instanceType", "instanceTyp"), 6, "did you mean 'instanceType'?", id="a typing error"
        ),
        pytest.param(GOOD[: GOOD.index("inference")], 1, "inference: is missing", id="a part that is missing"),
        pytest.param(GOOD.replace("name: chat", "name: Chat"), 4, "metadata.name: 'Chat' must be", id="a name"),
        pytest.param(GATED, 10, "modelAccessSecret: is missing", id="a gated model: at the field's parent"),
        pytest.param(
            GOOD.replace("name: chat", "name: chat\n  annotations: {a: x, kaito.sh/use-local-weights: maybe}"),
            5,
            'metadata.annotations["kaito.sh/use-local-weights"]',
            id="an annotation",
        ),
        pytest.param(
            GOOD.replace("name: chat", "name: chat\n  annotations:\n    a: true"),
            6,
            'metadata.annotations["a"]: true must be text: write "true"',
            id="an annotation that is no text",
        ),
        pytest.param(
            f"apiVersion: v1\nkind: List\nitems:\n- {GOOD.replace('phi-4', 'phi-44').replace(chr(10), chr(10) + '  ')}",
            14,
            "is not in the catalogue",
            id="in a List",
        ),
        pytest.param(GOOD.replace("kind: Workspace", "kind: workspaces"), 2, "did you mean Workspace?", id="a kind"),
        pytest.param(GOOD.replace("v1beta1", "v1"), 1, "is no version of Workspace", id="a version"),
        pytest.param(GOOD.replace("kaito.sh/", "kaito.io/"), 1, "use kaito.sh/v1beta1 or", id="a group close to ours"),
        pytest.param(GOOD.replace("kaito.sh/v1beta1", "v1"), 1, "apiVersion: 'v1' has no Workspace", id="no group"),
        pytest.param(GOOD.replace("kind: Workspace\n", ""), 1, "kind: is required", id="no kind"),
        pytest.param("{}\n", 1, "apiVersion: is required", id="nothing at all"),
        pytest.param(
            "apiVersion: kaito.sh/v1beta1\nkind: InferenceSet\nmetadata: {name: a}\nspec:\n  replica: 1\n",
            5,
            "did you mean 'replicas'?",
            id="another kind of the group",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  port: 80\n",
            5,
            'data["port"]: 80 must be text: write "80"',
            id="a ConfigMap with a number",
        ),
    ],
)
def test_what_admission_refuses_is_told_at_its_line(text: str, line: int, says: str) -> None:
    found, _ = judged(text)
    assert [one for one in found if one[0] == line and one[1] == "error" and says in one[2]], found


def test_everything_that_admission_says_is_told() -> None:
    """Not one reason more or less than the webhook's own answer, where the schema has nothing to add."""
    text = GOOD.replace("phi-4", "phi-44").replace("name: chat", "name: Chat") + "  config: none\n  adapters: [{}]\n"
    obj = manifests.parse(text, "m.yaml").manifests[0].value
    source = judging.ClusterFacts(judging.Client(judging.Files([])), FactSettings())
    request = {"operation": "CREATE", "object": obj}
    refusal = judges.judge("Workspace", request, asyncio.run(source(request))).refusal
    assert refusal is not None
    assert sorted(one[2] for one in judged(text)[0]) == sorted(refusal.removeprefix("validation failed: ").splitlines())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param(FactSettings(), [], id="nothing is assumed"),
        pytest.param(FactSettings("karpenter"), ["resource.instanceType: is required"], id="made by karpenter"),
        pytest.param(FactSettings("byo"), [], id="brought"),
    ],
)
def test_who_makes_nodes_is_an_option(settings: FactSettings, says: list[str]) -> None:
    found, _ = judged(GOOD.replace("  instanceType: Standard_NC24ads_A100_v4\n", ""), settings)
    assert [text.partition(": ")[0] for _, _, text in found] == [one.partition(": ")[0] for one in says]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param(GOOD + "  config: settings\n", [], id="not in the files: not known"),
        pytest.param(GOOD + "  config: settings\n" + CONFIG.replace("LENGTH", "8K"), [], id="it is fine"),
        pytest.param(
            GOOD + "  config: settings\n" + CONFIG.replace("LENGTH", "lots"),
            [(21, "inference.config: inference_config.yaml: vllm.max-model-len: 'lots' is no length")],
            id="at its line of the ConfigMap",
        ),
        pytest.param(
            GOOD + "  config: settings\n" + CONFIG.replace("LENGTH", "1000000"),
            [(21, "inference.config: inference_config.yaml: vllm.max-model-len: 1000000 is more than the model's")],
            id="against the catalogue",
        ),
        pytest.param(
            GOOD + "  config: settings\n" + CONFIG.replace("max-model-len: LENGTH", "a: [1"),
            [(21, "inference.config: inference_config.yaml: is not valid YAML")],
            id="text that is no YAML",
        ),
        pytest.param(
            GOOD + "  config: settings\n" + CONFIG.replace("inference_config", "other"),
            [(12, "inference.config: 'settings' has no key inference_config.yaml")],
            id="without the key: where it is named",
        ),
        pytest.param(
            GOOD + "  config: settings\n" + CONFIG.replace("{name", "{namespace: else, name").replace("LENGTH", "lots"),
            [],
            id="of another namespace",
        ),
    ],
)
def test_a_config_map_in_the_files_is_looked_into(text: str, want: list[tuple[int, str]]) -> None:
    found, _ = judged(text)
    assert len(found) == len(want), found
    assert all(line == row and told.startswith(says) for (line, _, told), (row, says) in zip(found, want, strict=True))


def test_a_secret_in_the_files_is_known_by_its_keys() -> None:
    access = GATED + "    presetOptions: {modelAccessSecret: token}\n"
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {KEY: x}\n"
    assert judged(access)[0] == []
    assert judged(access + secret.replace("KEY", "HF_TOKEN"))[0] == []
    [(line, severity, text)] = judged(access + secret)[0]
    assert (line, severity) == (12, "warning")
    assert "Secret 'token' has no key HF_TOKEN" in text


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(GOOD.replace("v1beta1", "v1alpha1"), 1, "kaito.sh/v1alpha1 is deprecated", id="an old version"),
        pytest.param(
            "apiVersion: kaito.sh/v1alpha1\nkind: RAGEngine\nmetadata: {name: a}\n",
            1,
            "v1alpha1 RAGEngine",
            id="a kind",
        ),
        pytest.param(GOOD + "---\n" + GOOD, 16, "'chat' is a Workspace at m.yaml:1 too", id="an object twice"),
    ],
)
def test_what_is_worth_a_word_is_a_warning(text: str, line: int, says: str) -> None:
    assert [one for one in judged(text)[0] if one[0] == line and one[1] == "warning" and says in one[2]]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: many}\n", id="core"),
        pytest.param("apiVersion: example.com/v1\nkind: Workspace\nmetadata: {name: a}\n", id="a Workspace of others"),
        pytest.param("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", id="no group"),
    ],
)
def test_what_is_not_of_kaito_is_skipped(text: str) -> None:
    assert judged(text) == ([], 1)


def test_what_a_server_keeps_itself_is_not_judged() -> None:
    kept = GOOD.replace("name: chat", "name: chat\n  deletionTimestamp: '2024-01-01T00:00:00Z'\n  uid: a")
    assert judged(kept + "status: {junk: 1}\n")[0] == []
    assert judged(kept.replace("phi-4", "phi-44") + "status: {junk: 1}\n")[0] != []


@pytest.mark.parametrize(
    ("content", "args", "code", "says"),
    [
        pytest.param(GOOD, (), 0, "1 file, 1 object: no errors\n", id="accepted"),
        pytest.param(GOOD.replace("phi-4", "x"), (), 4, "{file}:11: inference.preset.name: 'x' is not", id="refused"),
        pytest.param(GOOD.replace("v1beta", "v1alpha"), (), 0, "{file}:1: warning: apiVersion: ", id="warned of"),
        pytest.param(GOOD.replace("v1beta", "v1alpha"), ("--strict",), 4, "1 object: 1 warning", id="strict"),
        pytest.param(f"{GOOD}kind: Pod\n", (), 1, "{file}:12: key 'kind' is there twice, first in line 2", id="keys"),
        pytest.param("", (), 1, "{file}: holds no object\n1 file, 0 objects: 1 error\n", id="empty"),
        pytest.param("- 1\n", (), 1, "{file}:1: a list is no object", id="no object"),
        pytest.param("\ufeff" + GOOD.replace("\n", "\r\n"), (), 0, "1 file, 1 object: no errors", id="of Windows"),
        pytest.param(b"\x7fELF\0\0", (), 1, "{file}: is binary, not a manifest", id="binary"),
        pytest.param(b"a: 1\nb: \xff\n", (), 1, "{file}:2: is not text in UTF-8: byte 0xff", id="another encoding"),
        pytest.param(GOOD.encode("utf-16"), (), 0, "1 file, 1 object: no errors", id="UTF-16"),
        pytest.param(b"#" * (33 << 20), (), 1, "{file}: is larger than 32 MiB: split it", id="too large"),
    ],
)
def test_the_exit_code_and_the_words(
    content: str | bytes, args: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = kaito("validate", "-f", str(file), *args, home=tmp_path)
    assert done.returncode == code, done.stdout
    assert says.format(file=file) in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_folders_and_standard_input_are_read(tmp_path: Path) -> None:
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "a.yaml").write_text(GOOD)
    (tmp_path / "in" / "notes.txt").write_text("none")
    (tmp_path / "in" / "below" / "b.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Service"}))
    said = kaito("validate", "-f", str(tmp_path / "in"), home=tmp_path).stdout
    assert said == "1 file, 1 object: no errors\n"
    said = kaito("validate", "-R", "-f", str(tmp_path / "in"), home=tmp_path).stdout
    assert said == "2 files, 2 objects (1 not of KAITO): no errors\n"
    missing = kaito("validate", "-f", str(tmp_path / "none.yaml"), home=tmp_path)
    assert (missing.returncode, "cannot be read" in missing.stdout) == (1, True)
    words, env = [*COMMAND, "validate", "-f", "-"], environment(tmp_path)
    piped = subprocess.run(
        words, input=GOOD.replace("phi-4", "x"), capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert piped.stdout.startswith("-:11: inference.preset.name:")


def test_a_program_gets_every_key(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(GOOD.replace("phi-4", "x"))
    [found] = json.loads(kaito("validate", "-f", str(file), "-o", "json", home=tmp_path).stdout)
    assert list(found) == ["file", "line", "column", "kind", "name", "field", "message", "severity"]
    assert list(found.values())[:6] == [str(file), 11, 5, "Workspace", "chat", "inference.preset.name"]
    file.write_text(GOOD)
    assert kaito("validate", "-f", str(file), "-o", "json", home=tmp_path).stdout == "[]\n"


def test_all_examples_are_accepted_without_a_word(tmp_path: Path) -> None:
    done = kaito("validate", "-R", "-f", str(ROOT / "examples"), "--strict", home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[0]) >= len(list((ROOT / "examples").rglob("*.yaml")))
