"""Conversion webhooks of custom kinds: what they are asked, and what they may answer.

One may change anything but an object's kind and its metadata; of the metadata, labels and annotations are its own.
"""

import copy
import uuid
from collections.abc import Sequence
from typing import Any

from kaito.local.apiserver import status
from kaito.local.apiserver.hook_client import CallError, HookClient
from kaito.local.schema.crd import CompiledCRD
from kaito.local.schema.validate_meta import validate_annotations, validate_labels

Object = dict[str, Any]
GROUP = "apiextensions.k8s.io"
SECONDS = 30
_KEPT = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))


class _Invalid(Exception):
    """One converted object is not what it may be; the message goes on after "returned "."""


def review(versions: Sequence[str], objs: Sequence[Object], wanted: str, uid: str) -> Object:
    """The ConversionReview to send, in the first of the webhook's ``versions`` that is known here. Raises CallError."""
    known = next((version for version in versions if version in ("v1", "v1beta1")), None)
    if known is None:
        raise CallError("no supported conversion review versions")
    request = {"uid": uid, "desiredAPIVersion": wanted, "objects": list(objs)}
    return {"kind": "ConversionReview", "apiVersion": f"{GROUP}/{known}", "request": request}


def answered(asked: Object, answer: Object) -> list[Any]:
    """The objects in a webhook's answer, unchecked. Raises CallError when it is none, or tells of a failure."""
    response = answer.get("response")
    if asked["apiVersion"].endswith("/v1"):
        given = (str(answer.get("apiVersion") or ""), str(answer.get("kind") or ""))
        if given != (asked["apiVersion"], asked["kind"]):
            expected = f"{asked['apiVersion']}, Kind={asked['kind']}"
            raise CallError(f"expected webhook response of {expected}, got {given[0]}, Kind={given[1]}")
    if not isinstance(response, dict):
        raise CallError("no response provided")
    if asked["apiVersion"].endswith("/v1") and response.get("uid") != asked["request"]["uid"]:
        raise CallError(f'expected response.uid="{asked["request"]["uid"]}", got "{response.get("uid") or ""}"')
    result = response.get("result") or {}
    if result.get("status") != "Success":
        said = result.get("message") or f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise CallError(str(said))
    found = response.get("convertedObjects") or []
    return found if isinstance(found, list) else []


def checked(original: Object, converted: Any, wanted: str) -> Object:
    """A converted object with the metadata that it must keep. Raises _Invalid."""
    if not isinstance(converted, dict):
        raise _Invalid(f"invalid type, expected=object, got={type(converted).__name__}")
    if converted.get("apiVersion") != wanted:
        raise _Invalid(f"invalid groupVersion (expected {wanted}, received {converted.get('apiVersion') or ''})")
    if converted.get("kind") != original["kind"]:
        raise _Invalid(f"invalid kind (expected {original['kind']}, received {converted.get('kind') or ''})")
    meta, mine = converted.get("metadata"), original["metadata"]
    if "metadata" not in converted:
        raise _Invalid("missing metadata in converted object")
    if not isinstance(meta, dict):
        raise _Invalid(f"invalid metadata of type {type(meta).__name__} in converted object")
    for key, word in _KEPT:
        if (mine.get(key) or "") != (meta.get(key) or ""):
            raise _Invalid(f"must have the same {word}: {mine.get(key) or ''} != {meta.get(key) or ''}")
    kept = copy.deepcopy(mine)
    for key in ("labels", "annotations"):
        given = meta.get(key)
        kept.pop(key, None)
        if given is not None:
            _check_map(key, given, mine.get(key))
            kept[key] = given
    return converted | {"metadata": kept}


def _check_map(key: str, given: Any, before: Any) -> None:
    if not isinstance(given, dict):
        raise _Invalid(f"invalid metadata.{key} of type {type(given).__name__} in converted object")
    for name, value in given.items():
        if not isinstance(value, str):
            what = type(value).__name__
            raise _Invalid(f"metadata.{key}[{name}] must be a string, but is {what} in converted object")
    if given == before:
        return
    errors = validate_labels(given, "metadata.labels") if key == "labels" else validate_annotations(given)
    if errors:
        raise _Invalid(", ".join(str(error) for error in errors))


def _refused(text: str) -> status.StatusError:
    return status.StatusError.of(500, "", text)


class Conversions:
    """Asks the conversion webhooks of custom kinds."""

    def __init__(self, client: HookClient) -> None:
        self._client = client

    async def convert(self, crd: CompiledCRD, objs: Sequence[Object], version: str) -> list[Object]:
        """The objects in another version, in their order. One webhook call for all that are not in it yet.

        Raises StatusError (500) when the webhook cannot be asked, or answers with what an object may not become.
        """
        wanted = crd.versions[version].type.api_version
        places = [place for place, obj in enumerate(objs) if obj["apiVersion"] != wanted]
        result = list(objs)
        if not places:
            return result
        assert crd.webhook is not None
        head = f"conversion webhook for {objs[places[0]]['apiVersion']}, Kind={crd.kind}"
        try:
            asked = review(crd.review_versions, [objs[place] for place in places], wanted, str(uuid.uuid4()))
            found = answered(asked, await self._client.post(crd.webhook, asked, SECONDS))
        except CallError as exc:
            raise _refused(f"{head} failed: {exc}") from exc
        if len(found) != len(places):
            raise _refused(f"{head} returned {len(found)} objects, expected {len(places)}")
        for index, (place, converted) in enumerate(zip(places, found, strict=True)):
            try:
                result[place] = checked(objs[place], converted, wanted)
            except _Invalid as exc:
                raise _refused(f"{head} returned invalid converted object at index {index}: {exc}") from exc
        return result
