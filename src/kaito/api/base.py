"""What every `kaito.sh` kind is built on: strict or lenient decoding, and errors that name the field."""

import difflib
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from kaito.api.errors import SpecError, SpecErrors
from kaito.api.shape_errors import shape_errors

Object = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"

_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")

FreeForm = Annotated[Object, WithJsonSchema({PRESERVE: True})]
"""A core type of Kubernetes that the schema does not look into."""
Int32 = Annotated[int, Field(le=2**31 - 1, json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def rule(text: str, message: str) -> Object:
    """A field's extra: a rule in CEL that the API server checks by itself."""
    return {"x-kubernetes-validations": [{"rule": text, "message": message}]}


class Base(BaseModel):
    """Frozen, camelCase on the wire, and strict: a field we do not know is an error, not a silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Kind(Base):
    """A kind of the group: what all of them have beside their own fields."""

    api_version: str
    kind: str
    metadata: Object = Field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace", "default"))

    @property
    def annotations(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.metadata.get("annotations") or {}
        return found

    @classmethod
    def decode(cls, obj: Object, *, strict: bool = True) -> Self:
        """The typed object. With ``strict`` false, fields that a newer version wrote are left out, not refused.

        Raises SpecErrors with every field that is wrong.
        """
        if found := list(shape_errors(obj)):
            raise SpecErrors(found)
        if not strict:
            obj = _known_only(obj, cls)
        try:
            return cls.model_validate(obj)
        except ValidationError as exc:
            raise SpecErrors([_spec_error(cls, error) for error in exc.errors(include_url=False)]) from exc

    def encode(self) -> Object:
        """The object as it goes over the wire: camelCase, nothing unset."""
        encoded: Object = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return encoded


def _spec_error(root: type[Base], error: Mapping[str, Any]) -> SpecError:
    location = error["loc"]
    path = "".join(map(_step, location)).removeprefix(".")
    value = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            known = sorted(_fields_at(root, location[:-1]))
            close = difflib.get_close_matches(str(location[-1]), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
            return SpecError(path, None, f"is not a field of this API; {hint}")
        case "missing":
            return SpecError(path, None, "is required: set it")
        case "enum" | "literal_error":
            return SpecError(path, value, f"is not allowed: use {error['ctx']['expected']}")
    return SpecError(path, value if not isinstance(value, dict | list) else None, f"is wrong: {error['msg']}")


def _step(part: str | int) -> str:
    """A part of a path; a key that is no plain word is quoted, so that it can be told from what is around it."""
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _WORD.fullmatch(part) else f'["{part}"]'


def _model_of(annotation: Any) -> type[Base] | None:
    """The model behind an annotation such as X, X | None or list[X]; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Base):
        return annotation
    for part in get_args(annotation):
        if (found := _model_of(part)) is not None:
            return found
    return None


def _fields(model: type[Base]) -> Iterator[tuple[str, Any]]:
    """(name on the wire, annotation) of each field."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info.annotation


def _fields_at(root: type[Base], location: tuple[Any, ...]) -> set[str]:
    model: type[Base] | None = root
    for part in location:
        if isinstance(part, str) and model is not None:
            fields = dict(_fields(model))
            # A part that is no field is a key of a map: the model stays that of the map's values.
            model = _model_of(fields[part]) if part in fields else model
    return {name for name, _ in _fields(model)} if model is not None else set()


def _known_only(value: Any, annotation: Any) -> Any:
    """``value`` without the fields that its type does not know, at every depth."""
    if isinstance(annotation, type) and issubclass(annotation, Base):
        if not isinstance(value, dict):
            return value
        return {key: _known_only(value[key], inner) for key, inner in _fields(annotation) if key in value}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list and isinstance(value, list):
        return [_known_only(item, args[0]) for item in value]
    if origin is dict and isinstance(value, dict):
        return {key: _known_only(item, args[1]) for key, item in value.items()}
    if origin is Annotated:
        return _known_only(value, args[0])
    if origin in (Union, UnionType):
        for one in args:
            value = _known_only(value, one)
    return value
