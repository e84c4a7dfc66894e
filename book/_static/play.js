// Draws the interactive figures of a page from the JSON beside them, with the plotly bundle that the book carries.
// The bundle is large: it is loaded only where there is a figure, when the reader comes near the first one.
const bundle = new URL("vendor/plotly.min.js", document.currentScript.src).href;
const plots = document.querySelectorAll(".cr-plot");

// The browser's own sliders, one for each quantity, in the place of plotly's single one over all combinations, which
// cannot be moved by keyboard or read by a screen reader.
function addSliders(place, layout) {
  const moves = new Map(layout.sliders[0].steps.map((step) => [step.label, step.args]));
  delete layout.sliders;
  const outputs = layout.meta.sliders.map(() => document.createElement("output"));
  const labels = layout.meta.sliders.map(({ name, values, start }, i) => {
    const label = document.createElement("label");
    const range = document.createElement("input");
    const show = () => {
      outputs[i].textContent = values[range.value];
      range.setAttribute("aria-valuetext", values[range.value]);
    };
    Object.assign(range, { type: "range", min: 0, max: values.length - 1, value: values.indexOf(start) });
    range.addEventListener("input", () => {
      show();
      Plotly.animate(place, ...moves.get(outputs.map((output) => output.textContent).join(", ")));
    });
    show();
    label.className = "cr-slider";
    label.append(name, range, outputs[i]);
    return label;
  });
  place.after(...labels);
  if (layout.updatemenus) addPlayer(labels[0], layout.updatemenus[0].buttons[0].args[1].frame.duration);
  delete layout.updatemenus;
}

// A button that moves a slider as time goes by, in the place of plotly's. Nothing moves before it is pressed.
function addPlayer(label, step_ms) {
  const [range, output] = label.children;
  const button = document.createElement("button");
  const start = { value: 0, at: 0 };
  let playing = false;
  const set = (on) => {
    playing = on;
    button.textContent = on ? "Pause" : "Play";
    output.setAttribute("aria-live", on ? "off" : "polite"); // else a screen reader would count along
  };
  const move = (now) => {
    if (!playing) return;
    const value = Math.min(start.value + Math.floor((now - start.at) / step_ms), range.max);
    if (value > range.value) {
      range.value = value;
      range.dispatchEvent(new Event("input"));
    }
    if (value < range.max) requestAnimationFrame(move);
    else set(false);
  };
  button.type = "button";
  button.className = "cr-player";
  button.addEventListener("click", () => {
    set(!playing);
    if (range.value === range.max) range.value = 0;
    Object.assign(start, { value: Number(range.value), at: performance.now() });
    requestAnimationFrame(move);
  });
  range.addEventListener("input", (event) => event.isTrusted && set(false)); // the reader's hand goes first
  set(false);
  label.before(button);
}

function draw(place) {
  const figure = JSON.parse(place.parentElement.querySelector("script").textContent);
  place.replaceChildren();
  if (figure.layout.sliders) addSliders(place, figure.layout);
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
