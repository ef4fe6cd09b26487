"""Where the cluster is and who we are: kubeconfig, exec plugins and in-cluster files, through lightkube's loader."""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx2
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError as LightkubeConfigError

from kaito.kube import errors
from kaito.kube.client import Response

IDLE_SECONDS = 75.0
"""A stream that says nothing for this long is dead: bookmarks arrive about every minute."""
CONNECT_SECONDS = 10.0


class ConfigError(Exception):
    """No usable kubeconfig; the message says what was looked for."""


class HttpTransport:
    """Requests over HTTP(S) with the kubeconfig's credentials. Needs a running event loop from its first request on."""

    def __init__(self, server: str, *, tls: ssl.SSLContext | None, auth: httpx2.Auth | None) -> None:
        self._server = server.rstrip("/")
        self._tls = tls
        self._auth = auth
        self._authorization: str | None = None
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """Send; a rotated token is read again once. Raises errors.Unavailable when nothing answers."""
        session = self._open()
        url = self._server + path
        try:
            answer = await session.request(method, url, params=query, headers=await self._with(headers), data=body)
            if answer.status == 401 and self._auth is not None:
                answer.release()
                self._authorization = None
                answer = await session.request(method, url, params=query, headers=await self._with(headers), data=body)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _unavailable(self._server, exc) from exc
        return Response(answer.status, answer.headers, self._chunks(answer))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS)
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    async def _with(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        if self._auth is not None and self._authorization is None:
            self._authorization = await _authorization(self._auth, self._server)
        extra = {"Authorization": self._authorization} if self._authorization else {}
        return dict(headers or {}) | extra

    async def _chunks(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise _unavailable(self._server, exc) from exc
        finally:
            answer.release()


async def _authorization(auth: httpx2.Auth, server: str) -> str | None:
    """The Authorization header that lightkube's scheme (token, token file, exec plugin, password) would send."""
    flow = auth.async_auth_flow(httpx2.Request("GET", server))
    try:
        request = await anext(flow)
        return request.headers.get("Authorization")
    except LightkubeConfigError as exc:
        raise ConfigError(str(exc)) from exc
    finally:
        await flow.aclose()


def _unavailable(server: str, exc: Exception) -> errors.Unavailable:
    text = str(exc) or type(exc).__name__
    return errors.Unavailable(503, "ServiceUnavailable", f"{server} does not answer: {text}")


@dataclass(frozen=True)
class ClusterConfig:
    """One context of a kubeconfig."""

    single: SingleConfig

    @property
    def namespace(self) -> str:
        return self.single.namespace

    def transport(self) -> HttpTransport:
        """A transport for this cluster. Raises ConfigError when a certificate file cannot be read."""
        cluster, user = self.single.cluster, self.single.user or User()
        tls = None
        if cluster.server.startswith("https"):
            try:
                tls = verify_cluster(cluster, user, self.single.abs_file, trust_env=False)
            except (OSError, ssl.SSLError) as exc:
                raise ConfigError(f"the certificates of cluster {cluster.server} cannot be read: {exc}") from exc
        return HttpTransport(cluster.server, tls=tls, auth=user_auth(user))


def load(path: Path | None = None, context: str | None = None) -> ClusterConfig:
    """The kubeconfig at ``path``; without one, the in-cluster account, $KUBECONFIG or ~/.kube/config.

    Raises ConfigError when there is none, or it names no usable context.
    """
    try:
        found = KubeConfig.from_file(path) if path is not None else KubeConfig.from_env()
        single = found.get(context)
    except LightkubeConfigError as exc:
        raise ConfigError(f"no usable kubeconfig: {exc}") from exc
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise ConfigError(f"{path or 'the kubeconfig'} is not a kubeconfig: {type(exc).__name__}: {exc}") from exc
    if single is None:
        raise ConfigError("the kubeconfig names no current context")
    return ClusterConfig(single)
