from toys.toy_task import toy_config

from lib.engine.plan import build_plan


def test_epochs_count_in_steps():
    plan = build_plan(
        toy_config(BEGIN_EPOCH=3, END_EPOCH=10, EVAL_PERIOD=2, CHECKPOINT_PERIOD=3), 5
    )
    assert plan.total == 35
    assert [s for s in range(36) if plan.evaluates(s)] == [10, 20, 30, 35]
    assert [s for s in range(36) if plan.saves(s)] == [15, 30, 35]
    assert [plan.epoch(s) for s in (0, 1, 5, 6, 35)] == [3, 3, 3, 4, 9]
    assert plan.position(12) == (2, 2)


def test_warm_up_epochs_come_before_the_first_and_are_negative():
    plan = build_plan(toy_config(END_EPOCH=210, WARMUP_EPOCHS=5), 7)
    assert plan.total == 215 * 7
    assert [plan.epoch(s) for s in (1, 35, 36, plan.total)] == [-5, -1, 0, 209]


def test_iterations():
    plan = build_plan(toy_config(MAX_ITER=13, EVAL_PERIOD=6, CHECKPOINT_PERIOD=5), 4)
    assert [s for s in range(14) if plan.evaluates(s)] == [6, 12, 13]
    assert [s for s in range(14) if plan.saves(s)] == [5, 10, 13]
    assert plan.position(9) == (2, 1)


def test_period_zero_evaluates_at_the_end_only():
    plan = build_plan(toy_config(END_EPOCH=4, EVAL_PERIOD=0), 5)
    assert [s for s in range(21) if plan.evaluates(s)] == [20]


def test_checkpoints_inside_an_epoch():
    plan = build_plan(toy_config(END_EPOCH=2, CHECKPOINT_ITERS=4), 7)
    assert [s for s in range(15) if plan.saves(s)] == [4, 8, 12, 14]
