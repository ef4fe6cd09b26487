"""What admission accepts can be rendered, or there is a sentence that says why no plan is made for it."""

import asyncio
from typing import Any

import pytest
from hypothesis import assume, given

from kaito.api import kinds
from kaito.api.errors import SpecErrors
from kaito.api.shape_errors import shape_errors
from kaito.capacity.machines import GIB, Machine
from kaito.cli import rendering
from kaito.cli.errors import CliError
from kaito.models import catalogue
from kaito.workloads.inference import WorkloadSettings
from tests.fuzz import texts
from tests.fuzz.manifests import any_of
from tests.fuzz.schemas import complaints
from tests.fuzz.tally import TALLY, cases

Object = dict[str, Any]
HOST = Machine("this host", 0, 0, cpu_cores=4, memory=24 * GIB, available=20 * GIB)
WHERE = rendering.Target(
    WorkloadSettings(image="example.com/engine:1", kv_events=False, single_node=True), lambda: HOST
)
MADE = ("ControllerRevision", "Service", "StatefulSet")
pytestmark = pytest.mark.timeout(3600)


def config(number: int) -> Object:
    """The ConfigMap that drawn Workspaces name, with one of the texts."""
    data = {"inference_config.yaml": texts.CONFIGS[number % len(texts.CONFIGS)]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "short", "namespace": "team"}, "data": data}


@cases(60)
@given(any_of("Workspace"))
def test_what_is_accepted_can_be_rendered(obj: Object) -> None:
    assume(obj.get("kind") == "Workspace" and str(obj.get("apiVersion")).startswith("kaito.sh/v1"))
    assume(not list(shape_errors(obj)))
    try:
        kinds.decode(obj)
        manifest = rendering.Manifest.of([obj, config(len(repr(obj)))], namespace="team")
    except (CliError, SpecErrors) as exc:
        assert ": " in str(exc)
        return
    assume(complaints({key: value for key, value in obj.items() if key != "status"}) == [])
    (ws,) = manifest.workspaces
    name = (((ws.get("inference") or {}).get("preset") or {}).get("name") or "").strip()
    assume("/" not in name or catalogue.find(name) is not None)  # no hub and no folder is looked at here
    with TALLY.case("a Workspace is rendered", ws):
        try:
            made = asyncio.run(rendering.objects(ws, manifest, WHERE))
        except CliError as exc:
            assert ": " in str(exc)
        else:
            assert {one["kind"] for one in made} == set(MADE)
