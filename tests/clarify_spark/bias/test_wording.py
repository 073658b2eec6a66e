"""Sentences: direction, counts and interval of every metric, and names that mean harm."""

import re

import numpy as np
import pytest

from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.inference import Comparison, infer
from clarify_spark.bias.metrics import measure
from clarify_spark.bias.sentences import GroupNames
from clarify_spark.bias.wording import group, sentence
from clarify_spark.config.metrics import METRICS

ALL = tuple(METRICS.values())
# Facet a: 2,201 of 4,310 positive labels; facet d: 402 of 1,105.
LOANS = np.array([[[1500, 609], [400, 1801]], [[500, 203], [150, 252]]])
WOMEN = GroupNames(group(["sex"], ["Female"]))
FLIPS = Flips(40, 25)


def sentences(cells=LOANS, sides=WOMEN, flips=FLIPS, **others):
    counts = FacetCounts(np.array(cells), True, np.array(cells)[None], flips=flips, **others)
    (inferences,), _ = infer([Comparison(counts, measure(ALL, counts))], 0.95, 0)
    return {one.metric: sentence(one, counts, sides, 0.95) for one in inferences}


def test_a_difference_has_direction_counts_and_interval():
    assert sentences()["DPL"] == (
        "'sex' = 'Female' has a positive label 14.7 points less often than all other rows "
        "(95 % interval 11.4 to 17.9; 402 of 1,105 against 2,201 of 4,310)."
    )


def test_the_words_turn_with_the_groups():
    turned = sentences(LOANS[::-1])["DPL"]
    assert "14.7 points more often than" in turned
    assert "interval 11.4 to 17.9; 2,201 of 4,310 against 402 of 1,105" in turned
    assert "points less often" in sentences()["RD"]
    assert "points more often" in sentences(LOANS[::-1])["RD"]


def test_specificity_and_rejection_have_the_direction_of_facet_d():
    # Facet d is right about 500 of 703 negative labels, a about 1,500 of 2,109: 71.1 % both, then 80 %.
    better = LOANS.copy()
    better[1, 0] = (562, 141)
    assert "'Female' with a negative label gets a negative prediction 8.8 points more often" in sentences(better)["SD"]


def test_an_interval_across_zero_cannot_be_told_from_no_difference():
    told = sentences([[[20, 10], [10, 20]], [[9, 6], [6, 9]]])["RD"]
    assert re.search(r"cannot be told from no difference: 95 % interval from \S+ points less to \S+ points more", told)


def test_a_ratio_a_share_and_flips():
    told = sentences()
    assert "gets a positive prediction 0.736 times as often as all other rows (95 % interval 0.6" in told["DI"]
    assert "makes up 20.4% of the rows" in told["CI"]
    assert ", 40 get a positive prediction where their nearest neighbours" in told["FT"]
    assert "1.4 points better off" in told["FT"]
    assert "For each false positive 'sex' = 'Female' has 0.739 false negatives" in told["TE"]


def test_what_is_not_known_is_said_with_its_reason():
    told = sentences([[[20, 10], [10, 20]], [[9, 0], [6, 0]]])
    assert told["DAR"].endswith("not enough data, there is no row with a positive prediction in facet d.")
    assert sentences(flips=Flips(error="no features"))["FT"].endswith("is not defined: no features.")


def test_weighted_counts_are_shares_and_rows():
    told = sentences(
        LOANS * 0.5, squares=LOANS * 0.25, strata_squares=(LOANS * 0.25)[None], counted=LOANS
    )["DPL"]  # fmt: skip
    assert "weighted 36.4% against 51.1% in groups of 1,105 and 4,310 rows" in told


HOSTILE = ["<script>alert(1)</script>", "a\nb\r\x1b[31m", "\u202egnp.exe", "x" * 300, "'; DROP TABLE", "\x00", "ع" * 90]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_on_one_printable_line(name):
    for told in sentences(sides=GroupNames(group([name], [name]), f"the best cell ({group([name], [name])})")).values():
        assert told.isprintable()
        assert len(told) < 900


@pytest.mark.parametrize("cells", [LOANS, LOANS[::-1], [[[20, 10], [10, 20]], [[9, 6], [6, 9]]]])
def test_every_metric_has_a_sentence_that_judges_nobody(cells):
    told = sentences(cells)
    assert set(told) == {metric.name for metric in ALL}
    for words in told.values():
        assert words.endswith(".")
        assert not re.search(r"fair|discriminat|bias|illegal|must", words, re.IGNORECASE)
        assert "nan" not in words.replace("Fe", "")
