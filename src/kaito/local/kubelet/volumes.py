"""A pod's volumes as folders on the host. Files of ConfigMaps and Secrets change in place through one symlink swap."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaito.local.kubelet.env import field_value, resource_value


class MountError(Exception):
    """A volume cannot be set up now; the text goes into a FailedMount Event."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where volume contents come from; both data lookups return None for an object that is not there."""

    config_map: Callable[[str], Mapping[str, Any] | None]
    secret: Callable[[str], Mapping[str, Any] | None]
    claim: Callable[[str], Path]
    allocatable: Mapping[str, str]


def materialise(pod: Mapping[str, Any], root: Path, lookup: Lookup) -> dict[str, Path]:
    """Make or refresh every volume of the pod under ``root``; returns volume name to folder."""
    folders: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        if "hostPath" in volume:
            folders[name] = _host_path(volume["hostPath"])
        elif "persistentVolumeClaim" in volume:
            folders[name] = lookup.claim(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            folders[name] = lookup.claim(f"{pod['metadata']['name']}-{name}")
        elif files := _files(volume, pod, lookup):
            folders[name] = root / name
            publish(folders[name], files[0])
        else:
            if set(volume) - {"name", "emptyDir"}:
                raise MountError(f"volume {name!r} of kind {sorted(set(volume) - {'name'})} is not supported here")
            folders[name] = root / name
            folders[name].mkdir(parents=True, exist_ok=True)
    return folders


def mounts(container: Mapping[str, Any], folders: Mapping[str, Path]) -> dict[str, Path]:
    """Container path to host path for each mount, with subPath."""
    result: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or []:
        if mount["name"] not in folders:
            raise MountError(f"volumeMount {mount['mountPath']!r} names volume {mount['name']!r}, which is not there")
        host = folders[mount["name"]]
        part = mount.get("subPath") or ""
        if part:
            if ".." in Path(part).parts:
                raise MountError(f"subPath {part!r} must not contain '..'")
            host = host / part
            if not host.exists():
                host.mkdir(parents=True)
        result[mount["mountPath"]] = host
    return result


def publish(folder: Path, files: Mapping[str, tuple[bytes, int]]) -> bool:
    """Make a folder hold exactly these files (content, mode); readers see old or new, never a mix. True if changed."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / "..data"
    if current.is_symlink() and _read_all(current) == dict(files):
        return False
    version = folder / f"..{time.time_ns()}"
    version.mkdir(mode=0o755)
    for name, (content, mode) in files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        path.chmod(mode)
    old = folder / current.readlink() if current.is_symlink() else None
    fresh = folder / "..data_tmp"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(version.name)
    fresh.replace(current)
    tops = {Path(name).parts[0] for name in files}
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    for name in tops:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _read_all(current: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(current)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in current.rglob("*")
        if path.is_file()
    }


def _files(
    volume: Mapping[str, Any], pod: Mapping[str, Any], lookup: Lookup
) -> tuple[dict[str, tuple[bytes, int]]] | None:
    """The files of a data volume in a one-tuple (they may be none); None for a volume of another kind."""
    if "configMap" in volume:
        source = volume["configMap"]
        mode = source.get("defaultMode", 0o644)
        return (_keys(lookup.config_map(source["name"]), source, kind="configmap", mode=mode),)
    if "secret" in volume:
        source = volume["secret"]
        # Kubernetes gives 0644 inside a container of its own; on a shared host only the owner may read.
        mode = source.get("defaultMode", 0o400) & 0o500
        named = {**source, "name": source["secretName"]}
        return (_keys(lookup.secret(source["secretName"]), named, kind="secret", mode=mode),)
    if "downwardAPI" in volume:
        return (_downward(volume["downwardAPI"], pod, lookup, mode=volume["downwardAPI"].get("defaultMode", 0o644)),)
    if "projected" in volume:
        files: dict[str, tuple[bytes, int]] = {}
        mode = volume["projected"].get("defaultMode", 0o644)
        for source in volume["projected"].get("sources") or []:
            files |= _projection(source, pod, lookup, mode)
        return (files,)
    return None


def _projection(
    source: Mapping[str, Any], pod: Mapping[str, Any], lookup: Lookup, mode: int
) -> dict[str, tuple[bytes, int]]:
    if "configMap" in source:
        part = source["configMap"]
        return _keys(lookup.config_map(part["name"]), part, kind="configmap", mode=mode)
    if "secret" in source:
        part = source["secret"]
        return _keys(lookup.secret(part["name"]), part, kind="secret", mode=mode & 0o500)
    if "downwardAPI" in source:
        return _downward(source["downwardAPI"], pod, lookup, mode=mode)
    raise MountError(f"projected source {sorted(source)} is not supported here")


def _keys(
    data: Mapping[str, Any] | None, source: Mapping[str, Any], *, kind: str, mode: int
) -> dict[str, tuple[bytes, int]]:
    optional = source.get("optional", False)
    if data is None:
        if optional:
            return {}
        raise MountError(f'{kind} "{source["name"]}" not found')
    content = {key: value if isinstance(value, bytes) else str(value).encode() for key, value in data.items()}
    items = source.get("items")
    if not items:
        return {key: (value, mode) for key, value in content.items()}
    files: dict[str, tuple[bytes, int]] = {}
    for item in items:
        if item["key"] not in content:
            if optional:
                continue
            raise MountError(f"references non-existent {kind} key: {item['key']}")
        limit = 0o500 if kind == "secret" else 0o777
        files[_inside(item["path"])] = (content[item["key"]], item.get("mode", mode) & limit)
    return files


def _downward(
    source: Mapping[str, Any], pod: Mapping[str, Any], lookup: Lookup, *, mode: int
) -> dict[str, tuple[bytes, int]]:
    files: dict[str, tuple[bytes, int]] = {}
    for item in source.get("items") or []:
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"])
        else:
            text = resource_value(pod, item["resourceFieldRef"], lookup.allocatable)
        files[_inside(item["path"])] = (text.encode(), item.get("mode", mode))
    return files


def _inside(path: str) -> str:
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise MountError(f"item path {path!r} must be relative and must not contain '..'")
    return path


def _host_path(source: Mapping[str, Any]) -> Path:
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(exist_ok=True)
    elif kind == "Directory" and not path.is_dir():
        raise MountError(f"hostPath type check failed: {path} is not a directory")
    elif kind == "File" and not path.is_file():
        raise MountError(f"hostPath type check failed: {path} is not a file")
    return path
