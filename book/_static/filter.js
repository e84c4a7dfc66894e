// Lets a reader narrow the table of all claims to a chapter, a verdict, or where the paper's value comes from.
const rows = [...document.querySelectorAll("tr[data-verdict]")];

function chooser(name, key) {
  const label = document.createElement("label");
  const choice = document.createElement("select");
  choice.add(new Option("all", ""));
  for (const value of [...new Set(rows.map((row) => row.dataset[key]))].sort()) choice.add(new Option(value));
  label.append(`${name} `, choice);
  return { label, choice, fits: (row) => !choice.value || row.dataset[key] === choice.value };
}

if (rows.length) {
  const choosers = [chooser("Chapter", "chapter"), chooser("Verdict", "verdict"), chooser("The paper's value", "source")];
  const count = document.createElement("output");
  const bar = document.createElement("div");
  bar.className = "cr-filter";
  bar.append(...choosers.map((chooser) => chooser.label), count);
  rows[0].closest(".cr-table").before(bar);
  const show = () => {
    for (const row of rows) row.hidden = !choosers.every((chooser) => chooser.fits(row));
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
  };
  bar.addEventListener("change", show);
  show();
}
