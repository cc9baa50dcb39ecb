"""The notebooks run from the first cell to the last, each within three minutes of one core."""

import resource

import pytest
from tool_loader import ROOT

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks_without_outputs():
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert '"outputs": []' in path.read_text()
        assert "image/png" not in path.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    end = resource.getrusage(resource.RUSAGE_CHILDREN)  # time on the clock depends on neighbours
    assert end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime < 180
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert not [out for out in outputs if out["output_type"] == "error"]
