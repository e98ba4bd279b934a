"""The Kubernetes API as raw JSON; every call ends in an answer or an error of ports.py.

Of kubernetes.aio only configuration, TLS, tokens and transport are used: its typed models drop
fields that they do not know and cost four times as much.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Self

import aiohttp
import orjson
from kubernetes.aio import config as login
from kubernetes.aio.client import ApiClient, Configuration

from rampguard.core.ask import Ref
from rampguard.ports import (
    Conflict,
    Forbidden,
    Gone,
    Json,
    NotFound,
    RampError,
    Refused,
    Resource,
    TimedOut,
    Unavailable,
)

OnCall = Callable[[str, str, str], None]  # verb, resource, result
Query = tuple[tuple[str, str], ...]

CALL = aiohttp.ClientTimeout(total=15, connect=5)
# The server sends a bookmark about once a minute: a longer silence is a dead stream.
WATCH = aiohttp.ClientTimeout(total=None, connect=5, sock_read=70)
WATCH_SECONDS = "290"  # whole: the server refuses "290.0"
LONGEST_LINE = 16 * 1024 * 1024  # bytes of one event of a watch
LONGEST_WAIT = timedelta(seconds=30)  # that a server may ask of us
RATE = 100.0  # calls a second, and the burst
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
ACCESS_REVIEWS = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
METHODS = {"patch": "PATCH", "update": "PUT", "create": "POST"}
OURS: Query = (("fieldManager", "rampguard"), ("fieldValidation", "Strict"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a call and a watch may take, and how many objects a page of a list holds."""

    call: aiohttp.ClientTimeout = CALL
    watch: aiohttp.ClientTimeout = WATCH
    page: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request. verb as in RBAC; writes: a lost answer leaves the outcome unknown."""

    verb: str
    resource: str
    name: str
    path: str
    query: Query = ()
    body: Any = None
    content: str = "application/json"
    writes: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name}".rstrip()

    def lost(self, why: str, retry_after: timedelta | None = None) -> Unavailable:
        """Return the error of a call that may or may not have been carried out."""
        kind = TimedOut if self.writes else Unavailable
        return kind(f"{self}: {why}", retry_after)


class KubernetesCluster:
    """Implements ports.Cluster; lives in the event loop that made it."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        log_in: Callable[[], Awaitable[None]] | None = None,
        on_call: OnCall | None = None,
        limits: Limits | None = None,
    ) -> None:
        # A watch holds a connection for minutes: a bounded pool would starve the calls.
        configuration.connection_pool_maxsize = 0
        self._api = ApiClient(configuration)
        self._api.user_agent = "rampguard"
        self._log_in = log_in
        self._on_call = on_call
        self._limits = limits or Limits()
        self._turn = 0.0

    @classmethod
    async def connect(cls, *, context: str | None = None, on_call: OnCall | None = None) -> Self:
        """Log in as the pod's service account, else by KUBECONFIG; a context means the latter.

        Refused if neither is there.
        """
        configuration = Configuration()

        async def log_in() -> None:
            await _log_in(configuration, context)

        try:
            await log_in()
        except login.ConfigException as error:
            raise Refused(
                f"no way to a cluster: {error}; run in a pod with a service account, or let"
                " KUBECONFIG name a file that has the context"
            ) from error
        return cls(configuration, log_in=log_in, on_call=on_call)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, resource: Resource, ref: Ref) -> Json:
        """Return the object as it stands now, never from a cache. NAMESPACES: Ref("", name)."""
        return await self._send(_one("get", resource, ref))

    async def list(
        self, resource: Resource, namespace: str | None, *, selector: str = "", fresh: bool = True
    ) -> tuple[Json, ...]:
        """Return all objects, page by page; the items carry neither apiVersion nor kind."""
        query: Query = (("labelSelector", selector),) if selector else ()
        start: Query = () if fresh else (("resourceVersion", "0"),)
        try:
            return await self._pages(_all("list", resource, namespace, query), start)
        except Gone:
            # The list aged between two pages; an answer in one piece cannot.
            whole = await self._send(_all("list", resource, namespace, query))
            return tuple(whole.get("items") or ())

    async def _pages(self, call: _Call, start: Query) -> tuple[Json, ...]:
        found: list[Json] = []
        limited = (*call.query, ("limit", str(self._limits.page)))
        page = (*limited, *start)
        while True:
            answer = await self._send(replace(call, query=page))
            found.extend(answer.get("items") or ())
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return tuple(found)
            page = (*limited, ("continue", token))

    async def watch(
        self, resource: Resource, namespace: str, *, selector: str
    ) -> AsyncIterator[Json]:
        """Yield each object as it stands, then each change; a deleted one as it last stood.

        What stands, as far as the server's cache knows, comes first: so nothing is lost between
        a list and a watch. Ends when the server ends it; raises Gone, and Unavailable after a
        long silence.
        """
        query = (
            ("watch", "true"),
            ("resourceVersion", "0"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", WATCH_SECONDS),
            ("labelSelector", selector),
        )
        call = _all("watch", resource, namespace, query)
        with self._counted(call):
            response = await self._open(call, self._limits.watch)
            try:
                if response.status != HTTPStatus.OK:
                    raise _error(call, response.status, _parsed(await response.read()))
                async for event in _events(call, response):
                    yield event
            finally:
                response.close()

    async def apply(self, ref: Ref, body: Json, *, dry_run: bool = False) -> Json:
        """Server-side apply to a Deployment as `rampguard`, forced, pinned by the body."""
        if not (body["metadata"].get("uid") and body["metadata"].get("resourceVersion")):
            raise ValueError("an apply without uid and resourceVersion could overwrite anybody")
        call = _one("patch", Resource.DEPLOYMENTS, ref)
        forced: Query = (*OURS, ("force", "true"))
        return await self._send(
            replace(
                call,
                query=(*forced, ("dryRun", "All")) if dry_run else forced,
                body=body,
                content="application/apply-patch+yaml",
                writes=not dry_run,
            )
        )

    async def merge_patch(self, resource: Resource, ref: Ref, body: Json) -> Json:
        """Merge-patch metadata; metadata.uid and resourceVersion in body pin it (Conflict)."""
        call = _write("patch", resource, ref, body)
        return await self._send(replace(call, content="application/merge-patch+json"))

    async def json_patch(self, resource: Resource, ref: Ref, patch: Sequence[Json]) -> Json:
        """JSON-patch an object; a failed `test` raises Conflict."""
        call = _write("patch", resource, ref, [*patch])
        return await self._send(replace(call, content="application/json-patch+json"))

    async def put_status(self, ref: Ref, body: Json) -> Json:
        """Replace the status of a ramp; metadata.resourceVersion in body is required (Conflict)."""
        call = _write("update", Resource.RAMPS, ref, body)
        return await self._send(
            replace(call, path=f"{call.path}/status", resource=f"{call.resource}/status")
        )

    async def create_event(self, event: Json) -> None:
        """Create an events.k8s.io/v1 Event; Conflict if its name exists."""
        metadata = event["metadata"]
        call = _all("create", Resource.EVENTS, metadata["namespace"], OURS)
        await self._send(replace(call, name=metadata["name"], body=event, writes=True))

    async def can_i(
        self, verb: str, resource: Resource, namespace: str | None, sub: str = ""
    ) -> bool:
        """Say whether we may (SelfSubjectAccessReview)."""
        root, _, plural = resource.rpartition("/")
        wanted = {
            "verb": verb,
            "group": root.split("/")[1] if root.startswith("apis/") else "",
            "resource": plural,
            "subresource": sub,
            "namespace": namespace or "",
        }
        review = _Call(
            verb="create",
            resource="selfsubjectaccessreviews",
            name=f"({verb} {plural})",
            path=ACCESS_REVIEWS,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": wanted},
            },
        )
        answer = await self._send(review)
        return (answer.get("status") or {}).get("allowed") is True

    async def _send(self, call: _Call) -> Json:
        with self._counted(call):
            response = await self._open(call, self._limits.call)
            with _transport(call):
                answer = _parsed(await response.read())
            if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                raise _error(
                    call, response.status, answer, _wait(response.headers.get("Retry-After"))
                )
            if not isinstance(answer, dict):
                raise call.lost("the answer is no JSON object; is this an API server?")
            return answer

    async def _open(self, call: _Call, limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send one request and wait for the head of its answer; log in again once on a 401."""
        await self._pace()
        with _transport(call):
            response = await self._request(call, limit)
            if response.status == HTTPStatus.UNAUTHORIZED and self._log_in is not None:
                response.release()
                await self._log_in()
                response = await self._request(call, limit)
            return response

    async def _request(self, call: _Call, limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        method, url, headers, body, _ = await self._api.param_serialize(
            METHODS.get(call.verb, "GET"),
            f"/{call.path}",
            query_params=list(call.query),
            header_params={"Accept": "application/json", "Content-Type": call.content},
            body=call.body,
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(method, url, headers, body, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _pace(self) -> None:
        """Wait for a turn: RATE calls a second, bursts of RATE."""
        now = asyncio.get_running_loop().time()
        self._turn = max(self._turn, now - 1.0) + 1.0 / RATE
        await asyncio.sleep(max(0.0, self._turn - now))

    @contextmanager
    def _counted(self, call: _Call) -> Iterator[None]:
        result = "cancelled"
        try:
            yield
            result = "ok"
        except RampError as error:
            result = type(error).__name__.lower()
            raise
        finally:
            if self._on_call is not None:
                self._on_call(call.verb, call.resource, result)


async def _log_in(configuration: Configuration, context: str | None) -> None:
    if context is None:
        try:
            login.load_incluster_config(configuration)
        except login.ConfigException:
            pass
        else:
            return
    await login.load_kube_config(
        context=context, client_configuration=configuration, persist_config=False
    )


def _all(verb: str, resource: Resource, namespace: str | None, query: Query) -> _Call:
    root, _, plural = resource.rpartition("/")
    below = f"namespaces/{_name(namespace)}/{plural}" if namespace else plural
    return _Call(
        verb=verb, resource=plural, name=namespace or "", path=f"{root}/{below}", query=query
    )


def _one(verb: str, resource: Resource, ref: Ref) -> _Call:
    every = _all(verb, resource, ref.namespace or None, ())
    return replace(every, name=str(ref).lstrip("/"), path=f"{every.path}/{_name(ref.name)}")


def _write(verb: str, resource: Resource, ref: Ref, body: Any) -> _Call:
    return replace(_one(verb, resource, ref), query=OURS, body=body, writes=True)


def _name(name: str) -> str:
    # A name goes into the path: `..` or a slash would reach another object.
    if not NAME.fullmatch(name):
        raise NotFound(f"{name!r} cannot be the name of an object")
    return name


@contextmanager
def _transport(call: _Call) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unavailable(f"{call}: the API server cannot be reached: {error}") from error
    except login.ConfigException as error:
        raise Unavailable(f"{call}: no credentials: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise call.lost(f"no answer: {error or type(error).__name__}") from error


def _parsed(raw: bytes) -> Any:
    """Return the JSON, or None where it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


async def _events(call: _Call, response: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    """Yield the objects of a watch's lines. An own line reader: aiohttp's refuses long lines."""
    rest = b""
    with _transport(call):
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = _parsed(line)
                match event:
                    case {"type": "BOOKMARK"}:
                        pass
                    case {"type": "ERROR", "object": {"code": int(code)} as status}:
                        raise _error(call, code, status)
                    case {"type": "ADDED" | "MODIFIED" | "DELETED", "object": dict(changed)}:
                        yield changed
                    case _:
                        raise Unavailable(f"{call}: a line is no event of a watch")
            if len(rest) > LONGEST_LINE:
                raise Unavailable(f"{call}: an event is longer than {LONGEST_LINE} bytes")


def _wait(header: str | None) -> timedelta | None:
    """Return what Retry-After asks for, within reason; None: nothing, or a date."""
    if header is None or not re.fullmatch(r"[0-9]{1,6}", header):
        return None
    return min(timedelta(seconds=int(header)), LONGEST_WAIT)


_NO_RIGHT = re.compile(r" cannot \S+ resource ")  # of the authorizer; admission says it otherwise


def _error(
    call: _Call, status: int, answer: Any, retry_after: timedelta | None = None
) -> RampError:
    """Translate an answer that is no success, in the server's words."""
    said = answer if isinstance(answer, dict) else {}
    words = f"{call}: {said.get('message') or f'HTTP {status} without a message'}"
    match status:
        case HTTPStatus.NOT_FOUND if (said.get("details") or {}).get("name"):
            return NotFound(words)
        case HTTPStatus.NOT_FOUND:  # of the kind, not of the object: as while a server starts
            return Unavailable(f"{words}; the API server does not serve this kind, or not yet")
        case HTTPStatus.FORBIDDEN if _NO_RIGHT.search(words):
            return Forbidden(words)
        case HTTPStatus.CONFLICT:
            return Conflict(words)
        case HTTPStatus.GONE:
            return Gone(words)
        case HTTPStatus.UNPROCESSABLE_ENTITY if _overtaken(call, said):
            return Conflict(words)
        case HTTPStatus.UNAUTHORIZED:
            return Unavailable(f"{words}; the token may have just been replaced")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Unavailable(words, retry_after)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return call.lost(str(said.get("message") or f"HTTP {status}"), retry_after)
    return Refused(words)


def _overtaken(call: _Call, said: Json) -> bool:
    """Say whether a 422 means that another object or value stands there now."""
    causes = (said.get("details") or {}).get("causes") or ()
    if call.content == "application/json-patch+json" and not causes:
        return True  # a failed `test`: the server gives it no cause
    return any(cause.get("field") == "metadata.uid" for cause in causes)
