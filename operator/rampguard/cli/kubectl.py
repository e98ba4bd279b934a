"""The cluster, asked through `kubectl`: it is there, and brings every way to log in."""

import contextlib
import json
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Any, Self

from rampguard.api.raw import Json, items, part, text
from rampguard.cli.exits import Exit, Told
from rampguard.cli.refusals import NOT_FOUND, Failed, explained

KIND = "experimentramps.v1alpha1.rampguard.dev"
PATIENCE = "--request-timeout=30s"
FORWARDED = timedelta(seconds=20)  # until kubectl says where it listens
BLOCK = 2**16  # bytes
ABSENT = (
    "kubectl is not on the PATH, and `kubectl ramp` asks the cluster through it;"
    " install it: https://kubernetes.io/docs/tasks/tools/"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which cluster, as whom, and where in it; "" leaves the choice to kubectl."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""
    user: str = ""

    def flags(self) -> list[str]:
        """Return the flags that say so to kubectl; = keeps a value from reading as a flag."""
        told = {
            "--namespace": self.namespace,
            "--context": self.context,
            "--kubeconfig": self.kubeconfig,
            "--as": self.user,
        }
        return [f"{flag}={value}" for flag, value in told.items() if value]

    @property
    def where(self) -> str:
        """Name the namespace, for people."""
        return f"namespace {self.namespace}" if self.namespace else "the current namespace"


class Kubectl:
    """Reads and patches ramps; a failure is a Told that says what, where and what to do."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach

    def get(self, name: str) -> Json:
        """Return one ramp; where there is none of that name, near names are told."""
        try:
            return self._json(f"read {name}", "get", KIND, name, "--output=json", PATIENCE)
        except Failed as failed:
            if failed.kind == NOT_FOUND:
                raise self._nothing_named(name) from failed
            raise

    def every(self, *, everywhere: bool = False) -> list[Json]:
        """Return all ramps of the namespace, or of all, by name."""
        more = ["--all-namespaces"] if everywhere else []
        told = self._json("list ramps", "get", KIND, "--output=json", PATIENCE, *more)
        return list(items(told.get("items")))

    def names(self) -> tuple[str, ...]:
        """Return the names of all ramps of the namespace; none where that cannot be told."""
        try:
            return tuple(text(part(ramp, "metadata").get("name")) for ramp in self.every())
        except Told:
            return ()

    def patch(self, name: str, namespace: str, patch: Json) -> None:
        """Merge a patch into one ramp."""
        written = json.dumps(patch, separators=(",", ":"))
        arguments = [f"--namespace={namespace}", "--type=merge", f"--patch={written}", PATIENCE]
        self._run(f"change {name}", "patch", KIND, name, *arguments)

    def user(self) -> str:
        """Return who asks, as the API server sees it; "" where it does not tell."""
        try:
            told = self._json("ask who you are", "auth", "whoami", "--output=json", PATIENCE)
        except Told:
            return ""
        return text(part(told, "status", "userInfo").get("username"))

    def context(self) -> str:
        """Return the name of the context that is used; "" in a pod, where there is none."""
        if self.reach.context:
            return self.reach.context
        try:
            return self._run("read the kubeconfig", "config", "current-context").strip()
        except Told:
            return ""

    def operators(self) -> list[Json]:
        """Return the Deployments that run an operator."""
        label = "--selector=app.kubernetes.io/name=rampguard"
        told = self._json(
            "look for the operator",
            *("get", "deployments.apps", "--all-namespaces", label, "--output=json", PATIENCE),
        )
        return list(items(told.get("items")))

    def watch(self, name: str) -> "Watch":
        """Begin to watch one ramp; it comes first as it is, then at each change.

        As a list of one: of a single object kubectl drops what happens while the watch begins.
        """
        only = f"--field-selector=metadata.name={name}"
        how = ("--watch", "--output-watch-events", "--output=json")
        return Watch(self._command("get", KIND, only, *how))

    def forward(self, namespace: str, deployment: str, port: int) -> "Forward":
        """Reach a port of a pod of a Deployment from here."""
        target, where = f"deployment/{deployment}", f"--namespace={namespace}"
        return Forward(self._command("port-forward", target, f":{port}", where))

    def output(self, namespace: str, deployment: str, *words: str) -> Iterator[bytes]:
        """Yield what a program in a pod of a Deployment writes; Told where it fails."""
        where = f"--namespace={namespace}"
        command = self._command("exec", f"deployment/{deployment}", where)
        # Complaints go to a file: a full pipe would stop kubectl.
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(  # noqa: S603 - no shell, see _command
                [*command, "--", *words], stdout=subprocess.PIPE, stderr=complaints
            ) as process,
        ):
            while block := process.stdout.read(BLOCK) if process.stdout else b"":
                yield block
            process.wait()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace")
        if process.returncode:
            raise explained("run a program in the operator's pod", _place(command), said)

    def _nothing_named(self, name: str) -> Told:
        from difflib import get_close_matches  # noqa: PLC0415 - only on this way out

        there = self.names()
        near = get_close_matches(name, there, n=3, cutoff=0.5) or sorted(there)[:5]
        hint = (
            f"there are: {', '.join(near)}"
            if near
            else "there is no ramp at all; look elsewhere with: kubectl ramp list -A"
        )
        return Told(f"no ramp {name} in {self.reach.where}; {hint}", Exit.UNREACHED)

    def _json(self, what: str, *arguments: str) -> Json:
        answer = self._run(what, *arguments)
        try:
            return part(json.loads(answer))
        except ValueError as error:
            raise Told(
                f"cannot {what}: kubectl answered something else than JSON", Exit.UNREACHED
            ) from error

    def _run(self, what: str, *arguments: str) -> str:
        command = self._command(*arguments)
        done = subprocess.run(  # noqa: S603 - no shell, and values stand behind their flag
            command, check=False, capture_output=True, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
        if done.returncode:
            raise explained(what, _place(command), done.stderr)
        return done.stdout

    def _command(self, *arguments: str) -> list[str]:
        program = shutil.which("kubectl")
        if program is None:
            raise Told(ABSENT, Exit.UNREACHED)
        flags = self.reach.flags()
        if any(one.startswith(("--namespace=", "--all-namespaces")) for one in arguments):
            flags = [flag for flag in flags if not flag.startswith("--namespace=")]
        return [program, *arguments, *flags]


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch."""

    type: str  # "ADDED" | "MODIFIED" | "DELETED"
    object: Json


@dataclass(frozen=True, slots=True)
class Over:
    """A watch has ended; error: kubectl's words, "" when it ended by itself."""

    error: str


class Watch:
    """A `kubectl get --watch` under way; leaving its context ends it."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - no shell, see Kubectl._command
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
        self._told: queue.SimpleQueue[Change | Over] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        # A login helper that outlives kubectl may hold its pipes; it does not hold us.
        self._listener.join(timeout=1)

    def next(self, patience: timedelta) -> Change | Over | None:
        """Return the next event; None: there was none in that time."""
        with contextlib.suppress(queue.Empty):
            return self._told.get(timeout=max(0.0, patience.total_seconds()))
        return None

    def _listen(self) -> None:
        words: list[str] = []
        # Both pipes are drained at once: a full one would stop kubectl.
        other = threading.Thread(target=lambda: words.append(_all(self._process.stderr)))
        other.daemon = True
        other.start()
        for told in _documents(self._process.stdout):
            self._told.put(Change(text(told.get("type")), part(told, "object")))
        other.join()
        failed = self._process.wait() != 0
        self._told.put(Over(("".join(words) or "kubectl failed") if failed else ""))


class Forward:
    """A `kubectl port-forward` under way; leaving its context ends it."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process = subprocess.Popen(  # noqa: S603 - no shell, see Kubectl._command
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
        self._words = ""
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> int:
        """Return the port of this machine that leads there."""
        told = ""
        with contextlib.suppress(queue.Empty):
            told = self._told.get(timeout=FORWARDED.total_seconds())
        found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ->", told)
        if found:
            return int(found[1])
        words = self._end() or "kubectl does not say where it listens"
        raise explained("reach the operator", _place(self._command), words)

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> str:
        """Stop kubectl and return what it complained of."""
        self._process.kill()
        self._process.wait()
        self._listener.join(timeout=1)
        return self._words

    def _listen(self) -> None:
        # Both pipes are drained: kubectl writes a line for each connection, and must not stop.
        for row in _rows(self._process.stdout):
            self._told.put(row)
        self._told.put("")
        self._words = _all(self._process.stderr)


def _place(command: list[str]) -> str:
    """Name the namespace that a command is about, for people."""
    if "--all-namespaces" in command:
        return "all namespaces"
    flag = "--namespace="
    told = next((one.removeprefix(flag) for one in command if one.startswith(flag)), "")
    return f"namespace {told}" if told else "the current namespace"


def _all(stream: IO[str] | None) -> str:
    if stream is None:
        return ""
    with stream:
        return stream.read()


def _rows(stream: IO[str] | None) -> Iterator[str]:
    if stream is not None:
        with stream:
            yield from stream


def _documents(stream: IO[str] | None) -> Iterator[Json]:
    """Yield the JSON documents of a stream, on one line or indented; no string has a raw end."""
    kept: list[str] = []
    with stream or contextlib.nullcontext(()) as rows:
        for row in rows:
            kept.append(row)
            if row.startswith("}") or (len(kept) == 1 and row.rstrip().endswith("}")):
                found: Any = None
                with contextlib.suppress(ValueError):
                    found = json.loads("".join(kept))
                kept.clear()
                yield part(found)
