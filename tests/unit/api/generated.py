"""Objects drawn from a schema: what an API server would accept."""

from typing import Any

from hypothesis import strategies as st

from kaito.api.schemas import Schema

WORDS = st.sampled_from(["", "a", "b", "Standard_NC24ads_A100_v4", "x/y~z", "0"])
KEYS = st.sampled_from(["a", "b", "c.d/e", "t~n", "value"])
FREE = st.dictionaries(KEYS, st.one_of(WORDS, st.lists(WORDS, max_size=2), st.just({}), st.none()), max_size=2)


def objects(schema: Schema, kind: str, version: str) -> st.SearchStrategy[dict[str, Any]]:
    """Whole objects of a kind's version, as they are after the API server read them."""
    annotations = st.just({}) | st.just({"annotations": {"team/note": "kept"}})
    head = annotations.map(lambda more: {"name": "demo", "namespace": "team", "uid": "1", **more})
    body = {key: value for key, value in schema["properties"].items() if key not in ("apiVersion", "kind", "metadata")}
    drawn = values({**schema, "properties": body})
    return st.tuples(drawn, head).map(
        lambda both: {"apiVersion": f"kaito.sh/{version}", "kind": kind, "metadata": both[1], **both[0]}
    )


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that a structural schema accepts."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = {key: values(inner) for key, inner in schema["properties"].items()}
            required = schema.get("required", ())
            return st.fixed_dictionaries(
                {key: fields[key] for key in fields if key in required},
                optional={key: fields[key] for key in fields if key not in required},
            )
        case "object":
            return st.dictionaries(KEYS, values(schema["additionalProperties"]), max_size=2)
        case "array":
            most = schema.get("maxItems", 2)
            return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=most)
        case "integer":
            return st.integers(schema.get("minimum", -2), 2**31 - 1)
        case "boolean":
            return st.booleans()
        case "string" if "pattern" in schema:
            return st.sampled_from(["Ready", "workspaceFailed"])
        case "string":
            return st.just("2026-01-01T00:00:00Z") if schema.get("format") == "date-time" else WORDS
    return FREE
