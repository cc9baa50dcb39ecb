import numpy as np
import pytest
from run_folder import make_data, make_run

from lib.report import cases
from lib.report.run import analyse_poses, read_run


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    annotation, images, rows = make_data(folder / "data", images=12, missing=14)
    run = make_run(folder / "run", annotation, rows)
    return analyse_poses(read_run(run, annotation=str(annotation), images=str(images)))


def test_best_and_worst_are_at_the_ends(analysis):
    best = cases.pose_cases(analysis, 3, best=True)
    worst = cases.pose_cases(analysis, 3, best=False)
    assert best[0].value >= best[1].value > worst[1].value >= worst[0].value
    assert len({case.errors.image.image_id for case in best}) == len(best) == 3


def test_people_are_drawn_by_lot_from_all_that_are_annotated(analysis):
    labelled = {
        errors.image.image_id
        for errors in analysis.diagnosis.images
        if errors.image.visible.any(axis=1).any()
    }
    everyone = cases.drawn_cases(analysis, 99, seed=0)
    assert {case.errors.image.image_id for case in everyone} == labelled
    assert any(case.found < 0 for case in everyone)  # whom the model missed, too
    some = [case.errors.image.image_id for case in cases.drawn_cases(analysis, 4, seed=0)]
    assert some == [case.errors.image.image_id for case in everyone[:4]]
    assert some != [case.errors.image.image_id for case in cases.drawn_cases(analysis, 4, seed=1)]
    for case in everyone:
        index = case.errors.truth_index
        assert index[case.found] == case.truth if case.found >= 0 else case.truth not in index


def test_background_and_missed_people(analysis):
    strangers = cases.background_cases(analysis, 99)
    assert strangers
    assert all(case.errors.background[case.found] and case.truth < 0 for case in strangers)
    assert strangers[0].value == max(case.value for case in strangers)
    missed = cases.missed_cases(analysis, 99)
    assert missed
    assert all(case.errors.missed[case.truth] and case.found < 0 for case in missed)


def test_pictures_show_both_sides_and_unreadable_images_are_passed_over(analysis):
    chosen = [
        *cases.drawn_cases(analysis, 99, seed=3),
        *cases.pose_cases(analysis, 99, best=False),
        *cases.background_cases(analysis, 99),
        *cases.missed_cases(analysis, 99),
    ]
    shown = {case.errors.image.image_id for case in chosen}
    painted = list(cases.paint_cases(analysis, chosen))
    assert 14 in shown
    assert len(painted) == sum(case.errors.image.image_id != 14 for case in chosen)
    for picture, caption in painted:
        assert picture.shape[0] <= cases.PANEL_HEIGHT
        assert picture.shape[1] <= 2 * cases.MAX_PANEL_WIDTH + 4
        assert caption.startswith("image ")


def test_a_view_keeps_points_in_place():
    image = np.zeros((200, 300, 3), np.uint8)
    image[101, 57] = 255
    view = cases.View(image, np.array([[40.0, 90.0], [80.0, 120.0]]))
    x, y = view.place(np.array([57.0, 101.0]))
    top, left = np.unravel_index(view.pixels[..., 0].argmax(), view.pixels.shape[:2])
    assert abs(x - left) <= view.zoom
    assert abs(y - top) <= view.zoom
    assert view.zoom > 1
    outside = cases.View(image, np.array([[-500.0, -500.0], [900.0, 700.0]]))
    assert outside.pixels.shape[1] <= cases.MAX_PANEL_WIDTH
