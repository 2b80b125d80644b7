// The page.

// Runs an action when no further call came for some milliseconds.
function settled(delay, action) {
  let timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };
  later.now = () => {
    clearTimeout(timer);
    action();
  };
  return later;
}

const SHORTEST_VIEW = 50; // ns

class App {
  constructor(recording) {
    this.recording = recording;
    this.wording = new Wording(recording);
    this.full = wholeView(recording);
    this.view = this.full;
    this.filter = null;
    this.sort = { key: "start", descending: false };
    this.selected = -1;
    this.tab = "stats";
    this.findText = "";
    this.pattern = null;
    this.hits = null; // for each call, whether the search found it
    this.frame = 0;
    this.timeLine = new TimeLine(this);
    this.overview = new Overview(this);
    this.table = new CallTable(this);
    this.panels = new Panels(this);
    this.saveHash = settled(250, () => this.writeHash());
    this.updatePanels = settled(120, () => this.panels.update());
    this.applyFilter = settled(200, () => this.tryFilter($("filter").value));
    this.applyFind = settled(200, () => this.setFind($("find").value));
  }

  start() {
    this.usePalette();
    this.timeLine.resize();
    this.overview.resize();
    drawHeader(this.recording);
    this.readHash();
    this.listen();
    this.panels.update();
    this.draw();
  }

  listen() {
    $("filter").addEventListener("input", this.applyFilter);
    $("filter").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.applyFilter.now();
    });
    $("find").addEventListener("input", this.applyFind);
    $("find").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      this.applyFind.now();
      this.nextFound(event.shiftKey ? -1 : 1);
    });
    $("next-error").addEventListener("click", () => this.nextError(1));
    $("next-slow").addEventListener("click", () => this.nextSlow(1));
    $("reset").addEventListener("click", () => this.resetView());
    $("show-help").addEventListener("click", () => $("help").showModal());
    window.addEventListener("hashchange", () => this.readHash());
    window.addEventListener("keydown", (event) => this.onKey(event));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.usePalette();
      this.redraw();
    });
    new ResizeObserver(() => this.resize()).observe($("time"));
    new ResizeObserver(() => this.table.draw()).observe($("table"));
  }

  usePalette() {
    this.palette = new Palette(this.recording.names.syscall);
  }

  resize() {
    this.timeLine.resize();
    this.overview.resize();
    this.overview.count();
    this.draw();
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.overview.draw();
    this.timeLine.draw();
  }

  /* What is shown */

  // Uses the filter if it can be read; otherwise says where it cannot, and the last good one stays.
  tryFilter(text) {
    let filter;
    try {
      filter = compileFilter(text, this.recording);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      showFilterError(error);
      return;
    }
    showFilterError(null);
    if (filter.text !== this.filter?.text) this.setFilter(filter);
  }

  setFilter(filter) {
    this.filter = filter;
    this.shown = matchingCalls(this.recording, filter);
    this.lanes = layOutLanes(this.recording, this.shown);
    this.slowFrom = undefined;
    document.body.dataset.shown = this.shown.length;
    this.timeLine.setLanes();
    this.sortCalls();
    this.useHits();
    this.table.reveal(this.selected);
    this.updatePanels();
    drawDetails(this);
    this.saveHash();
  }

  // Narrows the filter: other names and one test more, which replaces those of the same fields.
  refine({ selector = this.filter.selectors.join(","), test, replaces = [] }) {
    const kept = this.filter.tests.filter(({ field }) => !replaces.includes(field)).map(({ source }) => source);
    const text = [selector, ...kept, test].filter(Boolean).join(",");
    $("filter").value = text;
    this.tryFilter(text);
  }

  isShown(call) {
    return this.recording.count > 0 && this.shown[upperBound(this.shown, call) - 1] === call;
  }

  sortBy(key) {
    this.sort = { key, descending: this.sort.key === key ? !this.sort.descending : key === "duration" };
    this.sortCalls();
    this.table.top = 0;
    this.table.update();
  }

  sortCalls() {
    const { duration } = this.recording;
    const { key, descending } = this.sort;
    this.order = this.shown.slice();
    if (key === "duration") {
      const known = (call) => (Number.isNaN(duration[call]) ? -1 : duration[call]);
      this.order.sort((a, b) => known(a) - known(b) || a - b);
    }
    if (descending) this.order.reverse();
  }

  /* Search and jumps */

  setFind(text) {
    if (text === this.findText) return;
    this.findText = text;
    this.pattern = text && new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gi");
    this.hits = text ? this.search(text) : null;
    this.useHits();
    this.saveHash();
  }

  search(text) {
    const { count, parameters, names, syscall, ret, comm } = this.recording;
    const pattern = new RegExp(this.pattern.source, "i");
    const matching = (list) => list.map((name) => pattern.test(name) || pattern.test(visible(name)));
    const [bySyscall, byRet, byComm] = [names.syscall, names.ret, names.comm].map(matching);
    // A search for an escape as it is shown has to look at the shown text, which takes longer.
    const asShown = text.includes("\\");
    const inParameters = (k) => pattern.test(asShown ? visible(parameters[k]) : parameters[k]);
    const hits = new Uint8Array(count);
    for (let k = 0; k < count; k++) {
      hits[k] = bySyscall[syscall[k]] || byRet[ret[k]] || byComm[comm[k]] || inParameters(k) ? 1 : 0;
    }
    return hits;
  }

  useHits() {
    this.lanes.found = this.hits && sumOf(this.lanes.calls, this.hits);
    this.overview.count();
    this.table.update();
    this.drawFound();
    this.redraw();
  }

  drawFound() {
    const { hits, order, selected } = this;
    if (!hits) {
      $("found").textContent = "";
      return;
    }
    let total = 0;
    let rank = 0;
    for (const call of order) {
      total += hits[call];
      if (call === selected && hits[call]) rank = total;
    }
    $("found").textContent = rank ? `${rank} of ${total}` : `${total} found`;
  }

  // Selects the next call for which a test holds, in the order of the table; after the last one comes the first.
  jump(holds, direction, missing) {
    const { order, selected } = this;
    const { length } = order;
    const at = order.indexOf(selected);
    const from = at < 0 && direction < 0 ? 0 : at;
    for (let step = 1; step <= length; step++) {
      const call = order[(from + step * direction + 2 * length) % length];
      if (!holds(call)) continue;
      $("status").textContent = "";
      this.select(call);
      return;
    }
    $("status").textContent = missing;
  }

  nextFound(direction) {
    if (this.hits) this.jump((call) => this.hits[call], direction, "");
  }

  nextError(direction) {
    this.jump((call) => this.recording.failed[call], direction, "No failed call is shown.");
  }

  nextSlow(direction) {
    this.slowFrom ??= percentile(latencies(this.recording, this.shown), 0.99);
    const { duration } = this.recording;
    this.jump((call) => duration[call] >= this.slowFrom, direction, "No shown call has a duration.");
  }

  /* Selection and view */

  select(call, { scroll = true } = {}) {
    this.selected = call;
    drawDetails(this);
    if (call >= 0) {
      this.timeLine.reveal(call);
      if (scroll) this.table.reveal(call);
      $("table").setAttribute("aria-activedescendant", `call-${call}`);
    } else $("table").removeAttribute("aria-activedescendant");
    this.table.draw();
    this.drawFound();
    if (this.tab === "hist") this.updatePanels();
    this.redraw();
    this.saveHash();
  }

  setView(from, to) {
    const { full } = this;
    const span = Math.min(full.to - full.from, Math.max(SHORTEST_VIEW, to - from));
    const start = Math.min(full.to - span, Math.max(full.from, (from + to - span) / 2));
    // Zooming in and out again comes back to the whole, whatever the rounding.
    this.view = span < 0.9999 * (full.to - full.from) ? { from: start, to: start + span } : full;
    this.redraw();
    this.updatePanels();
    this.saveHash();
  }

  resetView() {
    this.setView(this.full.from, this.full.to);
  }

  zoomTo(call) {
    const { start, end } = this.recording;
    const margin = Math.max(500, 0.3 * (end[call] - start[call]));
    this.setView(start[call] - margin, end[call] + margin);
  }

  setTab(tab) {
    this.tab = tab;
    this.updatePanels.now();
    this.saveHash();
  }

  /* The state in the address */

  writeHash() {
    const { view, full, selected, tab } = this;
    const state = new URLSearchParams();
    if (this.filter.text) state.set("filter", this.filter.text);
    if (this.findText) state.set("find", this.findText);
    if (view !== full) {
      state.set("from", Math.round(view.from));
      state.set("to", Math.round(view.to));
    }
    if (selected >= 0) state.set("call", selected);
    if (tab !== "stats") state.set("tab", tab);
    history.replaceState(null, "", `#${state}`);
  }

  readHash() {
    const state = new URLSearchParams(location.hash.slice(1));
    const { recording, full } = this;
    const number = (key) => (/^-?\d+$/.test(state.get(key)) ? Number(state.get(key)) : NaN);
    $("filter").value = state.get("filter") ?? "";
    this.tryFilter($("filter").value);
    if (!this.filter) this.setFilter(compileFilter("", recording));
    $("find").value = state.get("find") ?? "";
    this.setFind($("find").value);
    this.tab = Object.hasOwn(TABS, state.get("tab") ?? "") ? state.get("tab") : "stats";
    const call = number("call");
    this.select(call < recording.count ? call : -1);
    const [from, to] = [number("from"), number("to")];
    this.setView(...(from < to ? [from, to] : [full.from, full.to]));
  }

  /* Keys */

  onKey(event) {
    const inText = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape" && inText) event.target.blur();
    if (inText || event.ctrlKey || event.metaKey || event.altKey || $("help").open || event.defaultPrevented) return;
    const inTimeLine = event.target === this.timeLine.canvas;
    const action = (inTimeLine && this.timeLineKeys()[event.key]) || this.pageKeys()[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  pageKeys() {
    const { timeLine } = this;
    return {
      e: () => this.nextError(1),
      E: () => this.nextError(-1),
      s: () => this.nextSlow(1),
      S: () => this.nextSlow(-1),
      n: () => this.nextFound(1),
      N: () => this.nextFound(-1),
      f: () => $("filter").select(),
      "/": () => $("find").select(),
      "?": () => $("help").showModal(),
      0: () => this.resetView(),
      a: () => timeLine.pan(-0.2),
      d: () => timeLine.pan(0.2),
      ArrowLeft: () => timeLine.pan(-0.2),
      ArrowRight: () => timeLine.pan(0.2),
      w: () => timeLine.zoomAtCentre(1 / 1.5),
      "+": () => timeLine.zoomAtCentre(1 / 1.5),
      "-": () => timeLine.zoomAtCentre(1.5),
    };
  }

  timeLineKeys() {
    const { timeLine } = this;
    return {
      s: () => timeLine.zoomAtCentre(1.5),
      ArrowUp: () => (timeLine.scrollTop -= 2 * LANE),
      ArrowDown: () => (timeLine.scrollTop += 2 * LANE),
    };
  }
}

// Everything, with a margin in which the first and last calls can be seen to begin and end.
function wholeView({ first, last, losses }) {
  const from = losses.reduce((from, loss) => Math.min(from, loss.at), first);
  const to = losses.reduce((to, loss) => Math.max(to, loss.at), last);
  const margin = Math.max(SHORTEST_VIEW, 0.01 * (to - from));
  return { from: from - margin, to: to + margin };
}

function showFilterError(error) {
  const box = $("filter-error");
  box.hidden = !error;
  $("filter").setAttribute("aria-invalid", Boolean(error));
  if (!error) return;
  const marks = element("div", {}, "^".repeat(error.length));
  marks.style.paddingLeft = `max(0px, ${error.at}ch - ${$("filter").scrollLeft}px)`;
  box.replaceChildren(marks, error.message);
}

function drawHeader(recording) {
  const containers = new Set(recording.threads.map((thread) => thread.container));
  containers.delete("");
  const inContainers = containers.size ? ` in ${counted(containers.size, "container")}` : "";
  const calls = `${counted(recording.count, "call")} of ${counted(recording.threads.length, "thread")}${inContainers}`;
  const title = `Gizmo – ${calls}, ${formatDuration(recording.last - recording.first, 4)}`;
  $("title").textContent = document.title = title;
  if (recording.count) $("clock").textContent = wallClock(recording.base, recording.first);
  const faults = [];
  if (recording.cut) faults.push("The page was cut: what was recorded behind the last of these calls is missing.");
  if (recording.unreadable) faults.push(`${counted(recording.unreadable, "line")} could not be read.`);
  $("cut").hidden = !faults.length;
  $("cut").textContent = faults.join(" ");
  drawLosses(recording.losses);
}

function drawLosses(losses) {
  const box = $("losses");
  box.hidden = !losses.length;
  const lost = losses.reduce((sum, loss) => sum + (Number(loss.lost) || 0), 0);
  box.querySelector("summary").textContent = `${counted(lost, "call")} lost: what is shown here is not complete`;
  const messages = losses.slice(0, 500).map((loss) => element("li", {}, visible(String(loss.message))));
  if (losses.length > 500) messages.push(element("li", {}, `and ${formatCount(losses.length - 500)} more losses`));
  box.querySelector("ul").replaceChildren(...messages);
}

document.addEventListener("DOMContentLoaded", async () => {
  const recording = await readRecording($("calls"), (count) => {
    $("title").textContent = `Gizmo – reading, ${counted(count, "call")} so far`;
  });
  new App(recording).start();
  document.body.dataset.calls = recording.count;
  document.body.dataset.ready = "1";
});
