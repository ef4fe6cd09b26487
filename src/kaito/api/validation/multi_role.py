"""M rules: one model, a prefill and a decode, and the InferenceSet that each of them would be."""

from collections.abc import Iterable, Iterator
from typing import Final

from kaito.api.children import role_set
from kaito.api.errors import SpecError
from kaito.api.multi_role_inference import MultiRoleInference, Role
from kaito.api.names import is_label
from kaito.api.validation import inference_set
from kaito.api.validation.facts import AdmissionFacts
from kaito.api.validation.metadata import NOT_A_LABEL
from kaito.api.validation.moved import Places, moved, moved_lines, unsaid

KIND: Final = "MultiRoleInference"
MAX_NAME: Final = 45
"""Names of roles, replicas and pods are made of it, and go into labels."""
MODEL: Final = "spec.model.name"
SELECTOR: Final = "spec.labelSelector"
PICKER: Final = "spec.eppPluginsConfig"
PICKER_KEY: Final = "config.yaml"


def create_errors(new: MultiRoleInference, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a new MultiRoleInference."""
    found = [*_name_errors(new.name), *_selector_errors(new), *_type_errors(new)]
    if not new.spec.model.name:
        found.append(SpecError(MODEL, None, "is required: name the model that both roles serve"))
    return [*found, *unsaid(_role_errors(new, new.spec.roles, facts), found)]


def update_errors(old: MultiRoleInference, new: MultiRoleInference, facts: AdmissionFacts) -> list[SpecError]:
    """Every reason to refuse a change; a role is judged when what becomes of it changed."""
    was, wanted = old.spec.model.name, new.spec.model.name
    found: list[SpecError] = []
    if was != wanted:
        found.append(SpecError(MODEL, wanted, f"was {was!r} and cannot be changed: make a new {KIND}"))
    if old.spec.label_selector != new.spec.label_selector:
        found += _selector_errors(new)
    if [role.type for role in old.spec.roles] != [role.type for role in new.spec.roles]:
        found += _type_errors(new)
    before = [_template(old, role) for role in old.spec.roles]
    changed = [role for role in new.spec.roles if _template(new, role) not in before]
    return [*found, *unsaid(_role_errors(new, changed, facts), found)]


def advice(new: MultiRoleInference, facts: AdmissionFacts) -> Iterator[str]:
    """What is worth saying of a MultiRoleInference that is accepted."""
    said: dict[str, None] = {}
    for role in new.spec.roles:
        lines = inference_set.advice(role_set(new, role), facts)
        said.update(dict.fromkeys(moved_lines(lines, _places(new, role), KIND)))
    yield from said
    name = new.spec.epp_plugins_config
    place = (new.namespace, name or "")
    if not name or place not in facts.config_maps:
        return
    data = facts.config_maps[place]
    if data is None:
        yield f"{PICKER}: there is no ConfigMap {name!r} in namespace {new.namespace}: create it"
    elif PICKER_KEY not in data:
        yield f"{PICKER}: ConfigMap {name!r} has no key {PICKER_KEY}: put the configuration there"


def _name_errors(name: str) -> Iterator[SpecError]:
    if len(name) > MAX_NAME:
        fix = f"has {len(name)} characters and the names made of it have room for {MAX_NAME}: shorten it"
        yield SpecError("metadata.name", name, fix)
    elif not is_label(name):
        yield SpecError("metadata.name", name, NOT_A_LABEL)


def _selector_errors(new: MultiRoleInference) -> Iterator[SpecError]:
    selector = new.spec.label_selector
    if not selector.match_labels and not selector.match_expressions:
        yield SpecError(SELECTOR, None, "is empty: name a label that the nodes of both roles have")


def _type_errors(new: MultiRoleInference) -> Iterator[SpecError]:
    """Two roles of two types are one of each."""
    first, second = (role.type.value for role in new.spec.roles)
    if first == second:
        other = "decode" if first == "prefill" else "prefill"
        yield SpecError("spec.roles[1].type", second, f"is there twice: make one of them {other}")


def _role_errors(new: MultiRoleInference, roles: Iterable[Role], facts: AdmissionFacts) -> Iterator[SpecError]:
    """What both roles have in common is said once."""
    said: set[str] = set()
    for role in roles:
        for error in moved(inference_set.spec_errors(role_set(new, role), facts), _places(new, role), KIND):
            if str(error) not in said:
                yield error
            said.add(str(error))


def _template(owner: MultiRoleInference, role: Role) -> object:
    """What decides how a role's replicas are made: not their number."""
    spec = role_set(owner, role).spec
    return spec.label_selector, spec.template


def _places(owner: MultiRoleInference, role: Role) -> Places:
    """Where the author writes what becomes a role's InferenceSet."""
    field, template = f"spec.roles[{owner.spec.roles.index(role)}]", inference_set.TEMPLATE
    return {
        f"{template}.metadata.annotations": "metadata.annotations",
        f"{template}.metadata.labels": f"{SELECTOR}.matchLabels",
        f"{template}.resource": field,
        f"{template}.inference.config": f"{field}.runtimeConfig",
        f"{template}.inference.preset": "spec.model",
        f"{template}.inference.preset.presetOptions": "spec.model",
    }
