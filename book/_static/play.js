// Draws the interactive figures of a page from the JSON beside them, with the plotly bundle that the book carries.
// The bundle is large: it is loaded only where there is a figure, when the reader comes near the first one.
const bundle = new URL("vendor/plotly.min.js", document.currentScript.src).href;
const plots = document.querySelectorAll(".cr-plot");

// The browser's own slider in the place of plotly's, which cannot be moved by keyboard or read by a screen reader.
function addSlider(place, layout) {
  const slider = layout.sliders[0];
  delete layout.sliders;
  const label = document.createElement("label");
  const range = document.createElement("input");
  const shown = document.createElement("output");
  const show = () => {
    const step = slider.steps[range.value];
    shown.textContent = step.label;
    range.setAttribute("aria-valuetext", step.label);
    return step;
  };
  Object.assign(range, { type: "range", min: 0, max: slider.steps.length - 1, value: slider.active });
  range.addEventListener("input", () => Plotly.animate(place, ...show().args));
  show();
  label.className = "cr-slider";
  label.append(slider.currentvalue.prefix, range, shown);
  place.after(label);
}

function draw(place) {
  const figure = JSON.parse(place.parentElement.querySelector("script").textContent);
  place.replaceChildren();
  if (figure.layout.sliders) addSlider(place, figure.layout);
  Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displayModeBar: false }).then(() =>
    figure.frames ? Plotly.addFrames(place, figure.frames) : undefined,
  );
}

function load() {
  const script = document.createElement("script");
  script.src = bundle;
  script.addEventListener("load", () => plots.forEach(draw));
  document.head.append(script);
}

if (plots.length) {
  const near = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        near.disconnect();
        load();
      }
    },
    { rootMargin: "800px" },
  );
  plots.forEach((place) => near.observe(place));
}
