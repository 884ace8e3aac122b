"use strict";
// Tables with class "sortable" sort by their column headings; an input with data-filter filters one; a table with
// data-rows shows that many rows until the reader asks for more.
(() => {
  const key = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    return cell.dataset.sort ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1; // gaps last
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  // By table: shows what the filter keeps, as many rows as are asked for, in the order of the moment.
  const refreshers = new Map();
  const paged = (table) => {
    const step = Number(table.dataset.rows) || Infinity;
    const kept = new Map([...table.tBodies[0].rows].map((row) => [row, true]));
    const more = document.createElement("div");
    more.className = "more";
    const button = (text, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.addEventListener("click", () => { act(); refresh(); });
      made.textContent = text;
      more.append(made);
      return made;
    };
    let most = step;
    const next = button("", () => { most += step; });
    button("show all", () => { most = Infinity; });
    const refresh = () => {
      let seen = 0;
      for (const row of table.tBodies[0].rows) {
        const keep = kept.get(row);
        row.hidden = !keep || seen >= most;
        seen += keep ? 1 : 0;
      }
      next.textContent = `show ${Math.min(step, Math.max(seen - most, 0))} more of ${seen}`;
      more.hidden = seen <= most;
    };
    (table.closest(".scroll") ?? table).after(more);
    refreshers.set(table, { kept, refresh });
    refresh();
  };
  document.querySelectorAll("table.sortable, table[data-rows]").forEach(paged);
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row, place) => [key(row, column), place, row]);
        rows.sort((a, b) => {
          const order = compare(a[0], b[0]);
          const gap = a[0] === "" || b[0] === "";
          return (down && !gap ? -order : order) || a[1] - b[1];
        });
        body.append(...rows.map((entry) => entry[2]));
        refreshers.get(table).refresh();
      });
    });
  }
  for (const input of document.querySelectorAll("input[data-filter]")) {
    const choice = input.closest(".filter").querySelector("select");
    const table = document.getElementById(input.dataset.filter);
    const shown = document.querySelector(`output[for="${input.id}"]`);
    const { kept, refresh } = refreshers.get(table);
    input.closest(".filter").hidden = false;
    let texts;
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (choice?.value) words.push(choice.value);
      // Read when first needed: the texts of a large table take longer than all else on the page.
      if (words.length) texts ??= new Map([...kept.keys()].map((row) => [row, row.textContent.toLowerCase()]));
      let left = 0;
      for (const row of kept.keys()) {
        const keep = words.every((word) => texts.get(row).includes(word));
        kept.set(row, keep);
        left += keep ? 1 : 0;
      }
      shown.textContent = words.length ? `${left} of ${kept.size} rows` : `${kept.size} rows`;
      refresh();
    };
    input.addEventListener("input", apply);
    choice?.addEventListener("change", apply);
    apply();
  }
})();
