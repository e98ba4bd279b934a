"""What Prometheus is asked: one counter per process, whoever scrapes it."""

import pytest

from rampguard.core.promql import per_process

PODS = ("pod", "instance", "variant")
ONE_OF_EACH = "max without (prometheus, prometheus_replica)"

# fmt: off
ROWS = {
    "a counter": (
        per_process("a_total{}", PODS),
        f"sum by (pod, instance, variant) ({ONE_OF_EACH} (a_total{{}}))"),
    "when it was scraped": (
        per_process("a_total{}", PODS, "max", "timestamp({})"),
        f"max by (pod, instance, variant) ({ONE_OF_EACH} (timestamp(a_total{{}})))"),
    "its last value": (
        per_process("a_total{}", ("pod",), of="last_over_time({}[1h])"),
        f"sum by (pod) ({ONE_OF_EACH} (last_over_time(a_total{{}}[1h])))"),
    "braces of a matcher stay": (
        per_process('a_total{b="{}"}', ("pod",)),
        f'sum by (pod) ({ONE_OF_EACH} (a_total{{b="{{}}"}}))'),
}
# fmt: on


@pytest.mark.parametrize(("query", "text"), ROWS.values(), ids=ROWS)
def test_each_process_counts_once(query: str, text: str) -> None:
    assert query == text
