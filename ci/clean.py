"""Makes an executed notebook ready for the page: portable, quiet, every picture described."""

from typing import Any

from nbformat import NotebookNode

PICTURES = ("image/png", "image/svg+xml", "image/jpeg")


def clean(notebook: NotebookNode, root: str) -> NotebookNode:
    """Strip an executed notebook in place and turn what figures say of themselves into page options.

    Of the metadata only `tags` and `mystnb` stay; the cell of the injected parameters is hidden and
    loses `out`, so that a downloaded copy runs anywhere; `root`, the repository's folder, is cut
    from the outputs. A figure's {"crossroads": {"name", "caption", "alt"}} becomes `mystnb`.

    Raises
    ------
    ValueError : names the cell: a picture without alt text, or something written to stderr
        (warnings are errors in the book).
    """
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k in ("kernelspec", "language_info")}
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # jupytext's are random
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("out ="))
            cell.metadata["tags"].append("remove-cell")
        for output in cell.get("outputs", []):
            where = f"In [{cell.execution_count}] ({cell.source.strip().splitlines()[0]})"
            if output.get("name") == "stderr":
                raise ValueError(f"{where} writes to stderr: {output['text'].strip()}")
            about = output.get("metadata", {}).pop("crossroads", {})
            if any(kind in output.get("data", {}) for kind in PICTURES) and not about.get("alt"):
                raise ValueError(f"{where} shows a picture without alt text: show it with figures.show")
            if about:
                options = cell.metadata.setdefault("mystnb", {})
                options["figure"] = {"name": about["name"], "caption": about["caption"]}
                options["image"] = {"alt": about["alt"]}
            for part in ("text", "data"):
                if part in output:
                    output[part] = _without(output[part], root)
    return notebook


def _without(value: Any, root: str) -> Any:
    if isinstance(value, str):
        return value.replace(f"{root}/", "")
    if isinstance(value, dict):
        return {k: v if k in PICTURES else _without(v, root) for k, v in value.items()}
    if isinstance(value, list):
        return [_without(item, root) for item in value]
    return value
