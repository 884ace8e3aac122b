"use strict";
// Filters, sorts and pages the rows embedded as JSON. Everything enters the page as text, never as HTML.
(() => {
  const CELL = 0, EXAMPLE = 1, TEXT = 2, TRUE = 3, DENSE = 4, PRUNED = 5, DENSE_SHARE = 6, PRUNED_SHARE = 7, DENSE_RIGHT = 8, PRUNED_RIGHT = 9;
  const PER_PAGE = 50;
  const { cells, names, texts, rows, classless, images } = JSON.parse(document.getElementById("data").textContent);
  const lower = texts.map((text) => text.toLowerCase());
  const form = document.getElementById("choices");
  const parts = [...form.querySelectorAll("select[data-part]")];
  const chosenClass = document.getElementById("class-choice");
  const order = document.getElementById("order");
  const words = document.getElementById("words");
  const state = document.getElementById("state");
  const [back, on] = [document.getElementById("back"), document.getElementById("on")];
  const body = document.getElementById("rows").tBodies[0];
  const hasTexts = document.getElementById("text-column") !== null;
  const hasImages = document.getElementById("image-column") !== null;
  let found = [], page = 0;

  const both = (row) => row[DENSE_SHARE] + row[PRUNED_SHARE];
  const sorts = {
    both: (a, b) => both(b) - both(a),
    least: (a, b) => both(a) - both(b),
    [DENSE_SHARE]: (a, b) => b[DENSE_SHARE] - a[DENSE_SHARE],
    [PRUNED_SHARE]: (a, b) => b[PRUNED_SHARE] - a[PRUNED_SHARE],
    [EXAMPLE]: (a, b) => a[EXAMPLE] - b[EXAMPLE],
  };
  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const classes = (value, mark = ", ") => (value.length ? value.map((name) => names[name]).join(mark) : "(no class)");
  const vote = (row, side, share, right) => {
    const cell = document.createElement("td");
    cell.append(element("bdi", classes(row[side]), row[right] ? "right" : "wrong"), ` (${Math.round(100 * row[share])}%)`);
    return cell;
  };
  // One image: a window on the file that holds all of its data set.
  const image = (row) => {
    const file = images[cells[row[CELL]][0]];
    const position = file ? file.positions[row[EXAMPLE]] : undefined;
    if (position === undefined) return element("span", "no image", "note");
    const [column, line] = [position % file.columns, Math.floor(position / file.columns)];
    const frame = element("span", "", "preview");
    frame.style.width = `${file.width}px`;
    frame.style.height = `${file.height}px`;
    const whole = document.createElement("img");
    whole.src = encodeURIComponent(file.file);
    whole.alt = `Image of example ${row[EXAMPLE]}, true class ${classes(row[TRUE])}`;
    whole.width = file.columns * file.width;
    whole.height = file.rows * file.height;
    whole.style.left = `${-column * file.width}px`;
    whole.style.top = `${-line * file.height}px`;
    frame.append(whole);
    return frame;
  };
  const line = (row) => {
    const made = document.createElement("tr");
    const [dataset, arch, pruner, level] = cells[row[CELL]];
    made.append(element("td", `${dataset} · ${arch}\n${pruner} at ${level}`, "cell"), element("td", row[EXAMPLE], "n"));
    if (hasImages) {
      const cell = document.createElement("td");
      cell.append(image(row));
      made.append(cell);
    }
    if (hasTexts) {
      const cell = document.createElement("td");
      const text = row[TEXT] < 0 ? element("span", "no text", "note") : element("bdi", texts[row[TEXT]], "text");
      text.dir = "auto";
      cell.append(text);
      made.append(cell);
    }
    const truth = document.createElement("td");
    truth.append(element("bdi", classes(row[TRUE], classless.includes(dataset) ? " | " : ", ")));
    made.append(truth, vote(row, DENSE, DENSE_SHARE, DENSE_RIGHT), vote(row, PRUNED, PRUNED_SHARE, PRUNED_RIGHT));
    return made;
  };
  const show = () => {
    const first = page * PER_PAGE, last = Math.min(first + PER_PAGE, found.length);
    body.replaceChildren(...found.slice(first, last).map(line));
    state.textContent = found.length
      ? `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${found.length.toLocaleString("en")}`
      : "none";
    back.disabled = page === 0;
    on.disabled = last >= found.length;
  };
  const apply = () => {
    const wanted = parts.map((part) => part.value);
    const name = chosenClass.value === "" ? -1 : Number(chosenClass.value);
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = rows.filter((row) => {
      const cell = cells[row[CELL]];
      if (wanted.some((value, part) => value !== "" && cell[part] !== value)) return false;
      if (name >= 0 && !row[TRUE].includes(name)) return false;
      return !asked.length || (row[TEXT] >= 0 && asked.every((word) => lower[row[TEXT]].includes(word)));
    });
    found.sort((a, b) => sorts[order.value](a, b) || a[EXAMPLE] - b[EXAMPLE] || a[CELL] - b[CELL]);
    page = 0;
    show();
  };
  // The classes of the data set that is chosen, or of all.
  const offerClasses = () => {
    const dataset = parts[0].value;
    const there = new Set();
    for (const row of rows) {
      const own = cells[row[CELL]][0];
      // Numbers and texts are too many to choose from.
      if ((dataset === "" || own === dataset) && !classless.includes(own)) row[TRUE].forEach((name) => there.add(name));
    }
    const kept = chosenClass.value;
    const sorted = [...there].sort((a, b) => names[a].localeCompare(names[b], "en", { numeric: true }));
    chosenClass.replaceChildren(chosenClass.options[0], ...sorted.map((name) => {
      const option = element("option", names[name]);
      option.value = name;
      return option;
    }));
    chosenClass.value = there.has(Number(kept)) && kept !== "" ? kept : "";
  };
  parts[0].addEventListener("change", offerClasses);
  form.addEventListener("change", apply);
  words.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  back.addEventListener("click", () => { page -= 1; show(); });
  on.addEventListener("click", () => { page += 1; show(); });
  form.hidden = false;
  document.querySelector(".pager").hidden = false;
  offerClasses();
  apply();
})();
