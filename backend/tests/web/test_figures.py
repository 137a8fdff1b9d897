"""Figures hold the data they are given, in the colours of one theme."""

from datetime import date, timedelta

import numpy as np
import pytest

from app.web import figures
from app.web.figures import DARK, DARK_OF, LIGHT, Line, Part, Role
from app.web.figures.theme import Colours
from tests.web.packed import numbers

DAYS = [date(2025, 1, 2) + timedelta(days=number) for number in range(4)]


def test_a_line_has_the_values_given_and_gaps_where_there_are_none() -> None:
    theirs = np.array([1.0, 1.0, 0.95, 1.02])
    figure = figures.growth(
        DAYS, [Line("Mine", [1.0, None, 1.2, 1.1]), Line("SPY", theirs, Role.BENCHMARK)]
    )

    mine, benchmark = figure.data
    assert mine.x == ("2025-01-02", "2025-01-03", "2025-01-04", "2025-01-05")
    np.testing.assert_array_equal(mine.y, [1.0, np.nan, 1.2, 1.1])
    np.testing.assert_array_equal(benchmark.y, theirs)
    assert (mine.name, benchmark.name) == ("Mine", "SPY")
    assert (mine.line.color, benchmark.line.color) == (LIGHT.mine, LIGHT.benchmark)
    assert figure.layout.yaxis.type is None


@pytest.mark.parametrize(("last", "scale"), [(2.9, None), (3.1, "log"), (0.3, "log")])
def test_growth_beyond_threefold_is_on_a_logarithmic_scale(last: float, scale: str | None) -> None:
    figure = figures.growth(DAYS, [Line("Mine", [1.0, 1.0, 1.0, last])])
    assert figure.layout.yaxis.type == scale


def test_a_portfolio_that_lost_everything_is_on_a_plain_scale() -> None:
    figure = figures.growth(DAYS, [Line("Mine", [1.0, 0.5, 0.0, 0.0])])
    assert figure.layout.yaxis.type is None


def test_months_stand_in_the_row_of_their_year_and_empty_cells_stay_empty() -> None:
    (heat,) = figures.months({"2024-11": 0.05, "2024-12": -0.012, "2025-01": None}).data

    assert heat.y == ("2024", "2025")
    assert heat.z[0][10:].tolist() == [0.05, -0.012]
    assert np.isnan(heat.z[0][:10]).all()
    assert np.isnan(heat.z[1]).all()
    assert heat.text[0][11] == "-1.2"
    assert heat.text[1][0] == ""
    assert heat.zmin == -heat.zmax


def test_a_heat_map_without_any_return_has_a_scale_all_the_same() -> None:
    (heat,) = figures.months({"2024-11": 0.0}).data
    assert (heat.zmin, heat.zmax) == (-1.0, 1.0)


def test_a_waterfall_ends_with_its_total() -> None:
    (steps,) = figures.waterfall([Part("SPY", 0.04), Part("costs", -0.01)], 0.03).data

    assert steps.y == ("SPY", "costs", "total")
    assert steps.x == (0.04, -0.01, 0.03)
    assert steps.measure == ("relative", "relative", "total")
    assert steps.text == ("+4.00%", "-1.00%", "+3.00%")


def test_exposures_are_stacked_shares() -> None:
    figure = figures.exposures(
        DAYS, [("Equity", [0.5, 0.6, 0.6, 0.7]), ("cash", [0.5, 0.4, 0.4, 0.3])]
    )
    assert [trace.name for trace in figure.data] == ["Equity", "cash"]
    assert len({trace.stackgroup for trace in figure.data}) == 1
    np.testing.assert_allclose(sum(trace.y for trace in figure.data), 1.0)


def test_a_distribution_counts_every_known_return_once() -> None:
    returns = np.append(np.random.default_rng(1).normal(0.0, 0.01, 500), np.nan)
    figure = figures.distribution(returns, {"VaR 95 %": -0.0164})

    (counts,) = figure.data
    assert sum(counts.y) == 500
    (line,) = figure.layout.shapes
    assert line.x0 == line.x1 == -0.0164
    assert figure.layout.annotations[0].text == "VaR 95 % -1.64%"


@pytest.mark.parametrize("returns", [[0.01], [0.0, 0.0, 0.0], [0.01, 0.01, -0.3]])
def test_a_distribution_of_few_or_equal_returns_can_be_drawn(returns: list[float]) -> None:
    (counts,) = figures.distribution(np.array(returns), {}).data
    assert sum(counts.y) == len(returns)


def test_what_was_sold_is_below_the_line() -> None:
    bought, sold = figures.traded(["2025-01-01"], [100.0], [40.0]).data
    assert (bought.y, sold.y) == ((100.0,), (-40.0,))


def test_an_episode_without_a_return_has_no_bar() -> None:
    mine, theirs = figures.pairs(["2008", "2020"], [None, -0.1], [-0.5, -0.3]).data
    assert mine.x == (None, -0.1)
    assert mine.text == ("", "-10.0%")
    assert theirs.x == (-0.5, -0.3)


def test_a_name_is_no_markup() -> None:
    figure = figures.growth(DAYS, [Line("<b>A & B</b>", [1.0, 1.1, 1.2, 1.3])])
    assert figure.data[0].name == "&lt;b&gt;A &amp; B&lt;/b&gt;"


def test_dark_has_the_same_data_in_other_colours() -> None:
    figure = figures.drawdown(DAYS, [Line("Mine", [0.0, -0.1, None, -0.2])])
    turned = figures.dark(figure)

    np.testing.assert_array_equal(numbers(turned.data[0].y), figure.data[0].y)
    assert turned.data[0].line.color == DARK.mine
    assert turned.layout.paper_bgcolor == DARK.paper
    assert not [colour for colour in DARK_OF if colour in turned.to_json()]


def test_colours_are_told_apart() -> None:
    for colours in (LIGHT, DARK):
        assert len(set(colours.listed())) == len(colours.listed())
    assert not set(LIGHT.listed()) & set(DARK.listed())


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_and_lines_stand_out_from_the_ground(colours: Colours) -> None:
    """By the contrast ratios of WCAG 2.1: 4.5 for text, 3 for what is drawn."""
    for text in (colours.ink, colours.muted):
        assert contrast(text, colours.paper) >= 4.5
    for line in (colours.mine, colours.benchmark, colours.gain, colours.loss, colours.total):
        assert contrast(line, colours.paper) >= 3.0
    for cell in (colours.low, colours.even, colours.high):
        assert contrast(colours.ink, cell) >= 4.5


def contrast(first: str, second: str) -> float:
    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
