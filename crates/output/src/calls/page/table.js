// Table of calls.

const ROW = 20;
const TALLEST = 12e6; // pixels; browsers do not lay out boxes that are much taller

// Only the rows in sight are elements. Beyond TALLEST a pixel of the scroll bar stands for several of the list.
class CallTable {
  constructor(app) {
    this.app = app;
    this.box = $("table");
    this.rows = $("rows");
    this.box.addEventListener("scroll", () => this.draw());
    this.box.addEventListener("keydown", (event) => this.onKey(event));
    this.rows.addEventListener("click", (event) => {
      const row = event.target.closest(".call");
      if (row) app.select(Number(row.dataset.index), { scroll: false });
    });
    for (const key of ["start", "duration"]) {
      $(`by-${key}`).firstElementChild.addEventListener("click", () => app.sortBy(key));
    }
  }

  get pageHeight() {
    return Math.max(ROW, this.box.clientHeight - this.rows.offsetTop);
  }

  // How far the list is scrolled, in its own pixels.
  get top() {
    const { height, pageHeight } = this;
    const hidden = Math.max(1, Math.min(height, TALLEST) - pageHeight);
    return (this.box.scrollTop / hidden) * Math.max(0, height - pageHeight);
  }

  set top(top) {
    const { height, pageHeight } = this;
    const hidden = Math.max(1, height - pageHeight);
    this.box.scrollTop = (top / hidden) * Math.max(0, Math.min(height, TALLEST) - pageHeight);
  }

  get height() {
    return this.app.order.length * ROW;
  }

  update() {
    const { sort, order } = this.app;
    this.rows.style.height = `${Math.min(this.height, TALLEST)}px`;
    this.box.setAttribute("aria-rowcount", order.length + 1);
    $("no-rows").hidden = order.length > 0;
    for (const key of ["start", "duration"]) {
      const direction = sort.descending ? "descending" : "ascending";
      $(`by-${key}`).setAttribute("aria-sort", sort.key === key ? direction : "none");
    }
    this.draw();
  }

  draw() {
    const { order } = this.app;
    const { top, pageHeight } = this;
    const first = Math.floor(top / ROW);
    const last = Math.min(order.length, Math.ceil((top + pageHeight) / ROW) + 1);
    const shift = this.box.scrollTop - top;
    const rows = [];
    for (let position = first; position < last; position++) rows.push(this.row(position, position * ROW + shift));
    this.rows.replaceChildren(...rows);
  }

  row(position, y) {
    const { order, recording, wording, selected, pattern } = this.app;
    const call = order[position];
    const cell = (className, ...children) => element("span", { className, role: "gridcell" }, ...children);
    const name = element("span", { className: "name" }, ...highlighted(wording.syscall(call), pattern));
    const row = element(
      "div",
      { className: "call data", role: "row", id: `call-${call}` },
      cell("number muted", wording.offset(recording.start[call])),
      cell("", ...highlighted(wording.thread(call), pattern)),
      cell("", name, ...highlighted(`(${wording.parameters(call)})`, pattern)),
      cell(recording.failed[call] ? "failed" : "", ...highlighted(wording.result(call), pattern)),
      cell("number", wording.duration(call)),
    );
    row.dataset.index = call;
    row.style.top = `${y}px`;
    row.setAttribute("aria-rowindex", position + 2);
    row.setAttribute("aria-selected", call === selected);
    return row;
  }

  // Brings a call into view; one that is already in sight stays where it is.
  reveal(call) {
    const position = this.app.order.indexOf(call);
    if (position < 0) return;
    const y = position * ROW;
    const { top, pageHeight } = this;
    if (y < top || y + ROW > top + pageHeight) this.top = y - (pageHeight - ROW) / 2;
  }

  onKey(event) {
    const { order, selected } = this.app;
    const page = Math.floor(this.pageHeight / ROW);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -order.length, End: order.length };
    const step = steps[event.key];
    if (event.target !== this.box || !step || !order.length) return;
    event.preventDefault();
    const position = selected < 0 ? -1 : order.indexOf(selected);
    const next = Math.min(order.length - 1, Math.max(0, position + step));
    this.app.select(order[next]);
  }
}

// The text with what the pattern finds marked. The pattern is applied to what is shown, which has the escapes.
function highlighted(text, pattern) {
  if (!pattern) return [text];
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push(text.slice(from, match.index), element("mark", {}, match[0]));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}
