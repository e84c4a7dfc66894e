import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ci.clean import clean

ROOT = "/some/where/crossroads"
KERNEL = {"name": "python3", "display_name": "Python 3"}
ABOUT = {"name": "fig-demo-a", "caption": "What **is** drawn.", "alt": "It rises to 3."}


def figure(about: dict | None = None, kind: str = "image/png") -> nbformat.NotebookNode:
    metadata = {"crossroads": about} if about else {}
    return new_output("display_data", {kind: "iVBORw0KGgo=", "text/plain": "Figure"}, metadata=metadata)


def cell(source: str = "x = 1", outputs: tuple = (), **metadata) -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata=metadata, execution_count=3)


def cleaned(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    notebook = new_notebook(cells=list(cells), metadata={"papermill": {"a": 1}, "kernelspec": KERNEL})
    clean(notebook, ROOT)
    nbformat.validate(notebook)
    return notebook


def test_only_tags_page_options_and_kernel_stay():
    noise = {"papermill": {"duration": 1}, "collapsed": True, "tags": ["hide-input"]}
    notebook = cleaned(new_markdown_cell("# Title", metadata=noise), cell(**noise))
    assert notebook.metadata == {"kernelspec": KERNEL}
    assert [c.metadata for c in notebook.cells] == [{"tags": ["hide-input"]}] * 2


def test_injected_parameters_are_hidden_and_name_no_folder():
    source = '# Parameters\nsize = "ci"\nout = "/tmp/x"'
    [injected] = cleaned(cell(source, tags=["injected-parameters"])).cells
    assert injected.source == '# Parameters\nsize = "ci"'
    assert injected.metadata.tags == ["injected-parameters", "remove-cell"]


def test_figure_becomes_page_options():
    [shown] = cleaned(cell(outputs=[figure(ABOUT)], tags=["hide-input"])).cells
    assert shown.metadata == {
        "tags": ["hide-input"],
        "mystnb": {
            "figure": {"name": "fig-demo-a", "caption": "What **is** drawn."},
            "image": {"alt": "It rises to 3."},
        },
    }
    assert shown.outputs[0].metadata == {}


@pytest.mark.parametrize("kind", ["image/png", "image/svg+xml", "image/jpeg"])
@pytest.mark.parametrize("about", [None, ABOUT | {"alt": ""}])
def test_picture_without_alt_text_is_an_error_that_names_the_cell(kind, about):
    with pytest.raises(ValueError, match=r"In \[3\] \(draw\(\)\) shows a picture without alt text"):
        cleaned(cell("draw()\nmore", outputs=[figure(about, kind)]))


def test_writing_to_stderr_is_an_error_that_quotes_it():
    with pytest.raises(ValueError, match=r"In \[3\] \(x = 1\) writes to stderr: beware of 7"):
        cleaned(cell(outputs=[new_output("stream", name="stderr", text="beware of 7\n")]))


def test_the_repositorys_folder_is_cut_from_outputs():
    outputs = [
        new_output("stream", name="stdout", text=f"read {ROOT}/book/a.csv\n"),
        new_output("execute_result", {"text/html": [f"<b>{ROOT}/b</b>"]}, execution_count=3),
    ]
    [shown] = cleaned(cell(outputs=outputs)).cells
    assert shown.outputs[0].text == "read book/a.csv\n"
    assert shown.outputs[1].data == {"text/html": ["<b>b</b>"]}
