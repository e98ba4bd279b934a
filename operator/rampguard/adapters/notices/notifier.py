"""The port: a notice becomes a message of a channel, or an annotation."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rampguard.adapters.notices.channels import Channel
from rampguard.adapters.notices.grafana import Grafana
from rampguard.adapters.notices.templates import Templates
from rampguard.core.ask import Ref
from rampguard.core.linking import of_notice
from rampguard.core.links import Templates as LinkTemplates
from rampguard.core.links import links
from rampguard.core.outbox import GRAFANA, Notice
from rampguard.ports import Refused

THREADS = 4  # of each channel
Log = Callable[..., None]


class ChannelNotifier:
    """Implements ports.Notifier. templates: a team's folder, if it is there."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        grafana: Grafana | None,
        templates: Path,
        link_templates: LinkTemplates,
        log: Log,
    ) -> None:
        self._channels = dict(channels)
        self._grafana = grafana
        self._templates = Templates(templates)
        self._links = link_templates
        self._log = log
        self._threads: dict[str, ThreadPoolExecutor] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the channels, in order, and GRAFANA where there is one."""
        return (*((GRAFANA,) if self._grafana else ()), *sorted(self._channels))

    async def deliver(self, channel: str, ramp: Ref, uid: str, notice: Notice) -> None:
        """Hand a notice over; raises Unavailable and Refused."""
        if channel == GRAFANA and self._grafana:
            await self._beside(channel, self._grafana.annotate, ramp, uid, notice)
        elif channel in self._channels:
            await self._beside(channel, self._send, self._channels[channel], ramp, uid, notice)
        else:
            known = ", ".join(sorted(self._channels)) or "none"
            raise Refused(f"no channel {channel} is configured; there are: {known}")

    def close(self) -> None:
        """Let go of all channels; what is under way there may still arrive."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, channel: Channel, ramp: Ref, uid: str, notice: Notice) -> None:
        service = channel.open()
        facts = self._facts(ramp, uid, notice)
        title, remark = self._templates.title(notice.kind, facts)
        body, more = self._templates.body(notice.kind, service.format, facts | {"remark": remark})
        for broken in filter(None, (remark, more)):
            self._log("warning", "template broken", ramp=str(ramp), error=broken)
        service.send(title, body)

    def _facts(self, ramp: Ref, uid: str, notice: Notice) -> dict[str, Any]:
        """Return what templates may use."""
        return {
            "kind": str(notice.kind),
            "about": notice.about,
            "text": notice.text,
            "details": notice.details,
            "namespace": ramp.namespace,
            "name": ramp.name,
            "experiment": notice.experiment,
            "env": notice.env,
            "origin": notice.origin,
            "to": notice.to,
            "owner": notice.owner or "",
            "at": notice.at,
            "links": links(self._links, of_notice(ramp, notice)),
            "key": f"{uid}/{notice.key}",
        }

    async def _beside(self, channel: str, work: Callable[..., None], *given: object) -> None:
        threads = self._threads.get(channel)
        if threads is None:
            threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"notices-{channel}")
            self._threads[channel] = threads
        await asyncio.get_running_loop().run_in_executor(threads, work, *given)
