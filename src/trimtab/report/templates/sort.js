// Tables sort by a click on a heading, or by Enter when it has the focus. Where a name stands for several rows, these
// stay together and are sorted among themselves. Without this script a table is as it was written.
"use strict";
for (const table of document.querySelectorAll("table")) {
  const heads = table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : [];
  const body = table.tBodies[0];
  if (!heads.length || !body || body.rows.length < 3) continue;
  const blocks = [];
  for (const row of body.rows) {
    const name = row.cells[0].hasAttribute("rowspan") ? row.cells[0] : null;
    if (name || !blocks.length) blocks.push({ name, rows: [] });
    blocks[blocks.length - 1].rows.push(row);
  }
  const offset = blocks[0].name ? 1 : 0;
  const key = (row, column) => {
    const cells = [...row.cells].filter(cell => !cell.hasAttribute("rowspan"));
    const text = cells[column - offset] ? cells[column - offset].textContent.trim() : "";
    const number = parseFloat(text.replace(/−/g, "-").replace(/,/g, "").replace(/^[<+]\s*/, ""));
    return Number.isNaN(number) ? [1, 0, text] : [0, number - (text.startsWith("<") ? 1e-9 : 0), text];
  };
  const compare = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]);
  heads.forEach((head, column) => {
    if (column < offset || !head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") !== "descending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      table.classList.add("sorted");
      for (const block of blocks) {
        const first = block.rows[0].classList.contains("first");
        block.rows.sort((a, b) => (falling ? -1 : 1) * compare(key(a, column), key(b, column)));
        block.rows.forEach(row => row.classList.remove("first"));
        if (first && block.name) block.rows[0].classList.add("first");
        if (block.name) block.rows[0].prepend(block.name);
        body.append(...block.rows);
      }
    });
  });
}
