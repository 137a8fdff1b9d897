"""Sweeps on the command line."""

from tests.cli.conftest import Installation

SWEEP = ("backtest", "sweep", "--optimizer", "simple", "--set", "max_weight=0.5")


def test_a_sweep_is_made_shown_and_not_made_again(etftrader: Installation) -> None:
    asked = (*SWEEP, "--grid", "num_positions=3,4,5", "--grid", "stop_loss_pct=0.1,0.12")
    choices = ("--walk-forward", "20:10", "--anchored", "--cross-validate", "4:2")
    made = etftrader.json(*asked, *choices)
    assert (made["state"], made["members"], made["done"]) == ("succeeded", 6, 6)
    assert made["spec"]["walk_forward"]["anchored"] is True
    again = etftrader.json(*asked, *choices)
    assert (again["id"], again["job_id"]) == (made["id"], made["job_id"])
    shown = etftrader("backtest", "sweep-show", str(made["id"]), "--limit", "2").stdout
    for said in ("Members 0 to 1", "best by Sharpe ratio", "Walked forward", "3 paths"):
        assert said in shown
    (listed,) = etftrader.json("backtest", "sweeps")
    assert listed["id"] == made["id"]
    path = f"/api/backtests/sweeps/{made['id']}?limit=20"
    assert etftrader.api(path)[path] == made


def test_what_cannot_be_a_sweep_is_said_before_anything_is_done(
    etftrader: Installation,
) -> None:
    for options, said in (
        (("--grid", "num_positions"), "KEY=VALUE"),
        (("--grid", "num_positions=3", "--walk-forward", "20"), "TRAIN:TEST"),
        (("--grid", "num_positions=3", "--anchored"), "--walk-forward"),
        (("--grid", "colour=red,blue"), "no setting that can be swept"),
    ):
        assert said in etftrader(*SWEEP, *options, code=2).stderr.replace("\n", " ")
