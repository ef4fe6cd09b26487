"""The binary form of built-in kinds, checked against bytes as Kubernetes clients write them."""

import pytest

from kaito.local.schema import wire


def envelope(api_version: str, kind: str, body: bytes) -> bytes:
    head = b"\x0a" + bytes([len(api_version)]) + api_version.encode()
    head += b"\x12" + bytes([len(kind)]) + kind.encode()
    return b"k8s\x00\x0a" + bytes([len(head)]) + head + b"\x12" + bytes([len(body)]) + body + b"\x1a\x00\x22\x00"


def test_decodes_a_config_map_as_a_client_sends_it() -> None:
    # metadata{name "cm", the zero strings and the empty time that a Go client writes}, data{"a": "b"}
    meta = b"\x0a\x02cm\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"
    body = b"\x0a" + bytes([len(meta)]) + meta + b"\x12\x06\x0a\x01a\x12\x01b"
    assert wire.decode(envelope("v1", "ConfigMap", body)) == {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"a": "b"},
    }  # fmt: skip


def test_a_zero_behind_a_pointer_is_a_value() -> None:
    # spec.replicas = 0 is not the same as no replicas: the default is one.
    decoded = wire.decode(envelope("apps/v1", "Deployment", b"\x12\x02\x08\x00"))
    assert decoded["spec"] == {"replicas": 0}


def test_encodes_a_status_byte_for_byte_as_a_real_server() -> None:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no",
              "reason": "NotAcceptable", "code": 406}  # fmt: skip
    body = b"\n\x06\n\x00\x12\x00\x1a\x00\x12\x07Failure\x1a\x02no\x22\rNotAcceptable0\x96\x03"
    assert wire.encode(status) == envelope("v1", "Status", body)


@pytest.mark.parametrize(
    "obj",
    [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "AAH/"}, "type": "Opaque"},
        {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "labels": {"a": "b"}, "creationTimestamp": "2026-01-02T03:04:05Z",
                         "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]},
            "spec": {
                "replicas": 0,
                "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
                "template": {
                    "metadata": {},
                    "spec": {
                        "containers": [{"name": "c", "resources": {"limits": {"cpu": "100m"}},
                                        "livenessProbe": {"tcpSocket": {"port": "http"}}}],
                        "volumes": [{"name": "v", "emptyDir": {}}],
                    },
                },
                "selector": {"matchLabels": {"a": "b"}},
            },
            "status": {},
        },
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {},
         "spec": {"renewTime": "2026-01-02T03:04:05.000007Z", "leaseDurationSeconds": 15}},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {}, "value": -5},
        {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
         "spec": {"user": "u", "extra": {"scopes": ["a", "b"]}}, "status": {"allowed": False}},
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {},
         "spec": {"group": "g", "names": {"plural": "p", "kind": "K"}, "scope": "Namespaced",
                  "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                      "properties": {"a": {"additionalProperties": True, "default": {"x": 1}},
                                     "b": {"items": {"type": "string"}, "maximum": 1.5}}}}}]}},
    ],
    ids=lambda obj: obj["kind"],
)  # fmt: skip
def test_what_is_encoded_decodes_to_the_same(obj: dict) -> None:
    encoded = wire.encode(obj)
    assert encoded is not None
    assert wire.decode(encoded) == obj


def test_kinds_of_a_group_share_the_delete_options() -> None:
    decoded = wire.decode(envelope("apps/v1", "DeleteOptions", b"\x08\x00\x22\x0aForeground"))
    assert (decoded["gracePeriodSeconds"], decoded["propagationPolicy"]) == (0, "Foreground")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{}", "expected prefix"),
        (b"k8s\x00\x0a\x7f", "unexpected EOF"),
        (b"k8s\x00" + b"\xff" * 12, "overflow"),
        (envelope("v1", "Nope", b""), 'no kind "Nope"'),
        (envelope("v1", "ConfigMap", b"\x0b"), "illegal wireType 3"),
        (envelope("v1", "ConfigMap", b"\x08\x01"), "wrong wireType"),
        (envelope("v1", "ConfigMap", b"\x0a\x04\x0a\x02\xff\xfe"), "not UTF-8"),
    ],
)
def test_rubbish_is_refused_by_name(raw: bytes, says: str) -> None:
    with pytest.raises(wire.WireError, match=says):
        wire.decode(raw)


def test_a_custom_kind_has_no_binary_form() -> None:
    assert wire.encode({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {}}) is None
