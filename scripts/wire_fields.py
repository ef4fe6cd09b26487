"""Write the table of protobuf fields of the built-in kinds, read from the struct tags of Kubernetes' Go types.

    python scripts/wire_fields.py GO_SOURCES > src/kaito/local/schema/wire_fields.json

GO_SOURCES holds k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator, each as its
repository lays it out. The tags alone say all that the wire needs: number, JSON name, whether a zero is left out.
"""

import json
import re
import sys
from pathlib import Path

from kaito.local.schema.registry import BUILTIN

# Packages whose kinds are served only below other kinds, or as options.
EXTRA = ("meta/v1.DeleteOptions", "meta/v1.Status", "autoscaling/v1.Scale", "policy/v1.Eviction", "core/v1.Binding",
         "authentication/v1.TokenRequest")  # fmt: skip
# Values that are no structs in JSON: the codec knows how each is written.
SPECIAL = {
    "resource.Quantity": "quantity", "intstr.IntOrString": "intorstring", "runtime.RawExtension": "raw",
    "meta/v1.Time": "time", "meta/v1.MicroTime": "microtime", "meta/v1.FieldsV1": "raw",
    "apiextensions/v1.JSON": "raw",
}  # fmt: skip
UNIONS = ("JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")
BASIC = {"string": "string", "bool": "bool", "[]byte": "bytes", "float64": "double", "types.UID": "string"}
BASIC |= dict.fromkeys(("int", "int32", "int64", "uint8", "uint32", "uint64"), "int")
FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`")
WIRE = re.compile(r'protobuf:"(\w+),(\d+)')
JSON_TAG = re.compile(r'json:"([^"]*)"')


def package_of(path: str) -> str:
    """``k8s.io/api/core/v1`` is ``core/v1``; a package without a version keeps its last name."""
    last = path.split("/")[-2:]
    return "/".join(last) if re.fullmatch(r"v\d\w*", last[1]) else last[1]


class Sources:
    """The structs and aliases of every package read so far."""

    def __init__(self, root: Path) -> None:
        below = ("api", "apimachinery/pkg/apis", "apiextensions-apiserver/pkg/apis", "kube-aggregator/pkg/apis")
        self._places = [root / "k8s.io" / path for path in below]
        self._read: set[str] = set()
        self.structs: dict[str, list[tuple[str, str, str]]] = {}
        self.aliases: dict[str, str] = {}

    def load(self, package: str) -> None:
        if package in self._read:
            return
        self._read.add(package)
        for place in self._places:
            for path in sorted((place / package).glob("types*.go")):
                self._parse(package, path.read_text())

    def _parse(self, package: str, text: str) -> None:
        imports = {}
        for alias, path in re.findall(r'^(?:import)?\s*(\w+)?\s*"(k8s\.io/[^"]+)"', text, re.M):
            imports[alias or path.rsplit("/", 1)[-1]] = package_of(path)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            found = [FIELD.match(line) for line in body.splitlines()]
            fields = [(m[1] or "", qualify(m[2], package, imports), m[3]) for m in found if m]
            self.structs[f"{package}.{name}"] = fields
        for name in re.findall(r"^type (\w+) struct ?\{\}", text, re.M):
            self.structs[f"{package}.{name}"] = []
        for name, target in re.findall(r"^type (\w+) ([\w.*\[\]]+)$", text, re.M):
            self.aliases[f"{package}.{name}"] = qualify(target, package, imports)


def qualify(go_type: str, package: str, imports: dict[str, str]) -> str:
    """A Go type with every name made full: ``[]v1.Pod`` in apps is ``[]core/v1.Pod``."""

    def full(match: re.Match[str]) -> str:
        word = match[0]
        if word in BASIC or word in ("map", "byte"):
            return word
        owner, _, name = word.rpartition(".")
        if not owner:
            return f"{package}.{name}"
        return word if word in BASIC else f"{imports[owner]}.{name}"

    return re.sub(r"[A-Za-z_][\w.]*", full, go_type)


def wire_type(sources: Sources, go_type: str, needed: list[str]) -> str:
    """The table's word for a type; structs that it needs are added to ``needed``."""
    if go_type in BASIC:
        return BASIC[go_type]
    if go_type.startswith("*"):
        return wire_type(sources, go_type[1:], needed)
    if go_type.startswith("[]"):
        return "[]" + wire_type(sources, go_type[2:], needed)
    if go_type.startswith("map["):
        return "map:" + wire_type(sources, go_type.partition("]")[2], needed)
    if go_type in SPECIAL:
        return SPECIAL[go_type]
    package, _, name = go_type.rpartition(".")
    sources.load(package)
    if go_type in sources.structs:
        needed.append(go_type)
        return f"union:{go_type}" if name in UNIONS else go_type
    target = sources.aliases[go_type]
    # A named list is a message of its own on the wire; other aliases are what they stand for.
    if target.startswith("[]"):
        return "items:" + wire_type(sources, target[2:], needed)
    return wire_type(sources, target, needed)


def table(sources: Sources, roots: list[str]) -> dict[str, dict[str, str]]:
    result: dict[str, dict[str, str]] = {}
    needed = list(roots)
    while needed:
        message = needed.pop()
        if message in result:
            continue
        sources.load(message.rpartition(".")[0])
        fields = result[message] = {}
        for go_name, go_type, tags in sources.structs[message]:
            wire = WIRE.search(tags)
            if wire is None:
                continue
            tag = JSON_TAG.search(tags)
            name, *options = tag[1].split(",") if tag else [go_name]
            # A pointer's zero is a value; so is one that JSON always shows.
            kept = "" if "omitempty" in options and not go_type.startswith("*") else "!"
            inline = not name and not go_name
            fields[wire[2]] = f"{'.' if inline else name} {kept}{wire_type(sources, go_type, needed)}"
    return result


def main() -> None:
    sources = Sources(Path(sys.argv[1]))
    roots = list(EXTRA)
    for kind in BUILTIN:
        package = f"{kind.group.partition('.')[0] or 'core'}/{kind.version}"
        sources.load(package)
        names = (kind.kind, kind.list_kind)
        roots += [f"{package}.{name}" for name in names if f"{package}.{name}" in sources.structs]
    found = table(sources, roots)
    lines = [f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
