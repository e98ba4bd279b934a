"""The mathematics against exact vectors, and its promises."""

import math

import pytest

from exact import GRIDS, VECTORS, close, rows
from rampguard.core.statistics import (
    Arm,
    Hypothesis,
    always_valid_p,
    error_effects,
    information,
    information_counts,
    kullback,
    log_e_binomial,
    log_e_counts,
    log_e_two_sample,
    log_e_windows,
    log_mean_exp,
    log_sum_exp,
    logistic,
    logit,
    onset_mixture,
    small_effects,
    softplus,
    threshold,
)


@rows("binomial_windows")
def test_evidence_of_a_window(row: dict) -> None:
    found = log_e_binomial(
        row["k"],
        row["c"],
        row["eta0"],
        row["side"],
        effects=GRIDS[row["grid"]],
        phi=row["phi"],
    )
    assert found == close(row["log_e"])


def test_the_grids_of_effects() -> None:
    assert small_effects() == close(GRIDS["small"], rel=1e-9)
    assert error_effects() == close(GRIDS["errors"], rel=1e-9)


@pytest.mark.parametrize(
    ("eta0", "key"), [(-0.20067069546215122, "log_e_mixture"), (0.0, "log_e_mixture_null")]
)
def test_evidence_over_onsets(eta0: float, key: str) -> None:
    (row,) = VECTORS["onset_mixture"]
    bins = [(450, 450)] * 26 + [(270, 630)] * 4
    logs = [
        log_e_binomial(sum(k for k, _ in bins[i:]), sum(c for _, c in bins[i:]), eta0, -1)
        for i in range(len(bins))
    ]
    assert onset_mixture(logs, row["m"]) == close(row[key])


def test_one_onset_is_its_own_mixture() -> None:
    assert onset_mixture([1.5], 1) == 1.5


@rows("thresholds")
def test_thresholds_spend_the_budget(row: dict) -> None:
    top, bottom = map(int, row["weight"].split("/"))
    facts = {"weight": top / bottom, "soaks": row["watches"], "parts": row["parts"]}
    assert threshold(row["alpha"], **facts) == close(row["null"])
    assert threshold(row["alpha_within"], **facts) == close(row["margin"])


def plain(hits: float, others: float, eta0: float, side: int, phi: float) -> float:
    """Return the formula of the binomial kernel as it is written."""
    if side * (hits - (hits + others) * logistic(eta0)) <= 0:
        return -math.inf
    return log_mean_exp(
        [
            (side * d * hits - (hits + others) * (softplus(eta0 + side * d) - softplus(eta0))) / phi
            for d in small_effects()
        ]
    )


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("eta0", [-6.0, -0.2, 0.0, 3.0])
@pytest.mark.parametrize("phi", [1.0, 2.5])
def test_the_fast_form_is_the_plain_form(eta0: float, side: int, phi: float) -> None:
    for hits, others in [(0, 7), (7, 0), (3, 40), (860, 1140), (1500, 900), (4000, 4100)]:
        expected = plain(hits, others, eta0, side, phi)
        assert log_e_binomial(hits, others, eta0, side, phi=phi) == pytest.approx(
            expected, rel=1e-12, abs=1e-14 * (hits + others)
        )


@rows("binomial_windows")
def test_a_ratio_of_rates_is_the_odds_of_a_hit(row: dict) -> None:
    treatment, control = Arm(row["k"], math.exp(row["eta0"])), Arm(row["c"], 1.0)
    facts = {"effects": GRIDS[row["grid"]], "phi": row["phi"]}
    assert log_e_counts(treatment, control, 1.0, row["side"], **facts) == close(row["log_e"])


@pytest.mark.parametrize(
    ("treatment", "control", "limit"),
    [(Arm(5, 0), Arm(1, 9), 1.0), (Arm(5, 9), Arm(1, 0), 1.0), (Arm(0, 99), Arm(99, 99), 0.0)],
    ids=["no treatment", "no control", "every ratio is allowed"],
)
def test_no_evidence_of_nothing(treatment: Arm, control: Arm, limit: float) -> None:
    assert log_e_counts(treatment, control, limit, 1) == -math.inf
    assert log_e_counts(treatment, control, limit, -1) == -math.inf
    assert information_counts(treatment, control, limit) == 0.0


@pytest.mark.parametrize("rate", [0.3, 0.45, 0.499, 0.5, 0.6])
def test_windows_that_do_not_matter_are_spared(rate: float) -> None:
    counts = [(rate * n, (1 - rate) * n) for n in range(28_800, 0, -100)]
    kernel = [log_e_binomial(*one, 0.0, -1) for one in counts]
    weighed = []

    def log_e(i: int) -> float:
        weighed.append(i)
        return kernel[i]

    found = log_e_windows(log_e, [information(*one, 0.0) for one in counts])
    assert onset_mixture(found, 288) == close(onset_mixture(kernel, 288), rel=1e-12)
    assert found.index(max(found)) == kernel.index(max(kernel))
    assert len(weighed) < 20 or rate >= 0.45


def test_the_bound_of_counts_is_the_information_in_them() -> None:
    treatment, control = Arm(1230, 2510), Arm(1500, 2490)
    bound = information_counts(treatment, control, 0.95)
    assert bound == information(1230, 1500, math.log(0.95 * 2510 / 2490))
    assert log_e_counts(treatment, control, 0.95, -1) < bound
    assert information(0, 0, 0.0) == 0.0
    assert information(5, 0, 0.0) == close(5 * math.log(2))


def test_no_window_is_no_evidence() -> None:
    assert log_e_windows(math.log, []) == []


SETTINGS = VECTORS["path_settings"]


def share(sums: tuple[float, ...], *, limit: bool) -> float:
    return log_e_binomial(sums[0], sums[1], logit(0.45 if limit else 0.5), -1)


def sessions(sums: tuple[float, ...], *, limit: bool) -> float:
    null = Hypothesis(side=-1, guess=0.6, rho=0.95 if limit else 1.0)
    return log_e_two_sample(Arm(sums[0], sums[2]), Arm(sums[1], sums[3]), null)


def history(sums: tuple[float, ...], *, limit: bool) -> float:
    errors, before = Arm(*sums), Arm(4320, 864_000)
    return log_e_counts(errors, before, 1.2 if limit else 1.0, 1, effects=error_effects())


PATHS = {
    "P1": (share, lambda look: (12, 18)),
    "P2": (share, lambda look: (15, 15) if look < 780 else (9, 21)),
    "P3": (sessions, lambda look: (7 if look % 5 else 8, 9, 15, 15)),
    "P4": (history, lambda look: (3, 300)),
}


def walk(kernel, counted, looks: range):
    """Yield each look with ln E over onsets, against the null and against the margin."""
    sums: list[tuple[float, ...]] = []
    for look in range(looks.stop):
        now = counted(look)
        if look % SETTINGS["spacing_looks"] == 0:
            sums.append((0,) * len(now))
        sums = [tuple(map(sum, zip(one, now, strict=True))) for one in sums]
        if look in looks:
            yield (
                look,
                onset_mixture([kernel(one, limit=False) for one in sums], SETTINGS["m"]),
                onset_mixture([kernel(one, limit=True) for one in sums], SETTINGS["m"]),
            )


@rows("paths")
def test_the_look_at_which_both_thresholds_are_reached(row: dict) -> None:
    bars = SETTINGS["thresholds"][row["kind"]]
    reached = []
    looks = range(row["first_look_two_level"] - 3, row["first_look_strict"] + 1)
    for look, null, margin in walk(*PATHS[row["id"]], looks):
        if null >= bars["null"] and margin >= bars["margin"]:
            reached.append(look)
        if look == row["first_look_two_level"]:
            assert (null, margin) == (close(row["log_e_null"]), close(row["log_e_margin"]))
        assert (margin >= bars["null"]) == (look == row["first_look_strict"])
    assert reached[0] == row["first_look_two_level"]


@pytest.mark.parametrize(
    ("most", "p"), [(-math.inf, 1.0), (-1e9, 1.0), (0.0, 1.0), (math.log(100), 0.01), (1e9, 0.0)]
)
def test_a_p_value_that_may_be_read_at_any_time(most: float, p: float) -> None:
    assert always_valid_p(most) == pytest.approx(p)


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_nothing_overflows(x: float) -> None:
    assert math.isfinite(softplus(x))
    assert 0 <= logistic(x) <= 1


def test_logit_undoes_logistic() -> None:
    assert logit(logistic(1.25)) == close(1.25)


def test_sums_of_nothing_are_nothing() -> None:
    assert log_sum_exp([]) == -math.inf
    assert log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert log_mean_exp([0.0, 0.0]) == 0.0


def test_equal_coins_do_not_diverge() -> None:
    assert kullback(0.3, 0.3) == 0.0
    assert kullback(0.0, 0.5) == close(math.log(2))


@pytest.mark.parametrize("p", [0.2, 0.4499, 0.45])
@pytest.mark.parametrize("total", [5, 20, 60])
def test_evidence_is_not_expected_to_grow_while_nothing_is_wrong(p: float, total: int) -> None:
    """E[LR] <= 1 over the whole null, by enumeration."""
    eta0 = logit(0.45)
    expected = math.fsum(
        math.comb(total, k)
        * p**k
        * (1 - p) ** (total - k)
        * math.exp(log_e_binomial(k, total - k, eta0, 1))
        for k in range(total + 1)
    )
    assert expected <= 1 + 1e-9
