"use strict";
// The grid as a heat map: a table per data set and architecture, a row per pruner, a column per compression level. The choice is kept
// in the address after #, so that going back from a cell's page restores it.
(() => {
  const { measures, colours, cells } = JSON.parse(document.getElementById("grid-data").textContent);
  const form = document.getElementById("grid-choices");
  const chosen = form.elements.measure;
  const filters = ["dataset", "arch", "pruner", "amount"];
  const map = document.getElementById("grid-map");
  const help = document.getElementById("grid-help");
  const legend = document.getElementById("grid-legend");
  // Blue and orange are distinguishable for colour-blind readers; light is the middle, or low.
  const BLUE = [8, 81, 156], ORANGE = [191, 78, 0], LIGHT = [243, 240, 233];

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const offer = (select, values) => select.append(...values.map((value) => {
    const option = element("option", value[1]);
    option.value = value[0];
    return option;
  }));
  // Sparsities first: where the window is narrow, they are what is seen.
  const compare = (a, b) => (a[0] === b[0] ? a[1] - b[1] : a[0] < b[0] ? 1 : -1);
  const distinct = (name, from = cells) => [...new Set(from.map((cell) => cell[name]))];
  const amounts = (from) => {
    const order = new Map(from.map((cell) => [cell.amount, cell.order]));
    return [...order.keys()].sort((a, b) => compare(order.get(a), order.get(b)));
  };

  const mix = (to, part) => LIGHT.map((from, place) => Math.round(from + (to[place] - from) * part));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const painted = (node, colour) => {
    node.style.backgroundColor = `rgb(${colour.join(" ")})`;
    node.style.color = luminance(colour) > 0.18 ? "#000000" : "#ffffff";
  };
  // From the least to the largest value, or out from the middle. Of many values, the twentieth part farthest out does not
  // flatten the others where it lies twice as far: the legend says so.
  const scale = (measure, values) => {
    const low = Math.min(...values), high = Math.max(...values);
    if (measure.middle === null) {
      const to = measure.bad ? ORANGE : BLUE;
      const part = (value) => (high > low ? (value - low) / (high - low) : 0.5);
      return { colour: (value) => mix(to, part(value)), ends: [low, high], beyond: null };
    }
    const far = values.map((value) => Math.abs(value - measure.middle)).sort((a, b) => a - b);
    const most = far[far.length - 1] || 1, usual = far[Math.ceil(0.95 * far.length) - 1];
    const clipped = usual > 0 && most > 2 * usual;
    const reach = clipped ? usual : most;
    const colour = (value) => {
      const away = (value - measure.middle) / reach;
      return mix((away > 0) === measure.bad ? ORANGE : BLUE, Math.min(Math.abs(away), 1));
    };
    return { colour, ends: [measure.middle - reach, measure.middle, measure.middle + reach], beyond: clipped ? [low, high] : null };
  };
  // Points and correlations have scales of their own.
  const SCORES = ["score", "change", "on_pies", "change_on_pies", "worst"];
  const unitOf = (measure, cell) => (SCORES.includes(measure.name) ? cell.unit : null);
  const scales = (measure, found) => {
    const values = new Map();
    for (const cell of found) {
      const value = cell.values[measure.name]?.[0], unit = unitOf(measure, cell);
      if (value !== undefined) values.set(unit, [...(values.get(unit) ?? []), value]);
    }
    return new Map([...values].map(([unit, own]) => [unit, scale(measure, own)]));
  };

  const stateText = (state) => Object.entries(state).map(([name, number]) => `${number} ${name}`).join(", ");
  const square = (cell, measure, paint) => {
    const box = element("td");
    if (!cell) return box;
    const value = cell.values[measure.name];
    const where = `${cell.pruner}, ${cell.amount}, ${cell.dataset} with ${cell.arch}`;
    const state = stateText(cell.state);
    if (!cell.href) {
      box.className = "empty";
      box.append(element("span", state.replace(/^\d+ /, "") || "missing", "why"));
      box.title = `${where}: ${state || "not analysed"}`;
      return box;
    }
    const link = element("a", value ? value[1] : "–");
    link.href = cell.href;
    link.setAttribute("aria-label", `${where}: ${measure.title} ${value ? value[1] : "has no value"}${state ? `; ${state}` : ""}`);
    link.title = link.getAttribute("aria-label");
    if (state) link.append(element("sup", "!"));
    if (value) painted(link, paint(cell, value[0]));
    box.append(link);
    return box;
  };
  const block = (name, own, measure, paint) => {
    const table = element("table", undefined, "heat");
    const metric = own.map((cell) => cell.metric).find(Boolean);
    const caption = element("caption", name);
    if (metric) caption.append(" ", element("span", metric, "note"));
    const head = element("tr");
    const columns = amounts(own);
    const corner = element("th", "pruner");
    corner.scope = "col";
    head.append(corner, ...columns.map((amount) => {
      const cell = element("th", amount);
      cell.scope = "col";
      return cell;
    }));
    const thead = element("thead"), body = element("tbody");
    thead.append(head);
    for (const pruner of distinct("pruner", own)) {
      const row = element("tr");
      const first = element("th");
      first.scope = "row";
      const dot = element("span", "", "dot");
      dot.style.setProperty("--c", colours[pruner]);
      dot.setAttribute("aria-hidden", "true");
      first.append(dot, pruner);
      const there = new Map(own.filter((cell) => cell.pruner === pruner).map((cell) => [cell.amount, cell]));
      row.append(first, ...columns.map((amount) => square(there.get(amount), measure, paint)));
      body.append(row);
    }
    table.append(caption, thead, body);
    const frame = element("div", undefined, "scroll");
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", `Heat map of ${name}`);
    frame.append(table);
    return frame;
  };
  const explain = (measure, found, own) => {
    help.textContent = `${measure.help} Showing ${found} of ${cells.length} pruned models. Select a cell to open its page.`;
    legend.replaceChildren(...[...own].map(([unit, { colour, ends, beyond }]) => {
      const line = element("span", undefined, "scale"), bar = element("span", undefined, "ramp");
      const write = writer(measure, unit);
      bar.setAttribute("aria-hidden", "true");
      const stops = [...Array(11).keys()].map((i) => ends[0] + (ends[ends.length - 1] - ends[0]) * i / 10);
      bar.style.backgroundImage = `linear-gradient(to right, ${stops.map((v) => `rgb(${colour(v).join(" ")})`).join(", ")})`;
      if (unit) line.append(element("b", unit));
      line.append(element("span", write(ends[0])), bar, element("span", write(ends[ends.length - 1])));
      if (ends.length === 3) line.append(element("span", `light: ${write(ends[1])}, no change`, "note"));
      if (beyond) line.append(element("span", `values farther out, from ${write(beyond[0])} to ${write(beyond[1])}, have the end's colour`, "note"));
      return line;
    }));
  };
  const writer = (measure, unit) => (value) => {
    if (unit || ["alpha", "alpha_corrected"].includes(measure.name)) return value.toFixed(2).replace("-", "−");
    const points = ["change", "excess", "change_on_pies", "harm", "worst"].includes(measure.name);
    return `${(100 * value).toFixed(points ? 1 : 0).replace("-", "−")}${points ? " points" : "%"}`;
  };

  const show = () => {
    const measure = measures.find((one) => one.name === chosen.value) ?? measures[0];
    const wanted = filters.map((name) => form.elements[name].value);
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    // A word that is a whole name or level is no part of others: MP is not IMP.
    const namesOf = (cell) => filters.map((name) => cell[name]).join(" ").toLowerCase();
    const whole = new Set(cells.flatMap((cell) => namesOf(cell).split(/\s+/)));
    const found = cells.filter((cell) => {
      if (!filters.every((name, i) => wanted[i] === "" || cell[name] === wanted[i])) return false;
      const text = namesOf(cell), own = text.split(/\s+/);
      return words.every((word) => (whole.has(word) ? own.includes(word) : text.includes(word)));
    });
    const groups = new Map();
    for (const cell of found) {
      const name = `${cell.dataset} · ${cell.arch}`;
      groups.set(name, [...(groups.get(name) ?? []), cell]);
    }
    if (!measure) {
      const none = { name: "", title: "no measure", help: "Nothing is measured yet.", middle: null, bad: false };
      map.replaceChildren(...[...groups].map(([name, own]) => block(name, own, none, () => LIGHT)));
      help.textContent = none.help;
      return;
    }
    const own = scales(measure, found);
    const paint = (cell, value) => own.get(unitOf(measure, cell)).colour(value);
    map.replaceChildren(...[...groups].map(([name, some]) => block(name, some, measure, paint)));
    if (!groups.size) map.append(element("p", "No pruned model matches."));
    explain(measure, found.length, own);
  };
  const keep = () => {
    const state = new URLSearchParams();
    for (const name of ["measure", ...filters, "words"]) {
      if (form.elements[name].value) state.set(name, form.elements[name].value);
    }
    history.replaceState(null, "", `#grid&${state}`);
  };
  const restore = () => {
    const asked = new URLSearchParams(location.search).get("find");
    if (asked !== null) form.elements.words.value = asked;
    if (!location.hash.startsWith("#grid&")) return false;
    form.elements.words.value = "";
    const state = new URLSearchParams(location.hash.replace(/^#grid&/, ""));
    for (const name of ["measure", ...filters]) {
      const select = form.elements[name], value = state.get(name);
      if (value !== null && [...select.options].some((option) => option.value === value)) select.value = value;
    }
    form.elements.words.value = state.get("words") ?? "";
    return true;
  };

  offer(chosen, measures.map((measure) => [measure.name, measure.title]));
  for (const name of filters) {
    offer(form.elements[name], (name === "amount" ? amounts(cells) : distinct(name)).map((value) => [value, value]));
  }
  if (measures.some((measure) => measure.name === "change")) chosen.value = "change";
  restore();
  for (const kind of ["change", "input"]) form.addEventListener(kind, () => { show(); keep(); });
  window.addEventListener("hashchange", () => { if (restore()) show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
