"""The parts of an object that have a path of their own: scale, binding, eviction, log, token; and the reviews."""

import copy
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from kaito.local.apiserver import checks, status, strategy
from kaito.local.apiserver.bodies import refuse
from kaito.local.apiserver.kinds import Kind
from kaito.local.apiserver.request import Request, Response, Target
from kaito.local.apiserver.store import Store
from kaito.local.apiserver.webhooks import USER, selector_matches
from kaito.local.apiserver.write_options import Options
from kaito.local.apiserver.writes import Writer
from kaito.local.schema.errors import FieldError, invalid_status

Object = dict[str, Any]


class Logs(Protocol):
    """Where logs come from. The first step of the answer raises the kubelet's LogError when there is none."""

    def __call__(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int | None, previous: bool,
        since: datetime | None, timestamps: bool,
    ) -> AsyncIterator[bytes]: ...  # fmt: skip


def selector_text(selector: Any) -> str:
    """A label selector in the form of a query option."""
    if not isinstance(selector, dict):
        return str(selector or "")
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for item in selector.get("matchExpressions") or ():
        values = ",".join(sorted(item.get("values") or ()))
        form = {"In": "{0} in ({1})", "NotIn": "{0} notin ({1})", "Exists": "{0}", "DoesNotExist": "!{0}"}
        terms.append(form[item["operator"]].format(item["key"], values))
    return ",".join(terms)


def _at(obj: Any, path: str) -> Any:
    for key in path.strip(".").split("."):
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def scale_of(kind: Kind, obj: Object) -> Object:
    """The autoscaling/v1 Scale of an object."""
    paths = kind.compiled.scale if kind.compiled else None
    if paths is not None:
        replicas, current = _at(obj, paths.spec_replicas), _at(obj, paths.status_replicas)
        selector = _at(obj, paths.label_selector) if paths.label_selector else ""
        if replicas is None:
            text = f"the spec replicas field {paths.spec_replicas!r} does not exist"
            raise status.internal(text.replace("'", '"'))
    else:
        replicas = (obj.get("spec") or {}).get("replicas")
        current = (obj.get("status") or {}).get("replicas", 0)
        selector = selector_text((obj.get("spec") or {}).get("selector"))
    meta = {key: obj["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if key in obj["metadata"]}  # fmt: skip
    found: Object = {"replicas": current or 0}
    if selector:
        found["selector"] = selector
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": found}


def rescaled(kind: Kind, obj: Object, scale: Object) -> Object:
    """The object with the replicas that a Scale asks for. Raises StatusError."""
    spec = scale.get("spec") or {}
    replicas = spec.get("replicas", 0)
    name = obj["metadata"]["name"]
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        text = 'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal a value that is no number '
        raise status.bad_request(text + "into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        error = FieldError("spec.replicas", "FieldValueInvalid", "must be greater than or equal to 0", replicas)
        if kind.type.custom:
            path = kind.compiled.scale.spec_replicas if kind.compiled and kind.compiled.scale else ".spec.replicas"
            refuse(kind, name, [FieldError(path, "FieldValueInvalid", "should be a non-negative integer", replicas)])
        raise status.StatusError(invalid_status("autoscaling", "Scale", name, [error]))
    result = copy.deepcopy(obj)
    path = kind.compiled.scale.spec_replicas if kind.compiled and kind.compiled.scale else ".spec.replicas"
    *parents, last = path.strip(".").split(".")
    place = result
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = replicas
    return result


class Subresources:
    """Answers for the paths below an object."""

    def __init__(self, store: Store, writer: Writer) -> None:
        self._store = store
        self._writer = writer
        self.logs: Logs | None = None
        self._tokens: dict[str, tuple[float, str]] = {}

    # --------------------------------------------------------------------------------------------------------- scale

    async def scale(
        self, kind: Kind, target: Target, make: Callable[[Object], Object] | None, options: Options
    ) -> Object:
        """The Scale, changed by ``make`` when one is given."""
        if make is None:
            return scale_of(kind, await self._writer.read(kind, target.namespace, target.name))

        def change(old: Object) -> Object:
            before = scale_of(kind, old)
            wanted = make(before)
            version = (wanted.get("metadata") or {}).get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                raise status.modified(kind.type.group, kind.type.plural, target.name)
            return rescaled(kind, old, wanted)

        new = await self._writer.change(kind, target, change, options)
        return scale_of(kind, new)

    # ---------------------------------------------------------------------------------------------------------- pods

    async def bind(self, kind: Kind, target: Target, body: Object, options: Options) -> Object:
        """Put a pod on a node."""
        node = (body.get("target") or {}).get("name")
        if not node:
            error = FieldError("target.name", "FieldValueRequired")
            raise status.StatusError(invalid_status("", "Binding", target.name, [error]))

        def change(old: Object) -> Object:
            uid = (body.get("metadata") or {}).get("uid")
            if uid and uid != old["metadata"]["uid"]:
                raise checks.uid_mismatch(kind, target.name, uid, old["metadata"]["uid"])
            current = old["spec"].get("nodeName")
            if current:
                text = f'pod {target.name} is already assigned to node "{current}"'
                raise status.conflict("", "pods/binding", target.name, text)
            if "deletionTimestamp" in old["metadata"]:
                text = f"pod {target.name} is being deleted, cannot be assigned to a host"
                raise status.conflict("", "pods/binding", target.name, text)
            new = copy.deepcopy(old)
            new["spec"]["nodeName"] = node
            found = new.setdefault("status", {})
            others = [item for item in found.get("conditions") or () if item["type"] != "PodScheduled"]
            condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None,
                         "lastTransitionTime": strategy.now()}  # fmt: skip
            found["conditions"] = [*others, condition]
            return new

        await self._writer.change(kind, target, change, options)
        return _created()

    async def evict(self, kind: Kind, target: Target, body: Object, options: Options) -> Object:
        """Delete a pod unless a disruption budget forbids it."""
        pod = await self._writer.read(kind, target.namespace, target.name)
        labels = pod["metadata"].get("labels") or {}
        for budget in self._store.list("poddisruptionbudgets.policy", target.namespace):
            if not selector_matches(budget["spec"].get("selector"), labels) or not budget["spec"].get("selector"):
                continue
            found = budget.get("status") or {}
            if found.get("disruptionsAllowed", 0) > 0:
                continue
            name = budget["metadata"]["name"]
            text = f"The disruption budget {name} needs {found.get('desiredHealthy', 0)} healthy pods and has "
            text += f"{found.get('currentHealthy', 0)} currently"
            raise status.refusal(
                429, "Cannot evict pod as it would violate the pod's disruption budget.",
                {"causes": [{"reason": "DisruptionBudget", "message": text}]},
            )  # fmt: skip
        plain = Target("", "v1", target.namespace, "pods", target.name, "")
        await self._writer.delete(kind, plain, body.get("deleteOptions") or {}, options)
        return _created()

    async def log(self, kind: Kind, target: Target, request: Request) -> AsyncIterator[bytes] | None:
        """The output of a container; None for a pod that no node has yet. Raises StatusError."""
        pod = await self._writer.read(kind, target.namespace, target.name)
        spec = pod["spec"]
        names = [item["name"] for key in ("initContainers", "containers") for item in spec.get(key) or ()]
        mains = [item["name"] for item in spec.get("containers") or ()]
        container = request.option("container")
        if not container:
            default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
            if len(mains) > 1 and default not in mains:
                text = f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(mains)}]"
                raise status.bad_request(text)
            container = default if default in mains else mains[0]
        elif container not in names:
            raise status.bad_request(f"container {container} is not valid for pod {target.name}")
        if not spec.get("nodeName"):
            return None
        if self.logs is None:
            raise status.refusal(503, "no kubelet runs in this cluster, so there are no logs")
        return self.logs(
            target.namespace, target.name, container, follow=request.flag("follow"), tail=_tail(request),
            previous=request.flag("previous"), since=_since(request), timestamps=request.flag("timestamps"),
        )  # fmt: skip

    # -------------------------------------------------------------------------------------------------------- tokens

    async def issue(self, kind: Kind, target: Target, body: Object) -> Object:
        """A token for a service account; good until it expires or the server stops."""
        await self._writer.read(kind, target.namespace, target.name)
        seconds = int((body.get("spec") or {}).get("expirationSeconds") or 3600)
        if seconds < 600:
            text = "may not specify a duration less than 10 minutes"
            error = FieldError("spec.expirationSeconds", "FieldValueInvalid", text, seconds)
            raise status.StatusError(invalid_status("authentication.k8s.io", "TokenRequest", target.name, [error]))
        token = secrets.token_urlsafe(32)
        self._tokens = {known: entry for known, entry in self._tokens.items() if entry[0] > time.time()}
        self._tokens[token] = (time.time() + seconds, f"system:serviceaccount:{target.namespace}:{target.name}")
        end = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        meta = {"name": target.name, "namespace": target.namespace, "creationTimestamp": strategy.now()}
        spec = {"audiences": ["https://kubernetes.default.svc"], "boundObjectRef": None} | (body.get("spec") or {})
        spec["expirationSeconds"] = seconds
        return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": meta, "spec": spec,
                "status": {"token": token, "expirationTimestamp": end}}  # fmt: skip

    def user_of(self, token: str) -> str | None:
        """The service account that a token was issued to."""
        entry = self._tokens.get(token)
        return entry[1] if entry is not None and entry[0] > time.time() else None

    def review(self, kind: Kind, body: Object, admin: Callable[[str], bool]) -> Object:
        """The answer to one of the kinds that are only asked: who am I, may I."""
        result = dict(body) | {"apiVersion": kind.type.api_version, "kind": kind.type.kind}
        result["metadata"] = {"creationTimestamp": None} | (body.get("metadata") or {})
        spec = body.get("spec") or {}
        if kind.type.kind == "SelfSubjectReview":
            user = {key: value for key, value in USER.items() if value}
            result["metadata"]["creationTimestamp"] = strategy.now()
            result["status"] = {"userInfo": user}
        elif kind.type.kind == "TokenReview":
            token = str(spec.get("token", ""))
            if admin(token):
                result["status"] = {"authenticated": True, "user": {k: v for k, v in USER.items() if v}}
            elif account := self.user_of(token):
                result["status"] = {"authenticated": True, "user": {"username": account}}
            else:
                result["status"] = {"user": {}, "error": "invalid bearer token"}
        elif kind.type.kind == "SelfSubjectRulesReview":
            everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            result["status"] = {"resourceRules": everything, "incomplete": False,
                                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}  # fmt: skip
        else:
            result["status"] = {"allowed": True, "reason": "the local cluster has one user, who may do everything"}
        return result


def _created() -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _whole(request: Request, name: str) -> int | None:
    text = request.option(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise status.bad_request(f'{name}: "{text}" is not a whole number') from None


def _tail(request: Request) -> int | None:
    tail = _whole(request, "tailLines")
    if tail is not None and tail < 0:
        raise status.bad_request(f"tailLines: {tail} must be greater than or equal to 0")
    return tail


def _since(request: Request) -> datetime | None:
    seconds = _whole(request, "sinceSeconds")
    if seconds is not None:
        return datetime.now(UTC) - timedelta(seconds=seconds)
    text = request.option("sinceTime")
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except ValueError:
        raise status.bad_request(f'sinceTime: "{text}" is not an RFC 3339 time') from None


def logs_response(stream: AsyncIterator[bytes]) -> Response:
    return Response(200, stream, "text/plain")
