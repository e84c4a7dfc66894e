// The matching game: the reader holds keys until the hand that they make is the hand that is shown. Rules and
// gestures stand in the page; the formulas are those of crossroads.analyse.hand_scores.
{
  const sum = (values) => values.reduce((total, value) => total + value, 0);

  // Bits of one selection among n that is right with probability p, and else wrong alike in all ways.
  const wolpawBits = (n, p) =>
    Math.log2(n) + (p > 0 ? p * Math.log2(p) : 0) + (p < 1 ? (1 - p) * Math.log2((1 - p) / (n - 1)) : 0);

  // Mutual information of a confusion matrix [bit], corrected by Miller and Madow's bias.
  const informationBits = (counts) => {
    const rows = counts.map(sum);
    const columns = counts[0].map((_, j) => sum(counts.map((row) => row[j])));
    const total = sum(rows);
    const cells = counts.flatMap((row, i) => row.map((count, j) => ({ count, expected: (rows[i] * columns[j]) / total })));
    const seen = cells.filter(({ count }) => count > 0);
    const plugIn = sum(seen.map(({ count, expected }) => (count / total) * Math.log2(count / expected)));
    const used = (totals) => totals.filter((count) => count > 0).length;
    return plugIn - (seen.length - used(rows) - used(columns) + 1) / (2 * Math.LN2 * total);
  };

  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
  };

  // Gesture whose posture differs in the fewest degrees of freedom; the first of several.
  const nearest = (posture, postures) => {
    const wrong = postures.map((other) => sum(other.map((on, dof) => Math.abs(on - posture[dof]))));
    return wrong.indexOf(Math.min(...wrong));
  };

  // Results of cues { target, made, success, reaction_s, cue_s }, of which n gestures after rest were asked for.
  const results = (cues, n) => {
    const counts = Array.from({ length: n + 1 }, () => Array(n + 1).fill(0));
    for (const { target, made } of cues) counts[target][made] += 1;
    const matched = cues.filter(({ success }) => success);
    const success = matched.length / cues.length;
    const cue_s = sum(cues.map((cue) => cue.cue_s)) / cues.length;
    const wolpaw_bits = wolpawBits(n, success);
    const information_bits = informationBits(counts);
    return {
      n_gestures: n,
      success,
      reaction_s: median(matched.map(({ reaction_s }) => reaction_s)),
      cue_s,
      wolpaw_bits,
      information_bits,
      bits_per_s_wolpaw: wolpaw_bits / cue_s,
      bits_per_s: information_bits / cue_s,
    };
  };

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  const chooser = (label, choices) => {
    const choice = element("select");
    for (const [text, value] of choices) choice.add(new Option(text, value));
    return { label: element("label", {}, `${label} `, choice), choice };
  };

  // A left hand from behind: little finger to index, thumb, wrist. A flexed finger is short, thick and ends in a full
  // circle; a flexed wrist leans to the side.
  const LINES = { little: [24, 62, 17, 26], ring: [36, 56, 33, 10], middle: [48, 54, 49, 4], index: [60, 56, 65, 10], thumb: [68, 84, 92, 66] };
  const drawHand = (name) => {
    const make = (tag, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const svg = make("svg", { viewBox: "0 -4 100 150", "aria-hidden": "true" });
    const label = make("text", { x: 50, y: 143 });
    label.textContent = name;
    const show = (flexed) => {
      const wrist = flexed.has("wrist");
      const parts = [
        make("path", { d: wrist ? "M32 104 L14 130 M58 104 L40 130" : "M38 104 L38 130 M58 104 L58 130" }),
        make("path", { d: "M24 62 L36 56 L48 54 L60 56 L68 84 L58 104 L36 104 Z" }),
        make("circle", { cx: 47, cy: 104, r: 5, class: wrist ? "cr-flexed" : "" }),
      ];
      for (const [finger, [x, y, x2, y2]] of Object.entries(LINES)) {
        const length = flexed.has(finger) ? 0.35 : 1;
        const end = [x + length * (x2 - x), y + length * (y2 - y)];
        const look = flexed.has(finger) ? "cr-flexed" : "";
        parts.push(make("line", { x1: x, y1: y, x2: end[0], y2: end[1], class: look }));
        parts.push(make("circle", { cx: end[0], cy: end[1], r: 4, class: look }));
      }
      svg.replaceChildren(...parts, label);
    };
    show(new Set());
    return { svg, show };
  };

  const build = (place) => {
    const rules = JSON.parse(place.dataset.rules);
    const names = Object.keys(rules.gestures);
    const postures = Object.values(rules.gestures);
    const dofOf = Object.fromEntries(Object.entries(rules.keys).map(([dof, key]) => [key === "space" ? " " : key, dof]));
    const keyed = Object.keys(rules.keys);

    const number = chooser("Gestures", rules.choices.map((n) => [n, n]));
    number.choice.selectedIndex = rules.choices.length - 1; // as many as the simulated user has
    const limit = chooser(
      "Time for a cue",
      [1, 10].map((times) => [`${(times * rules.timeout_ms) / 1000} s`, times * rules.timeout_ms]),
    );
    const start = element("button", { type: "button", textContent: "Start" });
    const told = element("p", { textContent: "Press Start." });
    told.setAttribute("role", "status");
    const cue = drawHand("match this");
    const own = drawHand("your hand");
    const field = element("div", { className: "cr-hand-field", tabIndex: 0 }, told, cue.svg, own.svg);
    field.setAttribute("role", "application");
    field.setAttribute("aria-label", "Matching game");
    const toggles = keyed.map((dof) => {
      const toggle = element("button", { type: "button" }, dof, element("kbd", { textContent: rules.keys[dof] }));
      toggle.setAttribute("aria-pressed", "false");
      return toggle;
    });
    const keys = keyed.map((dof) => `${dof} ${rules.keys[dof]}`).join(", ");
    const help = element("p", {
      id: `cr-hand-help-${[...document.querySelectorAll(".cr-hand")].indexOf(place)}`,
      textContent:
        `Hold the keys of the fingers that bend (${keys}), or press the buttons below, until your hand is the one ` +
        `shown and for ${rules.dwell_ms / 1000} s more; then open it. ${rules.cues} cues a round. Escape stops.`,
    });
    field.setAttribute("aria-describedby", help.id);
    place.querySelector("p").replaceWith(
      help,
      element("div", { className: "cr-hand-bar" }, number.label, limit.label, start),
      field,
      element("div", { className: "cr-hand-buttons" }, ...toggles),
    );

    const held = new Set(); // by key
    const latched = new Set(); // by button
    let round = null; // { n, timeout_ms, cues, target, from, since, timers }

    const tell = (text) => {
      if (told.textContent !== text) told.textContent = text; // else a screen reader would say it again
    };
    const flexed = () => new Set([...held, ...latched]);
    const posture = () => rules.dofs.map((dof) => (flexed().has(dof) ? 1 : 0));
    const after = (ms, act) => round.timers.push(setTimeout(act, ms));
    const quiet = () => {
      for (const timer of round.timers) clearTimeout(timer);
      round.timers = [];
    };

    const expect = (text) => {
      Object.assign(round, { target: 0, since: null });
      cue.show(new Set());
      tell(text);
      const [low, high] = rules.pause_ms;
      after(low + Math.random() * (high - low), ask);
    };

    const ask = () => {
      quiet();
      if (flexed().size) {
        tell("Open your hand: let go of all keys.");
        round.target = 0;
        after(100, ask);
        return;
      }
      round.target = 1 + Math.floor(Math.random() * round.n);
      const bent = rules.dofs.filter((_, dof) => postures[round.target][dof]);
      cue.show(new Set(bent));
      const name = names[round.target];
      tell(bent.length > 1 ? `${name}: ${bent.join(", ")}` : name);
      round.from = performance.now();
      after(round.timeout_ms, () => finish(false));
    };

    const finish = (success) => {
      quiet();
      round.cues.push({
        target: round.target,
        made: success ? round.target : nearest(posture(), postures.slice(0, round.n + 1)),
        success,
        reaction_s: success ? (round.since - round.from) / 1000 : NaN,
        cue_s: (performance.now() - round.from) / 1000,
      });
      latched.clear();
      show();
      const found = results(round.cues, round.n);
      for (const cell of place.querySelectorAll("[data-result]")) {
        const value = found[cell.dataset.result];
        cell.textContent = Number.isFinite(value) ? Number(value.toPrecision(3)) : "none matched";
      }
      const text = success ? "Matched." : "Too late.";
      if (round.cues.length < rules.cues) expect(`${text} ${round.cues.length} of ${rules.cues}.`);
      else stop(text);
    };

    const stop = (text) => {
      quiet();
      const { cues, n } = round;
      round = null;
      held.clear();
      latched.clear();
      cue.show(new Set());
      show();
      start.textContent = "Start";
      if (!cues.length) return tell(`${text} Press Start.`);
      const { success, reaction_s, bits_per_s } = results(cues, n);
      const median_s = Number.isFinite(reaction_s) ? `, median ${reaction_s.toFixed(2)} s` : "";
      tell(
        `${text} ${Math.round(100 * success)} % of ${cues.length} cues matched${median_s}, ${bits_per_s.toFixed(2)} bits ` +
          "a second. The table below has all numbers.",
      );
    };

    // Shows the hand, and sees whether it is the one that is wanted.
    const show = () => {
      own.show(flexed());
      toggles.forEach((toggle, i) => toggle.setAttribute("aria-pressed", String(latched.has(keyed[i]))));
      if (!round || !round.target) return;
      const same = posture().every((on, dof) => on === postures[round.target][dof]);
      if (same && round.since === null) {
        const since = performance.now();
        round.since = since;
        after(rules.dwell_ms, () => round.since === since && finish(true));
      }
      if (!same) round.since = null;
    };

    start.addEventListener("click", () => {
      if (round) return stop("Stopped.");
      round = { n: Number(number.choice.value), timeout_ms: Number(limit.choice.value), cues: [], timers: [] };
      start.textContent = "Stop";
      field.focus({ preventScroll: true });
      expect("Get ready.");
    });
    toggles.forEach((toggle, i) =>
      toggle.addEventListener("click", () => {
        const dof = keyed[i];
        if (!latched.delete(dof)) latched.add(dof);
        show();
      }),
    );
    place.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && round) stop("Stopped.");
    });
    // Keys belong to the page unless the field has the focus, and always with Control, Alt or Command.
    field.addEventListener("keydown", (event) => {
      const dof = dofOf[event.key.toLowerCase()];
      if (!dof || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (event.repeat) return;
      held.add(dof);
      show();
    });
    field.addEventListener("keyup", (event) => {
      if (held.delete(dofOf[event.key.toLowerCase()])) show();
    });
    field.addEventListener("blur", () => {
      held.clear();
      show();
    });
  };

  if (typeof module === "object") module.exports = { wolpawBits, informationBits, median, nearest, results };
  else document.querySelectorAll(".cr-hand").forEach(build);
}
