import io
import json
import logging
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rampguard.adapters.telemetry import RealTelemetry
from rampguard.core.ask import Ref

RAMP = Ref("shop", "tree")
FIGURES = {
    "phase": "Soaking",
    "share": 0.5,
    "proven": 6,
    "lagging": 0,
    "blind": 12.5,
    "overdue": 0.0,
    "guardrails": {
        "balance": {"value": 0.497, "low": 0.45, "high": 0.55, "verdict": "WithinTolerance"},
        "errors": {"value": None, "low": None, "high": 0.01, "verdict": "NoData"},
    },
}


def samples(ours: RealTelemetry) -> dict[str, float]:
    """Metrics of our own, as Prometheus would read them."""
    rendered = ours.render().decode()
    assert list(text_string_to_metric_families(rendered))
    shown = (line.rsplit(" ", 1) for line in rendered.splitlines() if line.startswith("rampguard"))
    return {name.removeprefix("rampguard_"): float(value) for name, value in shown}


def of_ramps(ours: RealTelemetry) -> dict[str, float]:
    return {key: value for key, value in samples(ours).items() if 'namespace="' in key}


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_ramp_is_shown_by_its_figures():
    ours = RealTelemetry()
    ours.show_ramp(RAMP, FIGURES)
    assert of_ramps(ours) == {
        'ramp_phase{name="tree",namespace="shop",phase="Soaking"}': 1,
        'ramp_share{name="tree",namespace="shop"}': 0.5,
        'pods_proven{name="tree",namespace="shop"}': 6,
        'pods_lagging{name="tree",namespace="shop"}': 0,
        'blind_seconds{name="tree",namespace="shop"}': 12.5,
        'ramp_overdue_seconds{name="tree",namespace="shop"}': 0,
        'guardrail_value{guardrail="balance",name="tree",namespace="shop"}': 0.497,
        'guardrail_limit_low{guardrail="balance",name="tree",namespace="shop"}': 0.45,
        'guardrail_limit_high{guardrail="balance",name="tree",namespace="shop"}': 0.55,
        'guardrail_limit_high{guardrail="errors",name="tree",namespace="shop"}': 0.01,
        'guardrail_verdict{guardrail="balance",name="tree",namespace="shop",'
        'verdict="WithinTolerance"}': 1,
        'guardrail_verdict{guardrail="errors",name="tree",namespace="shop",verdict="NoData"}': 1,
    }


def test_records_that_are_lost_are_counted():
    ours = RealTelemetry()
    assert samples(ours)["records_dropped_total"] == 0
    ours.count_dropped()
    assert samples(ours)["records_dropped_total"] == 1


def test_what_a_ramp_no_longer_is_leaves_no_series():
    ours = RealTelemetry()
    ours.show_ramp(RAMP, FIGURES)
    ours.show_ramp(RAMP, {"phase": "Completed"})
    assert of_ramps(ours) == {'ramp_phase{name="tree",namespace="shop",phase="Completed"}': 1}
    ours.forget_ramp(RAMP)
    ours.forget_ramp(RAMP)
    assert of_ramps(ours) == {}


def test_the_number_of_ramps_shown_is_bounded_and_told_once():
    stream = io.StringIO()
    ours = RealTelemetry(stream=stream, most=2)
    for name in ("a", "b", "c", "a", "c"):
        ours.show_ramp(Ref("shop", name), {"share": 1})
    assert set(of_ramps(ours)) == {
        'ramp_share{name="a",namespace="shop"}',
        'ramp_share{name="b",namespace="shop"}',
    }
    (line,) = lines(stream)
    assert (line["message"], line["first_hidden"]) == ("more ramps than /metrics shows", "shop/c")


def test_passes_calls_and_the_queue_are_counted():
    ours = RealTelemetry()
    ours.count_pass("ok", 0.3)
    ours.count_pass("ok", 99)
    ours.count_call("get", "pods", "notfound")
    ours.set_queue(3, 2, timedelta(minutes=1))
    seen = samples(ours)
    assert seen['passes_total{result="ok"}'] == 2
    assert seen['pass_seconds_bucket{le="0.5"}'] == 1
    assert seen["pass_seconds_count"] == 2
    assert seen['api_calls_total{resource="pods",result="notfound",verb="get"}'] == 1
    assert (seen["queue_depth"], seen["passes_running"], seen["overdue_seconds"]) == (3, 2, 60)


def test_a_line_is_one_json_object():
    stream = io.StringIO()
    ours = RealTelemetry(stream=stream)
    ours.log("info", "step proven", ramp=RAMP, step=1, soak=timedelta(hours=1), event="odd\n")
    (line,) = lines(stream)
    assert line.pop("time")
    assert line == {
        "level": "info",
        "message": "step proven",
        "ramp": "shop/tree",
        "step": 1,
        "soak": "1:00:00",
    }


def test_a_bug_is_logged_with_its_trace():
    stream = io.StringIO()
    ours = RealTelemetry(stream=stream)
    try:
        FIGURES["spec"]
    except KeyError as error:
        ours.log("error", "bug", exc_info=error)
    (line,) = lines(stream)
    assert "Traceback" in str(line["exception"])
    assert "KeyError: 'spec'" in str(line["exception"])


@pytest.mark.parametrize("odd", [{1, 2}, {("a", "b"): 1}, object(), b"\xff", "\ud800", 10**400])
def test_no_fact_fails_a_caller(odd):
    stream = io.StringIO()
    RealTelemetry(stream=stream).log("loud", "odd", fact=odd)
    assert lines(stream)[0]["message"] == "odd"


def test_a_closed_stream_fails_no_caller():
    stream = io.StringIO()
    ours = RealTelemetry(stream=stream)
    stream.close()
    ours.log("info", "nobody listens")


def test_lines_below_the_level_are_left_out():
    stream = io.StringIO()
    ours = RealTelemetry(level="warning", stream=stream)
    ours.log("info", "a")
    ours.log("warning", "b")
    assert [line["message"] for line in lines(stream)] == ["b"]


def test_libraries_log_through_us(monkeypatch):
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    stream = io.StringIO()
    ours = RealTelemetry(stream=stream)
    ours.capture_logging()
    record = logging.LogRecord("kopf", logging.INFO, "x.py", 1, "%s ends", ("it",), None)
    logging.root.handle(record)
    (line,) = lines(stream)
    assert (line["logger"], line["message"]) == ("kopf", "it ends")
