"""Delivers notices: to channels through Apprise, to Grafana as annotations.

    channels.py   one channel: the URL in its file, one message
    grafana.py    one annotation
    templates.py  facts -> title and body, by the team's templates or by ours

Each channel has threads of its own: what hangs there holds nothing else. URLs and tokens come from
files, are read anew for each try, and never come out in an error.
"""

from rampguard.adapters.notices.channels import Channel
from rampguard.adapters.notices.grafana import Grafana
from rampguard.adapters.notices.notifier import ChannelNotifier

__all__ = ["Channel", "ChannelNotifier", "Grafana"]
