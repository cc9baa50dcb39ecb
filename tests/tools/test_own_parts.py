"""Parts outside the package through the real tools: ``experiments/own_parts``."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.codecs import CODECS
from lib.config import ConfigError, load_config
from lib.datasets.sources import LAYOUTS
from lib.evaluation.metrics import METRICS
from lib.export.onnx_network import OnnxNetwork
from lib.losses.registry import LOSSES
from lib.models import read_checkpoint
from lib.models.registry import BACKBONES, HEADS, NECKS
from lib.utils import plugins
from lib.utils.cli import run_tool
from lib.utils.errors import DataError

train, score = load_script("tools/train.py"), load_script("tools/test.py")
export = load_script("tools/export.py")
EXAMPLE = Path("experiments/own_parts")


@pytest.fixture
def words(synthpose, tmp_path):
    """Return the words of a command that uses the example in a few steps."""
    settings = {
        "DATASET.ROOT": str(synthpose / "coco"),
        "OUTPUT_DIR": str(tmp_path / "output"),
        "LOG_DIR": str(tmp_path / "log"),
        "TRAIN.MAX_ITER": "2",
        "TRAIN.LR_STEP": "[1]",
        "TRAIN.BATCH_SIZE_PER_GPU": "5",
        "WORKERS": "1",
    }
    return [
        "--cfg",
        str(EXAMPLE / "own_parts.yaml"),
        *(w for pair in settings.items() for w in pair),
    ]


def test_train_test_and_export(words, tmp_path):
    pytest.importorskip("onnxruntime")
    assert train.main(words).finished
    folder = tmp_path / "output/coco/posenet/own_parts"
    wanted = score.main(words)
    export.main(words)
    file = folder / "model.onnx"
    assert OnnxNetwork(file).card["mean"] == [0.5] * 3
    assert OnnxNetwork(file).card["codec"] == "narrow"
    assert score.main([*words, "TEST.MODEL_FILE", str(file)]) == pytest.approx(wanted, nan_ok=True)
    # The run folder's own YAML finds the file from wherever it is read.
    assert [str((EXAMPLE / "own_parts.py").resolve())] == load_config(
        folder / "config.yaml"
    ).IMPORTS
    _, payload = read_checkpoint(folder / "final_state.pth")
    assert "own_parts.py" in payload["meta"]["config"]


def test_an_answer_of_another_kind_from_a_folder_with_blanks(words, tmp_path):
    """Nothing of the package knows points; strides of 3, and a file beside its YAML."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "my parts é"
    folder.mkdir()
    shutil.copy(Path(__file__).parents[1] / "toys/own_points.py", folder)
    own = folder / "points.yaml"
    own.write_text(
        f"_BASE_: {Path('experiments/_base_/synthpose_easy.yaml').resolve()}\n"
        "IMPORTS: [own_points.py]\nMODEL: {NAME: posenet, BACKBONE: thirds, HEAD: points, "
        "TARGET_TYPE: points, IMAGE_SIZE: [66, 96], EXTRA: {BACKBONE: {WIDTH: 6}}}\n"
    )
    words[1] = str(own)
    assert train.main(words).finished
    wanted = score.main(words)
    export.main(words)
    file = tmp_path / "output/coco/posenet/points/model.onnx"
    assert OnnxNetwork(file).card["outputs"] == {"points": [17, 2], "sure": [17]}
    assert score.main([*words, "TEST.MODEL_FILE", str(file)]) == pytest.approx(wanted, nan_ok=True)
    heatmaps = r"'gaussian' reads heatmaps, but the head of posenet .PointsHead. gives points: set"
    with pytest.raises(ConfigError, match=f"{heatmaps} MODEL.TARGET_TYPE to points"):
        train.main([*words, "MODEL.TARGET_TYPE=gaussian", "MODEL.HEATMAP_SIZE=[22,32]"])


def write_table(coco, root, split):
    """Write the people of a COCO file as the table that ``own_data.py`` reads, with pictures."""
    content = json.loads((coco / f"annotations/person_keypoints_{split}2017.json").read_text())
    images = {image["id"]: image for image in content["images"]}
    joints = content["categories"][0]["keypoints"]
    rows = []
    for person in content["annotations"]:
        image, points = images[person["image_id"]], person["keypoints"]
        if person["iscrowd"] or not person["num_keypoints"]:
            continue
        row = {"picture": image["file_name"], "width": image["width"], "height": image["height"]}
        row |= dict(zip(("left", "top", "box_width", "box_height"), person["bbox"], strict=True))
        row["area"] = person["area"]
        names = [f"{joint}_{axis}" for joint in joints for axis in "xyv"]
        rows.append(row | dict(zip(names, points, strict=True)))
    (root / "labels").mkdir(parents=True, exist_ok=True)
    with (root / f"labels/{split}.csv").open("w", newline="") as opened:
        table = csv.DictWriter(opened, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    shutil.copytree(coco / f"images/{split}2017", root / f"pictures/{split}")
    return len(rows)


@pytest.fixture
def own_words(words, synthpose, tmp_path):
    """Return the words of a command that uses data, loss and metric of one's own."""
    counts = [write_table(synthpose / "coco", tmp_path / "table", s) for s in ("train", "val")]
    assert min(counts) > 3
    changed = [str(tmp_path / "table") if word.endswith("/coco") else word for word in words]
    return ["--cfg", str(EXAMPLE / "own_data.yaml"), *changed[2:]]


def test_data_loss_and_metric_through_train_test_and_export(own_words, synthpose, tmp_path):
    pytest.importorskip("onnxruntime")
    assert train.main(own_words).finished
    folder = next((tmp_path / "output").rglob("own_data"))
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    trained = [line for line in steps if line["kind"] == "train"]
    assert all(line["smooth"] > 0 and "heatmap" not in line for line in trained)
    wanted = score.main(own_words)
    assert {"AP", "left minus right", "PCK@0.2 (<)"} <= wanted.keys()
    export.main(own_words)
    file = folder / "model.onnx"
    found = score.main([*own_words, "TEST.MODEL_FILE", str(file)])
    assert found == pytest.approx(wanted, nan_ok=True, abs=1e-6)
    # The same people, in COCO's own form and read by the package, score the same.
    plain = [word if word != str(tmp_path / "table") else str(synthpose / "coco")
             for word in own_words]  # fmt: skip
    plain += ["DATASET.DATASET", "coco", "DATASET.TRAIN_SET", "train2017"]
    plain += ["DATASET.TEST_SET", "val2017", "TEST.MODEL_FILE", str(file)]
    again = score.main(plain)
    shared = {name: value for name, value in wanted.items() if name != "left minus right"}
    assert {name: again[name] for name in shared} == pytest.approx(shared, nan_ok=True, abs=1e-6)


@pytest.mark.usefixtures("nothing_registered")
def test_the_page_works_as_it_stands(words, synthpose, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    page = Path("docs/explain/own-parts.md").read_text()
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", page, re.DOTALL)
    text = "\n".join(block for kind, block in blocks if kind == "python")
    (tmp_path / "mine.py").write_text(text)
    [yaml] = [block for kind, block in blocks if kind == "yaml"]
    yaml = yaml.replace("_BASE_: ", f"_BASE_: {Path.cwd()}/").replace("JOINTS: 9", "JOINTS: 17")
    (tmp_path / "mine.yaml").write_text(yaml)
    for split in ("train", "val"):
        table = tmp_path / "mine" / f"{split}.csv"
        write_table(synthpose / "coco", tmp_path / split, split)
        rows = list(csv.DictReader((tmp_path / split / f"labels/{split}.csv").open()))
        table.parent.mkdir(exist_ok=True)
        with table.open("w", newline="") as opened:
            names = ["picture", *(n for n in rows[0] if n.endswith(("_x", "_y")) and len(n) > 3)]
            own = csv.DictWriter(opened, names, extrasaction="ignore")
            own.writeheader()
            for row in rows:
                hidden = {n: "" for n in names if row.get(f"{n[:-2]}_v") in ("0", "0.0")}
                own.writerow(row | hidden)
        pictures = tmp_path / split / "pictures" / split
        shutil.copytree(pictures, tmp_path / "mine/pictures", dirs_exist_ok=True)
    changed = [str(tmp_path / "mine") if word.endswith("/coco") else word for word in words]
    changed = ["--cfg", str(tmp_path / "mine.yaml"), *changed[2:]]
    assert train.main(changed).finished
    wanted = score.main(changed)
    assert {"left", "right"} <= wanted.keys()
    export.main(changed)
    [file] = (tmp_path / "output").rglob("model.onnx")
    again = score.main([*changed, "TEST.MODEL_FILE", str(file)])
    assert again == pytest.approx(wanted, nan_ok=True, abs=1e-6)


def test_mistakes_in_own_data_are_one_sentence(own_words, tmp_path):
    table = tmp_path / "table/labels/train.csv"
    text = table.read_text()
    table.write_text(text.replace("box_width", "breadth", 1))
    with pytest.raises(DataError, match=r"train.csv cannot be read: joint_table .* KeyError: 'box"):
        train.main(own_words)
    table.write_text(text.replace("nose_x", "nase_x", 1))
    with pytest.raises(DataError, match=r"joint_table .*own_data.py fails in line \d+"):
        train.main(own_words)
    table.unlink()
    with pytest.raises(DataError, match=r"No annotation file .*train.csv; check DATASET.ROOT"):
        train.main(own_words)
    for changed, message in (
        ("DATASET.DATASET=joint_tabel", "No DATASET.DATASET 'joint_tabel'. Did you mean joint_tab"),
        ("TEST.METRICS=[left_rigth]", "TEST.METRICS: no metric 'left_rigth'. Did you mean left_r"),
        ("LOSS.NAME=smoth", "No LOSS.NAME 'smoth'. Did you mean smooth"),
        ("LOSS.OPTIONS.BETTA=1", "unknown key LOSS.OPTIONS.BETTA"),
    ):
        with pytest.raises(ConfigError, match=message):
            train.main([*own_words, changed])


def test_a_codec_has_settings_of_its_own(words):
    cfg = load_config(words[1], [*words[2:], "MODEL.CODEC.POWER", "3"])
    assert cfg.MODEL.CODEC.POWER == 3
    with pytest.raises(ConfigError, match=r"unknown key MODEL.CODEC.POWR"):
        load_config(words[1], ["MODEL.CODEC.POWR", "3"])


PARTS = (EXAMPLE / "own_parts.py").read_text()
DATA = (EXAMPLE / "own_data.py").read_text()
GONE = "# gone"  # lines with it are left out


@pytest.fixture
def nothing_registered(monkeypatch):
    """Let parts of the example be registered again, from another file."""
    monkeypatch.setattr(plugins, "_imported", {})
    for registry in (BACKBONES, NECKS, HEADS, CODECS, LAYOUTS, METRICS, LOSSES):
        kept = {n: registry[n] for n in registry if f'register("{n}")' not in PARTS + DATA}
        monkeypatch.setattr(registry, "_entries", kept)


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (PARTS, "@dataclass(frozen=True)", "", "'power'; a codec is a @dataclass(frozen=True)"),
        (
            PARTS,
            "(GaussianCodec)",
            "(nn.Module)",
            "MODEL.TARGET_TYPE 'narrow' is no Codec: derive it from",
        ),
        (PARTS, "return targets.pow(self.power), w", "return w", "must return targets and weights"),
        (
            PARTS,
            "        self.out_stride = in_s",
            "        s = in_s",
            "must declare out_stride, the whole",
        ),
        (PARTS, '    gives: ClassVar[str] = "heatmaps"', "", "declares no gives; what each kind"),
        (PARTS, "return heatmaps -", "return heatmaps[..., ::2] -", "reads heatmaps [17, 24, 16]"),
        (PARTS, "predict(maps[0])", "predict(maps)", "in forward: TypeError: conv2d() received"),
        (PARTS, "self.predict(", "self.guess(", "in forward: AttributeError: 'CentredHead' object"),
        (DATA, "@reader(", "", "'joint_table' is no Layout: write @reader("),
        (DATA, "@metric(", "", "metric 'left_right' is no Metric: write @metric("),
        (DATA, "@loss(", "", "LOSS.NAME 'smooth' is no Loss: write @loss(), with"),
    ],
)
@pytest.mark.usefixtures("nothing_registered")
def test_mistakes_in_parts_are_one_sentence(words, tmp_path, capsys, text, old, new, told):
    file = tmp_path / "mine.py"
    assert old in text
    lines = text.replace(old, new or GONE).splitlines(keepends=True)
    file.write_text("".join(line for line in lines if GONE not in line))
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: train.main([*words, "WORKERS", "0", "IMPORTS", f"[{file}]"]))
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert told in said
    assert "Traceback" not in said


def test_a_part_that_is_not_there(words):
    with pytest.raises(ConfigError, match=r"No neck 'add_upp'. Did you mean add_up"):
        PoseEstimator.from_config(load_config(words[1], [*words[2:], "MODEL.NECK", "add_upp"]))


def test_a_weights_file_alone_asks_before_it_runs_code(words, tmp_path):
    train.main(words)
    file = tmp_path / "output/coco/posenet/own_parts/final_state.pth"
    alone = shutil.copy(file, tmp_path / "alone.pth")
    with pytest.raises(ConfigError, match="asks for code of its own, IMPORTS"):
        PoseEstimator.from_pretrained(str(alone))
    given = ["IMPORTS", f"[{(EXAMPLE / 'own_parts.py').resolve()}]"]
    assert PoseEstimator.from_pretrained(str(alone), overrides=given).network is not None
