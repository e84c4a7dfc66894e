// Opens a figure at its full size: click it, or press Enter on it; Escape or a click closes it.
for (const picture of document.querySelectorAll("figure img")) {
  const button = document.createElement("button");
  button.className = "cr-zoom";
  button.type = "button";
  button.title = "Enlarge this figure";
  (picture.closest("a.image-reference") ?? picture).replaceWith(button); // without this script a link opens it
  button.append(picture);
  button.addEventListener("click", () => {
    const dialog = document.createElement("dialog");
    dialog.className = "cr-zoomed";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    const large = picture.cloneNode();
    large.removeAttribute("style");
    large.removeAttribute("width");
    dialog.append(close, large);
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });
}
