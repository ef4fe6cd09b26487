"""The two questions that every table asks."""

from collections.abc import Sequence

from kaito.api.errors import SpecError
from kaito.api.validation import validate_create, validate_update
from tests.unit.api.rules.objects import Changed, Created, workspace


def judge_created(case: Created) -> None:
    _check(validate_create(workspace(**case.changes), case.facts), case.field, case.says)


def judge_changed(case: Changed) -> None:
    found = validate_update(workspace(**case.before), workspace(**case.after), case.facts)
    _check(found, case.field, case.says)


def _check(found: Sequence[SpecError], field: str | None, says: str) -> None:
    assert [error.field for error in found] == ([field] if field is not None else []), [str(one) for one in found]
    if found:
        assert says in found[0].fix
