"""Versions of one kind: what a definition without, and one with a conversion webhook means for its objects."""

from typing import Any

import pytest

from kaito.local.apiserver.kinds import Kind, Kinds
from kaito.local.apiserver.status import StatusError


def served(conversion: dict[str, Any]) -> Kinds:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": schema},
        {"name": "v1alpha1", "served": True, "storage": False, "schema": schema},
    ]
    names = {"plural": "boxes", "kind": "Box"}
    spec = {"group": "g.io", "scope": "Namespaced", "names": names, "versions": versions, "conversion": conversion}
    kinds = Kinds()
    kinds.put({"metadata": {"name": "boxes.g.io"}, "spec": spec})
    return kinds


def kind(kinds: Kinds, version: str) -> Kind:
    found = kinds.find("g.io", version, "boxes")
    assert found is not None
    return found


OLD = {"apiVersion": "g.io/v1alpha1", "kind": "Box", "metadata": {"name": "a"}, "spec": {"length": 1}}


def test_without_a_webhook_versions_differ_in_name_alone() -> None:
    kinds = served({"strategy": "None"})
    stored = kind(kinds, "v1alpha1").stored(OLD)
    assert stored == OLD | {"apiVersion": "g.io/v1"}
    assert kind(kinds, "v1alpha1").out(stored) == OLD


def test_what_a_webhook_would_have_to_convert_is_refused_and_loses_nothing() -> None:
    kinds = served({"strategy": "Webhook"})
    with pytest.raises(StatusError) as refused:
        kind(kinds, "v1alpha1").stored(OLD)
    assert refused.value.status["code"] == 500
    assert refused.value.status["message"] == (
        "Internal error occurred: conversion webhook for g.io, Kind=Box failed: this server does not call conversion "
        "webhooks, and the object is of g.io/v1alpha1: use the version v1"
    )
    new = OLD | {"apiVersion": "g.io/v1"}
    assert kind(kinds, "v1").stored(new) == new
    assert kind(kinds, "v1").out(new) == new
