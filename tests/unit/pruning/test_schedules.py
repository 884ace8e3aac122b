"""How many weights go in each round, by exact arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.config.compression import DENSE, Compression
from prunescope.config.load import study_from
from prunescope.config.pruners import PRUNERS, Pruner
from prunescope.errors import UserError
from prunescope.planning.schedules import check_schedules
from prunescope.pruning.schedules import zeros_by_round


def half_even(value: Fraction) -> int:
    """Rounding as done on paper, through decimals (all shares in tests have finite ones)."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


@pytest.mark.parametrize(
    ("sparsity", "size", "zeros"),
    [
        (0.9, 25, 22),
        (0.9, 15, 14),
        (0.5, 5, 2),
        (0.5, 7, 4),
        (0.5, 1, 0),
        (0.7, 45, 32),
        (0.99, 50, 50),
        (0.2, 12, 2),
    ],
)  # 22.5, 13.5, 2.5, 3.5, 0.5, 31.5, 49.5, 2.4
def test_final_counts_round_half_to_even(sparsity, size, zeros):
    for name in ("MP-AI", "IMP-WR", "RP"):
        rounds = zeros_by_round(PRUNERS[name], Compression.of_sparsity(sparsity), {"w": size}, 10**6)
        assert rounds[-1] == {"w": zeros}
    assert zeros_by_round(PRUNERS["MP"], Compression.of_sparsity(sparsity), {"w": size}, 10**6) == [zeros]


@given(st.integers(1, 999), st.integers(1, 10**7), st.integers(1, 6))
def test_rounds_take_the_same_share_of_what_is_left(permille, size, rounds):
    pruner = Pruner(criterion="magnitude", schedule="iterative", rounds=rounds)
    counts = [z["w"] for z in zeros_by_round(pruner, Compression("sparsity", permille), {"w": size}, size)]
    assert len(counts) == rounds
    assert counts == sorted(counts)
    assert counts[-1] == half_even(Fraction(permille, 1000) * size)
    # p from its definition, 1 - (1 - p)^rounds = share; each round leaves (1 - p) of what was left.
    p = 1 - (1 - permille / 1000) ** (1 / rounds)
    left = float(size)
    for count in counts[:-1]:
        left -= p * left
        assert abs(count - (size - left)) <= 0.5 + 1e-6 * size


def test_three_rounds_to_ninety_percent_by_hand():
    # (1 - p)^3 = 0.1: 46.4 % stay each time, so 464.16, 215.44 and 100 of 1,000 are left.
    rounds = zeros_by_round(PRUNERS["IMP-WR"], Compression.of_sparsity(0.9), {"a": 1000, "b": 10}, 5000)
    assert rounds == [{"a": 536, "b": 5}, {"a": 785, "b": 8}, {"a": 900, "b": 9}]


def test_global_scope_counts_over_all_layers():
    pruner = Pruner(criterion="magnitude", scope="global", schedule="iterative", rounds=3)
    assert zeros_by_round(pruner, Compression.of_sparsity(0.9), {"a": 600, "b": 400}, 5000) == [536, 785, 900]
    # Per layer 2.5 + 2.5 rounds to 2 + 2; together it is 5.
    assert zeros_by_round(PRUNERS["MP"], Compression.of_sparsity(0.5), {"a": 5, "b": 5}, 20) == [5]
    assert zeros_by_round(PRUNERS["RP"], Compression.of_sparsity(0.5), {"a": 5, "b": 5}, 20) == [
        {"a": 2, "b": 2}
    ]


def test_ratio_counts_all_parameters():
    # 100 parameters, 80 of them prunable; half of all are 50 zeros, 62.5 % of the prunable ones.
    assert Compression.of_ratio(2).share(100, 80) == Fraction(5, 8)
    assert zeros_by_round(PRUNERS["MP"], Compression.of_ratio(2), {"a": 30, "b": 50}, 100) == [50]


def test_resnet20_at_ratio_50_is_98_74_percent_of_its_prunable_weights():
    convolutions = 432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864
    normalization = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    total = convolutions + normalization + 650
    assert total == 269_722
    share = Compression.of_ratio(50).share(total, convolutions)
    assert f"{float(share):.2%}" == "98.74%"
    zeros = zeros_by_round(PRUNERS["MP"], Compression.of_ratio(50), {"all": convolutions}, total)[0]
    assert total / (total - zeros) == pytest.approx(50, abs=0.01)


def test_unreachable_ratio_names_the_highest_possible_one():
    with pytest.raises(UserError) as caught:
        zeros_by_round(PRUNERS["MP"], Compression.of_ratio(5), {"w": 80}, 100)
    assert str(caught.value) == (
        "ratio 5: asks for 80 zeros but only 80 of 100 parameters are prunable; choose a ratio below 5"
    )


@given(st.integers(0, 999) | st.none(), st.integers(101, 100_000))
def test_level_tokens_round_trip(permille, percent):
    compressions = [Compression("ratio", percent), Compression("level", percent)]
    for compression in ([] if permille is None else [Compression("sparsity", permille)]) + compressions:
        assert Compression.parse(compression.token) == compression
        made = {
            "sparsity": Compression.of_sparsity,
            "ratio": Compression.of_ratio,
            "level": Compression.of_level,
        }
        assert (
            made[compression.kind](compression.value if compression.kind != "level" else compression.units)
            == compression
        )


def test_level_spellings():
    assert Compression.of_sparsity(0.9).token == "sparsity-900permille"
    assert Compression.of_sparsity(0.1 + 0.2).token == "sparsity-300permille"
    assert Compression.of_ratio(10).token == "ratio-1000percent"
    assert Compression.of_ratio(8.27).token == "ratio-827percent"
    assert (Compression.of_level(7).token, Compression.of_level(7).text) == ("level-7", "level 7")
    assert sorted(Compression.of_level(k) for k in (10, 9, 2)) == [
        Compression.of_level(k) for k in (2, 9, 10)
    ]
    assert DENSE.token == "sparsity-0permille"
    assert Compression.of_sparsity(0.9) == Compression.of_sparsity(0.90)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "0.9",
        "sparsity-900",
        "sparsity--1permille",
        "ratio-10permille",
        "x-sparsity-900permille",
        "level-",
        "level-7x",
    ],
)
def test_foreign_tokens_are_refused(token):
    with pytest.raises(UserError, match="not a compression level such as"):
        Compression.parse(token)


def test_levels_finer_than_paths_are_refused():
    with pytest.raises(UserError, match=r"sparsities: 0.9995 has more decimals"):
        Compression.of_sparsity(0.9995)
    with pytest.raises(UserError, match=r"ratios: 8.271 has more decimals"):
        Compression.of_ratio(8.271)


#: Table 12 of the recall paper: the ratio at each level, of the weights that are pruned.
TABLE_12 = [
    1.25, 1.56, 1.95, 2.44, 3.05, 3.81, 4.77, 5.96, 7.45, 9.31,
    11.64, 14.55, 18.19, 22.74, 28.42, 35.53, 44.41, 55.51, 69.39, 86.74,
]  # fmt: skip


def test_levels_leave_what_the_recall_paper_prints():
    lth = PRUNERS["LTH"]
    for level, ratio in enumerate(TABLE_12, start=1):
        share = Compression.of_level(level).share(10**9, 10**9, lth.step)
        assert share == 1 - Fraction(4**level, 5**level)
        assert float(1 / (1 - share)) == pytest.approx(ratio, abs=0.0051)
        (zeros,) = zeros_by_round(lth, Compression.of_level(level), {"a": 600_000, "b": 400_000}, 10**7)
        assert zeros == round(1_000_000 * (1 - Fraction(4, 5) ** level))


@given(st.integers(1, 10**6), st.integers(1, 99), st.integers(1, 30))
def test_levels_only_ever_remove(size, percent, levels):
    pruner = Pruner(criterion="magnitude", schedule="levels", recovery="rewind", level_fraction=percent / 100)
    counts = [
        zeros_by_round(pruner, Compression.of_level(k), {"w": size}, size)[0]["w"] for k in range(levels + 1)
    ]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[1] == round(Fraction(percent, 100) * size)
    assert all(abs(count - size * (1 - (1 - percent / 100) ** k)) <= 0.501 for k, count in enumerate(counts))


def test_a_schedule_that_a_training_is_too_short_for_is_refused_before_anything_runs(study_dict):
    gradual = {"criterion": "pins", "scope": "global", "schedule": "gradual"}
    study_dict["pruners"]["slow"] = {**gradual, "gradual": {"warm_up": 100, "cool_down": 60}}
    study_dict["grid"][0]["pruners"] = ["slow"]
    # Digits: 1,258 training examples in batches of 32, 4 epochs: 160 steps.
    with pytest.raises(UserError, match=r"pruners.slow: lenet5 on numbers: .*none of the 160 training steps"):
        check_schedules(study_from(study_dict))
    study_dict["pruners"]["slow"]["gradual"]["cool_down"] = 59
    check_schedules(study_from(study_dict))
