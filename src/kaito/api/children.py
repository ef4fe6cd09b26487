"""What a kind is made of: an InferenceSet of Workspaces, a MultiRoleInference of InferenceSets.

Admission judges by them and controllers create from them, so that nothing is accepted that cannot be made.
"""

from collections.abc import Mapping
from typing import Any, Final

from kaito.api import keys
from kaito.api.common import InferenceSpec, LabelSelector, PresetOptions, PresetSpec, ResourceSpec
from kaito.api.inference_set import InferenceSet, InferenceSetSpec, InferenceSetTemplate, TemplateResource
from kaito.api.multi_role_inference import MultiRoleInference, Role
from kaito.api.workspace import Workspace

_RANDOM: Final = 6
"""Characters that an API server adds to a name, and the dash before them."""
_HANDED_ON: Final = ("kaito.sh/", "inference.kaito.sh/")
_KEPT_FIELDS: Final = (keys.V1ALPHA1_FIELDS, keys.V1BETA1_FIELDS)


def replica_of(owner: InferenceSet, *, brought: bool) -> Workspace:
    """The Workspace of one replica, without its owner reference; on nodes that are ``brought`` without machine type.

    A long name is cut so that what the API server makes of it can be served: find replicas by their label.
    """
    template, spec = owner.spec.template, owner.spec
    resource = template.resource or TemplateResource()
    return Workspace(
        metadata={
            "generateName": f"{owner.name[: keys.MAX_WORKSPACE_NAME - _RANDOM].rstrip('-')}-",
            "namespace": owner.namespace,
            "labels": _labels(owner),
            "annotations": _annotations(owner),
        },
        resource=ResourceSpec(
            label_selector=spec.label_selector,
            instance_type=None if brought else resource.instance_type,
            partition=resource.partition,
        ),
        inference=template.inference,
    )


def role_set(owner: MultiRoleInference, role: Role) -> InferenceSet:
    """The InferenceSet of one role, without its owner reference. Nodes are chosen by the author's own labels alone."""
    spec = owner.spec
    ours = {keys.MULTI_ROLE_LABEL: owner.name, keys.ROLE_LABEL: role.type.value}
    options = PresetOptions(model_access_secret=spec.model.model_access_secret)
    preset = PresetSpec(name=spec.model.name, preset_options=options if options.model_access_secret else None)
    handed = {key: value for key, value in texts(owner.annotations).items() if key.startswith(_HANDED_ON)}
    return InferenceSet(
        metadata={"name": f"{owner.name}-{role.type.value}", "namespace": owner.namespace, "labels": ours},
        spec=InferenceSetSpec(
            label_selector=LabelSelector(
                match_labels=spec.label_selector.match_labels, match_expressions=spec.label_selector.match_expressions
            ),
            # Absent: an autoscaler owns the number.
            **({} if role.replicas is None else {"replicas": role.replicas}),
            template=InferenceSetTemplate(
                metadata={"labels": {**(spec.label_selector.match_labels or {}), **ours}, "annotations": handed},
                resource=TemplateResource(instance_type=role.instance_type),
                inference=InferenceSpec(preset=preset, config=role.runtime_config),
            ),
        ),
    )


def texts(value: Any) -> dict[str, str]:
    """The pairs of ``value`` that are texts; none when it is no map. Templates are open to anything."""
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {key: one for key, one in pairs if isinstance(key, str) and isinstance(one, str)}


def _labels(owner: InferenceSet) -> dict[str, str]:
    own = texts(owner.metadata.get("labels"))
    roles = {key: own[key] for key in (keys.ROLE_LABEL, keys.MULTI_ROLE_LABEL) if key in own}
    return texts((owner.spec.template.metadata or {}).get("labels")) | roles | {keys.INFERENCE_SET_LABEL: owner.name}


def _annotations(owner: InferenceSet) -> dict[str, str]:
    """The template's. The runtime is the set's where the template names none: v0.12 asked the set, and told nobody."""
    own = texts(owner.annotations)
    found = texts((owner.spec.template.metadata or {}).get("annotations"))
    if keys.RUNTIME in own:
        found.setdefault(keys.RUNTIME, own[keys.RUNTIME])
    if own.get(keys.DISABLE_BENCHMARK) == "true":
        found[keys.DISABLE_BENCHMARK] = "true"
    return {key: value for key, value in found.items() if key not in _KEPT_FIELDS}
