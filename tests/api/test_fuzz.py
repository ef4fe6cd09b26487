"""Spoilt objects sent to an API server: stored, or refused for a reason, and never a fault of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kaito.api.crds import all_crds
from kaito.api.kinds import KINDS
from kaito.api.shape_errors import shape_errors
from tests.api.client import MERGE_PATCH, Api
from tests.fuzz.manifests import SERVED, WHOLE, spoilt
from tests.fuzz.tally import cases

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVER_FAULT = 500


@pytest.fixture(scope="module")
def kinds(api: Api) -> Iterator[Api]:
    """The definitions, served."""
    for crd in all_crds():
        api.create(CRDS, crd)
    for kind, version in SERVED:
        for _ in range(500):
            if api.request("GET", f"/apis/kaito.sh/{version}/{KINDS[kind].plural}").status_code == 200:
                break
    yield api
    for crd in all_crds():
        api.delete(f"{CRDS}/{crd['metadata']['name']}")
        api.wait(f"{CRDS}/{crd['metadata']['name']}", lambda found: found is None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "version"), SERVED)
@cases(25)
@given(data=st.data())
def test_a_spoilt_object_is_no_fault_of_the_server(kinds: Api, kind: str, version: str, data: st.DataObject) -> None:
    whole = WHOLE[kind, version].map(lambda obj: {**obj, "metadata": {"name": "fuzz"}})
    first, second = data.draw(spoilt(whole)), data.draw(spoilt(whole))
    assume(not [one for obj in (first, second) for one in shape_errors(obj) if "nested" in one.fix])
    info = KINDS[kind]
    where = f"/apis/kaito.sh/{version}" + ("/namespaces/default" if info.namespaced else "") + f"/{info.plural}"
    dry_run: dict[str, Any] = {"dryRun": "All"} if data.draw(st.booleans()) else {}
    answers = [
        kinds.request("POST", where, first, **dry_run),
        kinds.request("PUT", f"{where}/fuzz", second, **dry_run),
        kinds.request("PATCH", f"{where}/fuzz", second, headers={"Content-Type": MERGE_PATCH}),
        kinds.request("PUT", f"{where}/fuzz/status", second),
        kinds.request("DELETE", f"{where}/fuzz"),
    ]
    for answer in answers:
        assert answer.status_code < SERVER_FAULT, answer.text
        if answer.is_error:
            assert answer.json()["message"]
