import cv2
import numpy as np
import pytest

from lib.datasets.formats import read_labels, write_labels
from lib.utils.errors import DataError

META = """<meta><job><labels>
 <label><name>cat</name><type>skeleton</type><svg>&lt;line data-node-from="1" data-node-to="3"&gt;
 &lt;circle data-element-id="1" data-label-name="nose"/&gt;&lt;circle data-element-id="3"
 data-label-name="tail"/&gt;</svg></label>
 <label><name>nose</name><type>points</type><parent>cat</parent></label>
 <label><name>l_ear</name><type>points</type><parent>cat</parent></label>
 <label><name>tail</name><type>points</type><parent>cat</parent></label>
</labels></job></meta>"""
POSE = """<skeleton label="cat" source="manual" z_order="0"{keys}>
 <points label="tail" outside="0" occluded="1" points="30.5,12.25"/>
 <points label="nose" outside="0" occluded="0" points="10,20"/>
 <points label="l_ear" outside="1" occluded="0" points="1,1"/></skeleton>"""
JOINTS = [10, 20, 2, 0, 0, 0, 30.5, 12.25, 1]


@pytest.fixture
def read(tmp_path):
    cv2.imwrite(str(tmp_path / "cat.png"), np.zeros((40, 80, 3), np.uint8))

    def go(shapes="", meta=META, image='id="5" name="cat.png" width="80" height="40"'):
        text = f"<version>1.1</version>{meta}<image {image}>{shapes}</image>"
        (tmp_path / "annotations.xml").write_text(f"<annotations>{text}</annotations>")
        return read_labels(tmp_path / "annotations.xml")

    return go


def test_by_hand(read, tmp_path):
    found = read(POSE.format(keys=""))
    assert found.kind == "cvat"
    assert found.skeleton.joints == ("nose", "l_ear", "tail")
    assert found.skeleton.limbs == ((0, 2),)
    (person,) = found.people
    assert person["keypoints"] == JOINTS
    assert person["bbox"] == [10, 12.25, 20.5, 7.75]
    assert found.images[0]["id"] == 5
    assert read_labels(tmp_path).people == found.people  # by the folder


def test_groups_join_boxes_and_poses(read):
    box = '<box label="cat box" xtl="1" ytl="2" xbr="41" ybr="32" group_id="7"/>'
    other = '<box label="cat" xtl="50" ytl="2" xbr="60" ybr="32" group_id="0"/>'
    found = read(box + other + POSE.format(keys=' group_id="7"'))
    assert [person["bbox"] for person in found.people] == [[1, 2, 40, 30], [50, 2, 10, 30]]
    assert [person["num_keypoints"] for person in found.people] == [2, 0]


def test_points_one_by_one(read):
    labels = META.replace("skeleton", "any")
    points = '<points label="nose" points="10,20" group_id="{0}" occluded="0"/>'
    points += '<points label="tail" points="12,21" group_id="{0}" occluded="1"/>'
    found = read(points.format(1) + points.format(2).replace("10,", "70,"), labels)
    assert len(found.people) == 2
    assert found.people[1]["keypoints"][:3] == [70, 20, 2]
    assert [person["num_keypoints"] for person in found.people] == [2, 2]


def test_shapes_of_all_joints(read):
    found = read('<points label="cat" points="10,20;30,40;50,9" occluded="0"/>')
    assert found.people[0]["keypoints"] == [10, 20, 2, 30, 40, 2, 50, 9, 2]
    with pytest.raises(DataError, match="2 points of cat, which has 3 joints"):
        read('<points label="cat" points="10,20;30,40" occluded="0"/>')


def test_videos(tmp_path):
    pose = POSE.replace("<skeleton", '<skeleton frame="{f}" outside="{o}"')
    track = '<track id="{n}" label="cat">{body}</track>'
    bodies = [pose.format(keys="", f=f, o=o) for f, o in ((3, 0), (12, 0), (13, 1))]
    tracks = track.format(n=0, body="".join(bodies)) + track.format(
        n=1, body=bodies[1].replace("30.5", "31")
    )
    size = "<original_size><width>80</width><height>40</height></original_size>"
    meta = META.replace("<job>", f"<job>{size}<source>walk.mp4</source>")
    file = tmp_path / "annotations.xml"
    file.write_text(f"<annotations><version>1.1</version>{meta}{tracks}</annotations>")
    found = read_labels(file)
    assert [image["file_name"] for image in found.images] == [
        "frame_000003.PNG",
        "frame_000012.PNG",
    ]
    assert [image["sequence"] for image in found.images] == ["walk.mp4"] * 2
    assert [(p["image_id"], p["track_id"]) for p in found.people] == [(3, 0), (12, 0), (12, 1)]
    write_labels(found, "cvat", tmp_path / "images.xml")
    again = read_labels(tmp_path / "images.xml")
    assert [(p["image_id"], p["track_id"]) for p in again.people] == [(3, 0), (12, 0), (12, 1)]
    assert again.images == found.images


def test_frames_have_the_endings_that_they_have(tmp_path):
    pose = POSE.replace("<skeleton", '<skeleton frame="3"').format(keys="")
    text = f'<version>1.1</version>{META}<track id="0" label="cat">{pose}</track>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{text}</annotations>")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/frame_000003.jpg"), np.zeros((40, 80, 3), np.uint8))
    (image,) = read_labels(tmp_path / "annotations.xml").images
    assert (image["file_name"], image["width"], image["height"]) == ("frame_000003.jpg", 80, 40)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ('<box label="cat" xtl="1" ytl="2" xbr="x" ybr="3"/>', "a box needs the numbers xtl"),
        ('<box label="cat" xtl="9" ytl="2" xbr="1" ybr="3"/>', "'bbox' .* must be"),
        ('<points label="nose" points="1;2"/>', r"points must be x,y;x,y"),
        (POSE.format(keys="").replace("10,20", "nan,20") + "<", "is not XML"),
        (POSE.format(keys="").replace('label="tail"', 'label="nose"'), "nose twice"),
    ],
)
def test_mistakes_are_one_sentence(read, shapes, message):
    with pytest.raises(DataError, match=message):
        read(shapes)


def test_other_xml_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation><object/></annotation>")
    with pytest.raises(DataError, match=r"is not CVAT's XML 1\.1"):
        read_labels(tmp_path / "a.xml")
    (tmp_path / "b.xml").write_text("<annotations><meta/><image/></annotations>")
    with pytest.raises(DataError, match="image 0 has no name"):
        read_labels(tmp_path / "b.xml")
