"use strict";
// The example explorer. A split's examples and votes are one script, loaded when it is chosen; texts and images lie in
// files of their own, loaded when a row that needs them is shown, or all of them for a search. Everything enters the
// page as text, never as HTML.
(() => {
  const PER_PAGE = 50, CLIP = 260, VOTE = 5;
  const list = new Map(JSON.parse(document.getElementById("data").textContent).map((entry) => [entry.key, entry]));
  const form = document.getElementById("choices");
  const about = document.getElementById("about");
  const state = document.getElementById("state");
  const [back, next] = [document.getElementById("back"), document.getElementById("on")];
  const body = document.getElementById("rows").tBodies[0];
  const MEASURES = ["flesch_kincaid_grade", "difficult_words", "text_length"];
  const splits = new Map();
  let found = [], page = 0, asked = 0;

  // Scripts: a page opened from disk may load them, but may not fetch.
  const waiting = new Map();
  const load = (file) => {
    if (!waiting.has(file)) {
      waiting.set(file, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = file;
        script.onload = () => { script.remove(); resolve(); };
        script.onerror = () => { waiting.delete(file); reject(new Error(`${decodeURIComponent(file)} cannot be loaded`)); };
        document.head.append(script);
      }));
    }
    return waiting.get(file);
  };
  const folder = (key) => `examples/${encodeURIComponent(key)}`;
  window.prunescope = {
    split: (key, content) => splits.set(key, { ...content, texts: new Map() }),
    texts: (key, number, texts) => splits.get(key).texts.set(number, texts),
  };
  const chunkOf = (split, place) => {
    let [low, high] = [0, split.chunks.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (split.chunks[middle] <= place) low = middle; else high = middle - 1;
    }
    return low;
  };
  const needTexts = (split, entry, number) =>
    entry.texts && !split.texts.has(number) ? load(`${folder(entry.key)}/texts-${number}.js`) : undefined;
  const textOf = (split, place) => {
    const number = chunkOf(split, place);
    return split.texts.get(number)?.[place - split.chunks[number]] ?? null;
  };

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const classes = (split, code) =>
    split.sets[code].map((name) => split.names[name]).join(split.classes ? ", " : " | ") || "(no class)";
  const isRight = (split, place, code) =>
    (split.right ? split.right[place].includes(code) : code === split.labels[place]);
  const votesOf = (split, place, keep) => {
    const flat = split.votes[place], votes = [];
    for (let i = 0; i < flat.length; i += VOTE) {
      if (!keep || keep.has(flat[i])) votes.push(flat.slice(i, i + VOTE));
    }
    return votes;
  };
  const mean = (votes, column) => {
    const known = votes.map((vote) => vote[column]).filter((share) => share >= 0);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : -1;
  };
  const typical = (votes) => {
    const counts = new Map();
    for (const vote of votes) {
      const pair = `${vote[1]},${vote[2]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    const most = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0].split(",").map(Number);
    return { dense: most[0], pruned: most[1], agreements: [mean(votes, 3), mean(votes, 4)] };
  };

  const vote = (split, place, code, share) => {
    const cell = element("td");
    const right = isRight(split, place, code);
    cell.append(element("bdi", classes(split, code), right ? "right" : "wrong"));
    if (right) {
      const mark = element("span", " ✓", "right");
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", "correct");
      cell.append(mark);
    }
    if (share >= 0) cell.append(element("span", ` ${Math.round(share)}%`, "note"));
    return cell;
  };
  const shownText = (text) => {
    if (text === null) return element("span", "no text", "note");
    const whole = element("bdi", text, "text");
    whole.dir = "auto";
    if (text.length <= CLIP) return whole;
    // The whole of a long text enters the page when it is asked for.
    const details = element("details", undefined, "long"), summary = element("summary");
    const clip = element("bdi", `${text.slice(0, CLIP)}…`, "clip");
    clip.dir = "auto";
    summary.append(clip, element("span", ` (${text.length.toLocaleString("en")} characters)`, "note"));
    details.append(summary);
    details.addEventListener("toggle", () => { if (details.open && !whole.isConnected) details.append(whole); });
    return details;
  };
  const shownPicture = (split, entry, place, label) => {
    const { width, height, columns } = split.picture;
    const number = chunkOf(split, place), first = split.chunks[number];
    const last = split.chunks[number + 1] ?? split.examples.length;
    const [column, row] = [(place - first) % columns, Math.floor((place - first) / columns)];
    const frame = element("span", "", "preview");
    frame.style.width = `${width}px`;
    frame.style.height = `${height}px`;
    const whole = element("img");
    whole.src = `${folder(entry.key)}/pictures-${number}.png`;
    whole.alt = `Image of example ${split.examples[place]}, true class ${label}`;
    whole.width = columns * width;
    whole.height = Math.ceil((last - first) / columns) * height;
    whole.style.left = `${-column * width}px`;
    whole.style.top = `${-row * height}px`;
    frame.append(whole);
    return frame;
  };
  const networks = (split, entry, place, votes) => {
    const cell = element("td");
    const total = split.votes[place].length / VOTE;
    const pruners = split.pruners[place];
    const text = `${total} model${total === 1 ? "" : "s"}, ${pruners} of ${entry.n_pruners} pruner${entry.n_pruners === 1 ? "" : "s"}`;
    const details = element("details");
    details.append(element("summary", text));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const items = element("ul", undefined, "files");
      for (const one of votes) {
        const [arch, pruner, amount, file] = split.cells[one[0]];
        const item = element("li");
        const link = element("a", `${arch} · ${pruner} at ${amount}`);
        link.href = `cells/${encodeURIComponent(file)}`;
        item.append(link, ": ", element("bdi", classes(split, one[1])), " → ", element("bdi", classes(split, one[2])));
        if (one[3] >= 0) item.append(` (${one[3]}% → ${one[4]}%)`);
        items.append(item);
      }
      details.append(items);
    });
    cell.append(details);
    return cell;
  };
  const binText = (split, place) =>
    Object.entries(split.bins).filter(([, bins]) => bins[place] !== null)
      .map(([arch, bins], _, all) => (all.length > 1 ? `${bins[place]} ${arch}` : `${bins[place]}`)).join(", ");
  const meanBin = (split, place) => {
    const known = Object.values(split.bins).map((bins) => bins[place]).filter((bin) => bin !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : -Infinity;
  };
  const line = (split, entry, row) => {
    const { place, votes, dense, pruned, agreements } = row;
    const label = split.labels[place];
    const made = element("tr");
    const number = element("th", split.examples[place], "n");
    number.scope = "row";
    const what = element("td");
    what.append(split.picture ? shownPicture(split, entry, place, classes(split, label)) : shownText(textOf(split, place)));
    const truth = element("td");
    truth.append(element("bdi", classes(split, label)));
    made.append(number, what, truth, vote(split, place, dense, agreements[0]), vote(split, place, pruned, agreements[1]),
      networks(split, entry, place, votes));
    if (hasBins(split)) made.append(element("td", binText(split, place), "n"));
    [...made.cells].slice(2).forEach((cell, column) => { cell.dataset.label = column ? heads[column] : truthName(split); });
    if (hasMeasures(split)) {
      const values = MEASURES.map((name) => split.measures[name]?.[place] ?? null);
      const cell = element("td", values.map((value) => (value === null ? "–" : value)).join(" · "), "n");
      cell.dataset.label = "grade · difficult words · tokens";
      made.append(cell);
    }
    return made;
  };
  const truthName = (split) => (split.classes ? "true class" : "label");
  const heads = ["true class", "dense vote", "pruned vote", "PIE of", "EL2N bin"];
  const hasBins = (split) => Object.keys(split.bins).length > 0;
  const hasMeasures = (split) => Object.keys(split.measures).length > 0;

  const say = (text) => { state.textContent = text; };
  const show = async (mine) => {
    const entry = list.get(form.elements.set.value), split = splits.get(entry.key);
    const first = page * PER_PAGE, last = Math.min(first + PER_PAGE, found.length);
    const rows = found.slice(first, last);
    await Promise.all([...new Set(rows.map((row) => chunkOf(split, row.place)))].map((number) => needTexts(split, entry, number)));
    if (mine !== asked) return;
    body.replaceChildren(...rows.map((row) => line(split, entry, row)));
    document.getElementById("bin-column").hidden = !hasBins(split);
    document.getElementById("grade-column").hidden = !hasMeasures(split);
    document.getElementById("truth-column").textContent = truthName(split);
    document.getElementById("what-column").textContent = split.picture ? "image" : "text";
    say(found.length ? `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${found.length.toLocaleString("en")}` : "none");
    back.disabled = page === 0;
    next.disabled = last >= found.length;
  };
  const sorts = (split) => ({
    networks: (a, b) => b.votes.length - a.votes.length || split.pruners[b.place] - split.pruners[a.place],
    few: (a, b) => a.votes.length - b.votes.length || split.pruners[a.place] - split.pruners[b.place],
    agreement: (a, b) => b.agreements[0] + b.agreements[1] - a.agreements[0] - a.agreements[1],
    bin: (a, b) => meanBin(split, b.place) - meanBin(split, a.place),
    example: () => 0,
    ...Object.fromEntries(MEASURES.map((name) => [name, (a, b) =>
      (split.measures[name]?.[b.place] ?? -Infinity) - (split.measures[name]?.[a.place] ?? -Infinity)])),
  });
  const fits = (split, entry, row, wanted) => {
    const label = split.labels[row.place];
    const [dense, pruned] = [isRight(split, row.place, row.dense), isRight(split, row.place, row.pruned)];
    if (wanted.class !== "" && !split.sets[label].includes(Number(wanted.class))) return false;
    if (wanted.under === "one" && split.pruners[row.place] !== 1) return false;
    if (wanted.under === "many" && split.pruners[row.place] < Math.max(2, Math.ceil(entry.n_pruners / 2))) return false;
    if (wanted.right === "dense" && !dense) return false;
    if (wanted.right === "pruned" && !pruned) return false;
    return wanted.right !== "neither" || (!dense && !pruned);
  };
  const searched = async (split, entry, words, mine) => {
    for (let number = 0; entry.texts && number < split.chunks.length; number += 1) {
      if (split.texts.has(number)) continue;
      say(`reading texts, ${number + 1} of ${split.chunks.length}`);
      await needTexts(split, entry, number);
      if (mine !== asked) return null;
    }
    return (place) => {
      const text = (textOf(split, place) ?? "").toLowerCase();
      const number = String(split.examples[place]);
      return words.every((word) => text.includes(word) || number === word);
    };
  };
  const apply = async () => {
    asked += 1;
    const mine = asked;
    const wanted = Object.fromEntries(new FormData(form));
    const entry = list.get(wanted.set);
    try {
      if (!splits.has(entry.key)) {
        say("loading…");
        await load(`${folder(entry.key)}.js`);
        if (mine !== asked) return;
      }
      const split = splits.get(entry.key);
      offer(split, entry);
      const chosen = Object.fromEntries(new FormData(form));
      const words = chosen.words.toLowerCase().split(/\s+/).filter(Boolean);
      const matches = words.length ? await searched(split, entry, words, mine) : () => true;
      if (mine !== asked) return;
      const any = ["network", "pruner", "pruned"].every((name) => chosen[name] === "");
      const keep = any ? null : new Set(split.cells.flatMap(([arch, pruner, amount], number) =>
        ((chosen.network === "" || chosen.network === arch) && (chosen.pruner === "" || chosen.pruner === pruner)
          && (chosen.pruned === "" || chosen.pruned === amount) ? [number] : [])));
      found = [];
      for (let place = 0; place < split.examples.length; place += 1) {
        const votes = votesOf(split, place, keep);
        if (!votes.length) continue;
        const row = { place, votes, ...typical(votes) };
        if (fits(split, entry, row, chosen) && matches(place)) found.push(row);
      }
      const order = sorts(split)[chosen.sort];
      found.sort((a, b) => order(a, b) || split.examples[a.place] - split.examples[b.place]);
      page = 0;
      keepState(chosen);
      await show(mine);
    } catch (error) {
      if (mine === asked) {
        body.replaceChildren();
        say(`${error.message}: keep the folder examples beside this page`);
      }
    }
  };

  // What a split has to choose from; what is chosen stays where it is there too.
  const fill = (name, values) => {
    const select = form.elements[name], kept = pending.get(name) ?? select.value;
    pending.delete(name);
    select.replaceChildren(select.options[0], ...values.map(([value, text]) => {
      const option = element("option", text);
      option.value = value;
      return option;
    }));
    select.value = values.some(([value]) => String(value) === kept) ? kept : "";
  };
  let offered = "";
  const pending = new Map();
  const offer = (split, entry) => {
    if (offered === entry.key) return;
    offered = entry.key;
    const distinct = (column) => [...new Set(split.cells.map((cell) => cell[column]))].map((value) => [value, value]);
    fill("network", distinct(0));
    fill("pruner", distinct(1));
    fill("pruned", distinct(2));
    // Numbers and texts are too many to choose from.
    const there = new Set(split.classes ? split.labels.flatMap((label) => split.sets[label]) : []);
    form.elements.class.closest("label").hidden = !split.classes;
    const sorted = [...there].sort((a, b) => split.names[a].localeCompare(split.names[b], "en", { numeric: true }));
    fill("class", sorted.map((name) => [name, split.names[name]]));
    const sort = form.elements.sort;
    for (const option of sort.options) {
      option.hidden = (option.value === "bin" && !hasBins(split)) || (MEASURES.includes(option.value) && !split.measures[option.value]);
    }
    if (sort.selectedOptions[0]?.hidden) sort.value = "networks";
    document.getElementById("summary").textContent = entry.summary;
    document.getElementById("rows").classList.toggle("pictures", split.picture !== null);
    about.replaceChildren();
    if (entry.shown < entry.total) {
      about.append(`Showing ${entry.shown.toLocaleString("en")} of ${entry.total.toLocaleString("en")}: the PIEs of most models, and some of one pruner only. `);
    }
    const link = element("a", "table (CSV)");
    link.href = `${folder(entry.key)}.csv`;
    about.append("All of them, without texts: ", link, ".");
    if (!entry.texts && !entry.pictures) about.append(" Texts and images are missing: the data table is not among the results.");
  };
  const keepState = (chosen) => {
    const kept = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== ""));
    history.replaceState(null, "", `#${kept}`);
  };
  const restore = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const [name, value] of kept) {
      const control = form.elements[name];
      if (!control) continue;
      if (control.tagName === "INPUT" || [...control.options].some((option) => option.value === value)) control.value = value;
      else pending.set(name, value);
    }
  };
  let typing;
  form.addEventListener("change", (event) => { if (event.target.name !== "words") apply(); });
  form.elements.words.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(apply, 200);
  });
  // Another address of this page, typed or come back to.
  window.addEventListener("hashchange", () => {
    form.reset();
    offered = "";
    restore();
    apply();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  back.addEventListener("click", () => { page -= 1; show(asked); });
  next.addEventListener("click", () => { page += 1; show(asked); });
  form.hidden = false;
  document.querySelector(".pager").hidden = false;
  restore();
  apply();
})();
