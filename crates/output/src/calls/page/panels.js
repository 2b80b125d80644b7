// Views of the calls.

const TABS = { stats: "stats", hist: "histogram", errors: "errors", inflight: "inflight" };

// The times of the returned calls, sorted; the age of a call in flight is not yet a latency.
function latencies(recording, calls) {
  const { duration, unfinished } = recording;
  return Float64Array.from(calls).map((call) => (unfinished[call] ? NaN : duration[call]))
    .filter((ns) => !Number.isNaN(ns)).sort();
}

function callsBySyscall(recording, calls) {
  const bySyscall = new Map();
  for (const call of calls) {
    const list = bySyscall.get(recording.syscall[call]);
    if (list) list.push(call);
    else bySyscall.set(recording.syscall[call], [call]);
  }
  return bySyscall;
}

function syscallStatistics(recording, calls) {
  return Array.from(callsBySyscall(recording, calls), ([id, own]) => {
    const times = latencies(recording, own);
    const total = times.length ? times.reduce((sum, ns) => sum + ns) : NaN;
    return {
      name: recording.names.syscall[id],
      count: own.length,
      errors: own.reduce((sum, call) => sum + recording.failed[call], 0),
      total,
      mean: total / times.length,
      p50: percentile(times, 0.5),
      p90: percentile(times, 0.9),
      p99: percentile(times, 0.99),
      max: percentile(times, 1),
    };
  });
}

const time = (key) => ({ key, label: key, text: (row) => (Number.isNaN(row[key]) ? "" : formatDuration(row[key])) });

const STATISTICS = [
  { key: "name", label: "call", text: (row) => visible(row.name) },
  { key: "count", label: "count", text: (row) => formatCount(row.count) },
  {
    key: "errors",
    label: "errors",
    text: (row) => (row.errors ? formatCount(row.errors) : ""),
    look: "failed",
  },
  ...["total", "mean", "p50", "p90", "p99", "max"].map(time),
];

// The bounds of the latency buckets: 0, then 1, 2 and 5 of each power of ten.
const BOUNDS = [0];
for (let power = 0; power <= 14; power++) for (const factor of [1, 2, 5]) BOUNDS.push(factor * 10 ** power);

function latencyBuckets(recording, calls) {
  const buckets = BOUNDS.map((from, k) => ({ from, to: BOUNDS[k + 1] ?? Infinity, count: 0, failures: 0 }));
  for (const call of calls) {
    const ns = recording.duration[call];
    if (recording.unfinished[call] || Number.isNaN(ns)) continue;
    const bucket = buckets[Math.max(0, upperBound(BOUNDS, ns) - 1)];
    bucket.count++;
    bucket.failures += recording.failed[call];
  }
  const used = buckets.map((bucket) => bucket.count > 0);
  return buckets.slice(Math.max(0, used.indexOf(true)), used.lastIndexOf(true) + 1);
}

function errorCounts(recording, calls) {
  const counts = new Map();
  const { names } = recording;
  for (const call of calls) {
    if (!recording.failed[call]) continue;
    const key = recording.syscall[call] * names.error.length + recording.error[call];
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return Array.from(counts, ([key, count]) => ({
    name: names.syscall[Math.floor(key / names.error.length)],
    error: names.error[key % names.error.length],
    count,
  })).sort((a, b) => b.count - a.count || byText(a.name, b.name) || byText(a.error, b.error));
}

class Panels {
  constructor(app) {
    this.app = app;
    this.sort = { key: "total", descending: true };
    this.alike = false; // the histogram shows only calls of the selected one's name
    this.tabs = Object.keys(TABS);
    for (const tab of this.tabs) {
      const button = $(`tab-${tab}`);
      button.addEventListener("click", () => app.setTab(tab));
      button.addEventListener("keydown", (event) => this.onTabKey(event, tab));
    }
  }

  onTabKey(event, tab) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.stopPropagation();
    const next = this.tabs.at((this.tabs.indexOf(tab) + step) % this.tabs.length);
    this.app.setTab(next);
    $(`tab-${next}`).focus();
  }

  update() {
    const { tab } = this.app;
    for (const each of this.tabs) {
      $(`tab-${each}`).setAttribute("aria-selected", each === tab);
      $(`tab-${each}`).tabIndex = each === tab ? 0 : -1;
      $(TABS[each]).hidden = each !== tab;
    }
    const calls = this.callsInView();
    this.drawScope(calls);
    if (tab === "stats") this.drawStatistics(calls);
    if (tab === "hist") this.drawHistogram(calls);
    if (tab === "errors") this.drawErrors(calls);
    if (tab === "inflight") this.drawInFlight(calls);
  }

  callsInView() {
    const { recording, shown, view, full } = this.app;
    if (view === full) return shown;
    return shown.filter((call) => recording.start[call] <= view.to && recording.end[call] >= view.from);
  }

  drawScope(calls) {
    const { recording, view, full, tab } = this.app;
    const inFlight = calls.reduce((sum, call) => sum + recording.unfinished[call], 0);
    $("tab-inflight").textContent = inFlight ? `In flight ${formatCount(inFlight)}` : "In flight";
    const range = view === full ? "" : ` in the shown ${formatDuration(view.to - view.from)}`;
    const untimed = inFlight && tab === "stats" ? `; ${formatCount(inFlight)} in flight, counted but not timed` : "";
    $("scope").textContent = `${formatCount(calls.length)} of ${counted(recording.count, "call")}${range}${untimed}`;
  }

  drawStatistics(calls) {
    const { app, sort } = this;
    const { key, descending } = sort;
    const rows = syscallStatistics(app.recording, calls).sort((a, b) => {
      const order = key === "name" ? byText(a.name, b.name) : (a[key] || 0) - (b[key] || 0);
      return descending ? -order : order;
    });
    const sortBy = (key) => {
      this.sort = { key, descending: sort.key === key ? !sort.descending : key !== "name" };
      this.update();
    };
    fillPanel("stats", STATISTICS, rows, (row) => app.refine({ selector: row.name }), { sort, sortBy });
  }

  drawErrors(calls) {
    const { app } = this;
    const columns = [
      { label: "call", text: (row) => visible(row.name) },
      { label: "error", text: (row) => visible(row.error), look: "failed", left: true },
      { label: "count", text: (row) => formatCount(row.count) },
    ];
    const choose = ({ name, error }) =>
      app.refine({ selector: name, test: `error=${error}`, replaces: ["error", "failed", "ok"] });
    fillPanel("errors", columns, errorCounts(app.recording, calls), choose);
  }

  drawInFlight(calls) {
    const { app } = this;
    const { recording, wording } = app;
    const columns = [
      { label: "call", text: (call) => wording.syscall(call) },
      { label: "age", text: (call) => formatDuration(recording.duration[call]) },
      { label: "thread", text: (call) => wording.thread(call), left: true },
      { label: "arguments", text: (call) => wording.parameters(call, 200), left: true, look: "arguments" },
    ];
    const inFlight = Array.from(calls.filter((call) => recording.unfinished[call]))
      .sort((a, b) => (recording.duration[b] || 0) - (recording.duration[a] || 0))
      .slice(0, 2000);
    fillPanel("inflight", columns, inFlight, (call) => app.select(call));
  }

  drawHistogram(calls) {
    const { app } = this;
    const { recording, selected, wording } = app;
    const alike = this.alike && selected >= 0;
    const choice = element("select", { ariaLabel: "Calls in the histogram" });
    choice.append(new Option("all shown calls", "all"));
    const label = selected >= 0 && `only ${wording.syscall(selected)}, as selected`;
    if (label) choice.append(new Option(label, "alike", alike, alike));
    choice.addEventListener("change", () => {
      this.alike = choice.value === "alike";
      this.update();
      $("histogram").querySelector("select").focus();
    });
    const id = recording.syscall[selected];
    const own = alike ? calls.filter((call) => recording.syscall[call] === id) : calls;
    const times = latencies(recording, own);
    const shares = [["p50", 0.5], ["p90", 0.9], ["p99", 0.99], ["max", 1]];
    const summary = shares.map(([label, share]) => `${label} ${formatDuration(percentile(times, share))}`).join("   ");
    const buckets = latencyBuckets(recording, own);
    const most = buckets.reduce((most, bucket) => Math.max(most, bucket.count), 1);
    $("histogram").replaceChildren(
      element("div", {}, choice),
      element("div", { className: "data" }, times.length ? summary : "No call has returned."),
      ...buckets.map((bucket) => this.bar(bucket, most, alike ? recording.names.syscall[id] : undefined)),
    );
  }

  bar({ from, to, count, failures }, most, selector) {
    const part = (className, count) => {
      const made = element("span", { className });
      made.style.width = `${(100 * count) / most}%`;
      return made;
    };
    const parts = [part("part", count - failures), part("part failed", failures)];
    const bar = element(
      "button",
      { className: "bar data", type: "button", title: failures ? `${formatCount(failures)} failed` : "" },
      element("span", {}, `${formatDuration(from, 1)} – ${formatDuration(to, 1)}`),
      element("span", { className: "track" }, ...parts),
      element("span", {}, count ? formatCount(count) : ""),
    );
    const upper = to < Infinity ? `,duration<${durationLiteral(to)}` : "";
    const test = `duration>=${durationLiteral(from)}${upper}`;
    bar.addEventListener("click", () => this.app.refine({ selector, test, replaces: ["duration"] }));
    return bar;
  }
}

// A table of rows that can be chosen; the first cell holds a button, for the keyboard.
function fillPanel(id, columns, rows, choose, { sort, sortBy } = {}) {
  const panel = $(id);
  if (!rows.length) {
    panel.replaceChildren(element("p", { className: "none" }, "None."));
    return;
  }
  const head = element("tr", {});
  columns.forEach(({ key, label, left }) => {
    const cell = element("th", { className: left ? "" : "number", scope: "col" });
    if (left) cell.style.textAlign = "left";
    if (sortBy) {
      cell.ariaSort = sort.key !== key ? "none" : sort.descending ? "descending" : "ascending";
      const button = element("button", { className: "sort", type: "button" }, label);
      button.addEventListener("click", () => sortBy(key));
      cell.append(button);
    } else cell.append(label);
    head.append(cell);
  });
  const body = element("tbody", {});
  for (const row of rows) {
    const line = element("tr", {});
    columns.forEach(({ text, look = "", left }, k) => {
      const shown = k ? text(row) : element("button", { className: "link", type: "button" }, text(row));
      line.append(element("td", { className: `data ${look} ${left ? "" : "number"}` }, shown));
    });
    line.addEventListener("click", () => choose(row));
    body.append(line);
  }
  panel.replaceChildren(element("table", {}, element("thead", {}, head), body));
}
