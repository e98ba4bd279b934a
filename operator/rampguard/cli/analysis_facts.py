"""What `analyze -o json` tells: the summary of an export under stable names."""

from datetime import datetime
from typing import Any

from rampguard.cli.analysis import Export
from rampguard.cli.facts import VERSION
from rampguard.core.analytics import ArmCounts, Dashboard, Growth, Place, Refused, Slice, Summary
from rampguard.core.durations import show_duration


def of_analysis(export: Export, told: Summary) -> dict[str, Any]:
    """Return an analysis; shares are from 0 to 1."""
    return {
        "apiVersion": VERSION,
        "kind": "Analysis",
        "sources": list(export.sources),
        "lines": export.lines,
        "records": told.records,
        "outsideWindow": told.outside,
        "invalid": told.refused,
        "reasons": [
            {"reason": str(why.fault), "key": why.where or None, "count": count}
            for why, count in told.reasons
        ],
        "firstInvalid": [_refused(one) for one in told.first_refused],
        "since": _at(told.since),
        "until": _at(told.until),
        "experiment": told.experiment or None,
        "experiments": [{"name": name, "exposures": n} for name, n in told.experiments],
        "arms": [_arm(one, told) for one in told.arms],
        "silent": list(told.silent),
        "usersInBoth": told.in_both,
        "growth": [_growth(one) for one in told.growths],
        "inLine": told.in_line if told.growths else None,
        "allExposures": told.all_exposures and _dashboard(told.all_exposures),
        "newExposures": [_slice(one, told) for one in told.slices],
        "newExposuresEvery": show_duration(told.width),
        "sessionStartsWithoutArm": told.armless_starts,
        "otherEventsWithoutArm": told.armless,
        "notCounted": told.beyond,
        "outOfOrder": {
            "count": told.backwards.count,
            "furthest": show_duration(told.backwards.furthest),
            "first": [_place(one) for one in told.backwards.places],
        },
        "laterThanNow": told.ahead,
        "valid": told.valid,
        "exitCode": int(not told.valid),
    }


def _refused(one: Refused) -> dict[str, Any]:
    return {
        **_place(one.place),
        "reason": str(one.refusal.fault),
        "key": one.refusal.where or None,
        "message": one.refusal.words,
    }


def _place(place: Place) -> dict[str, Any]:
    return {"source": place.source, "line": place.line}


def _arm(one: ArmCounts, told: Summary) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "expected": one.arm in told.expected,
        "exposures": one.exposures,
        "byCookie": one.by_cookie,
        "users": one.users,
        "newUsers": one.new_users,
        "sessionStarts": one.session_starts,
        "otherEvents": one.other_events,
    }


def _growth(one: Growth) -> dict[str, Any]:
    return {
        "expected": one.expected,
        "treatment": one.treatment,
        "control": one.control,
        "interval": [one.interval.low, one.interval.high],
        "p": one.p,
        "inLine": one.in_line,
    }


def _dashboard(one: Dashboard) -> dict[str, Any]:
    return {
        "share": one.share,
        "expected": one.expected,
        "exposures": one.exposures,
        "byCookie": one.by_cookie,
        "shareByCookie": one.cookies,
    }


def _slice(one: Slice, told: Summary) -> dict[str, Any]:
    arms = {arm.arm: count for arm, count in zip(told.arms, one.exposures, strict=True)}
    return {"from": _at(one.start), "arms": arms}


def _at(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
