// Drawing.

const FONT = '11px ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace';

// The colours of the style sheet, for the canvases.
class Palette {
  constructor(syscalls) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const name of ["panel", "raised", "line", "text", "muted", "accent", "failure", "warning"]) {
      this[name] = read(name);
    }
    this.slices = syscalls.map((name) => `hsl(${hueOf(name)} ${read("slice-saturation")} ${read("slice-lightness")})`);
    this.busy = [0.3, 0.45, 0.6, 0.8].map((alpha) => `rgb(${read("busy")} / ${alpha})`);
    this.hatch = hatchPattern(this.text);
  }
}

// The same hue for a name on every page; red is left to the failures.
function hueOf(name) {
  let hash = 2166136261;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 16777619) >>> 0;
  return 35 + ((hash ^ (hash >>> 15)) >>> 0) % 290;
}

function hatchPattern(colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const context = tile.getContext("2d");
  context.strokeStyle = colour;
  context.globalAlpha = 0.3;
  for (const shift of [-6, 0, 6]) {
    context.moveTo(shift, 6);
    context.lineTo(shift + 6, 0);
  }
  context.stroke();
  return context.createPattern(tile, "repeat");
}

// Fits a canvas to its box and to the pixels of the screen.
function fitCanvas(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, width, height };
}

// Draws text in the order of its characters: U+202D keeps letters of the other direction from reordering it.
function drawText(context, text, x, y, width) {
  const length = Math.floor(width / context.measureText("0").width);
  if (length < 2 || !text) return;
  context.fillText(`\u202d${shortened(text, length - (text.length > length ? 1 : 0))}`, x, y);
}

const gutterOf = (width) => (width < 1000 ? 132 : 176);

// Ticks at round times: in the unit of the shown span, counted from a round time of the next larger unit.
function axisTicks(from, to, places) {
  const span = to - from;
  const rough = span / Math.max(2, places);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, power * [1, 2, 5, 10].find((factor) => power * factor >= rough));
  const [unit, size] = unitFor(span / 2);
  const anchor = unit === "s" ? 0 : Math.floor(Math.max(0, from) / (1000 * size)) * 1000 * size;
  const decimals = Math.max(0, -Math.floor(Math.log10(step / size) + 1e-9));
  const ticks = [];
  for (let n = Math.ceil(from / step); n * step <= to; n++) {
    const label = `${anchor ? "+" : ""}${((n * step - anchor) / size).toFixed(decimals)} ${unit}`;
    ticks.push({ time: n * step, label });
  }
  const anchorDecimals = Math.max(0, Math.round(6 - Math.log10(size)));
  return { ticks, anchor: anchor ? `${(anchor / 1e9).toFixed(anchorDecimals)} s` : "" };
}

const AXIS = 21;
const NARROW = 2; // pixels below which calls are drawn as a run
const NEAR = 4; // pixels by which the pointer may miss

// The time line by thread.
class TimeLine {
  constructor(app) {
    this.app = app;
    this.canvas = $("timeline");
    this.scroller = $("lanes-scroll");
    this.pointer = null;
    this.drag = null;
    this.listen();
  }

  resize() {
    Object.assign(this, fitCanvas(this.canvas));
    this.gutter = gutterOf(this.width);
  }

  setLanes() {
    this.scroller.firstElementChild.style.height = `${this.app.lanes.height}px`;
  }

  get scrollTop() {
    return this.scroller.scrollTop;
  }

  set scrollTop(top) {
    this.scroller.scrollTop = top;
  }

  get scale() {
    return (this.width - this.gutter) / (this.app.view.to - this.app.view.from);
  }

  xOf(time) {
    return this.gutter + (time - this.app.view.from) * this.scale;
  }

  timeOf(x) {
    return this.app.view.from + (x - this.gutter) / this.scale;
  }

  /* Drawing */

  draw() {
    const { context, width, height, gutter } = this;
    const { palette } = this.app;
    context.fillStyle = palette.panel;
    context.fillRect(0, 0, width, height);
    this.drawAxis();
    context.save();
    context.beginPath();
    context.rect(0, AXIS, width, height - AXIS);
    context.clip();
    for (const row of this.visibleRows()) this.drawRow(row, AXIS + row.y - this.scrollTop);
    context.restore();
    this.drawLosses();
    this.drawSelection();
    this.drawPointer();
    context.fillStyle = palette.line;
    context.fillRect(gutter - 1, 0, 1, height);
    context.fillRect(0, AXIS - 1, width, 1);
  }

  visibleRows() {
    const top = this.scrollTop;
    const bottom = top + this.height - AXIS;
    return this.app.lanes.rows.filter((row) => row.y < bottom && row.y + row.height > top);
  }

  drawAxis() {
    const { context, width, height, gutter } = this;
    const { palette, view, recording } = this.app;
    const from = view.from - recording.first;
    const { ticks, anchor } = axisTicks(from, view.to - recording.first, (width - gutter) / 110);
    for (const { time, label } of ticks) {
      const x = Math.round(this.xOf(time + recording.first));
      context.fillStyle = palette.raised;
      context.fillRect(x, AXIS, 1, height);
      context.fillStyle = palette.muted;
      context.fillRect(x, AXIS - 5, 1, 5);
      drawText(context, label, x + 4, AXIS / 2, width - x);
    }
    context.fillStyle = palette.panel;
    context.fillRect(0, 0, gutter, AXIS);
    context.fillStyle = palette.muted;
    drawText(context, anchor, 8, AXIS / 2, gutter);
  }

  drawRow(row, y) {
    const { context, gutter, width } = this;
    const { palette } = this.app;
    if (row.thread === undefined) {
      context.fillStyle = palette.raised;
      context.fillRect(0, y, width, row.height);
      context.fillStyle = palette.muted;
      drawText(context, row.label, 8 + 10 * row.depth, y + row.height / 2, width);
      return;
    }
    this.drawLane(row, y);
    context.fillStyle = palette.panel;
    context.fillRect(0, y, gutter, row.height);
    context.fillStyle = palette.text;
    drawText(context, row.label, 8, y + row.height / 2, gutter - 12);
  }

  drawLane(row, y) {
    const { recording, view, lanes } = this.app;
    const isWide = (k) => (recording.end[lanes.calls[k]] - lanes.start[k]) * this.scale >= NARROW;
    let k = Math.max(row.first, upperBound(lanes.start, view.from, row.first, row.last) - 1);
    this.run = null;
    while (k < row.last && lanes.start[k] < view.to) {
      if (isWide(k)) {
        this.drawSlice(lanes.calls[k], y);
        this.drawFound(k, k + 1, y);
        k++;
        continue;
      }
      const column = Math.floor(this.xOf(lanes.start[k]));
      let next = advance(lanes.start, this.timeOf(column + 1), k + 1, row.last);
      // The calls of a thread follow one another, so that only the last one of a run can be wide.
      if (next - 1 > k && isWide(next - 1)) next--;
      this.addRun(k, next, column, y);
      k = next;
    }
    this.drawRun();
  }

  // Runs of calls in neighbouring pixels that look the same become one rectangle.
  addRun(k, next, column, y) {
    const { palette, lanes, recording } = this.app;
    const failures = lanes.failures[next] - lanes.failures[k];
    const share = (lanes.busy[next] - lanes.busy[k]) * this.scale;
    const style = next === k + 1
      ? palette.slices[recording.syscall[lanes.calls[k]]]
      : palette.busy[Math.min(3, Math.floor(4 * share))];
    // Failures among other calls leave visible how busy the thread was.
    const red = failures === 0 ? 0 : failures === next - k ? LANE - 4 : 6;
    const { run } = this;
    if (run && run.right === column && run.style === style && run.red === red) run.right++;
    else {
      this.drawRun();
      this.run = { left: column, right: column + 1, bottom: y + LANE - 2, style, red };
    }
    this.drawFound(k, next, y);
  }

  drawRun() {
    const { context, run } = this;
    if (!run) return;
    const width = run.right - run.left;
    context.fillStyle = run.style;
    context.fillRect(run.left, run.bottom, width, 4 - LANE);
    context.fillStyle = this.app.palette.failure;
    context.fillRect(run.left, run.bottom, width, -run.red);
    this.run = null;
  }

  drawSlice(call, y) {
    const { context, gutter, width } = this;
    const { palette, recording, wording } = this.app;
    const left = Math.max(gutter - 3, this.xOf(recording.start[call]));
    const right = Math.min(width + 3, this.xOf(recording.end[call]));
    const failed = recording.failed[call];
    const style = failed ? palette.failure : palette.slices[recording.syscall[call]];
    this.fillClipped(style, left, right - 0.5, y + 2, LANE - 4);
    if (recording.unfinished[call]) {
      this.fillClipped(palette.hatch, left, right, y + 2, LANE - 4);
      this.drawTornEnd(right, -1, y);
    }
    if (recording.at_least[call]) this.drawTornEnd(left, 1, y);
    if (right - left < 26) return;
    const inside = Math.max(left, gutter);
    const long = right - left > 160;
    context.fillStyle = failed ? palette.panel : palette.text;
    const text = long ? wording.text(call, 120) : wording.syscall(call);
    drawText(context, text, inside + 4, y + LANE / 2 + 0.5, right - inside - 6);
  }

  // A zoomed call may be billions of pixels long, which a canvas does not draw reliably.
  fillClipped(style, left, right, y, height) {
    const from = Math.max(this.gutter - 3, left);
    this.context.fillStyle = style;
    this.context.fillRect(from, y, Math.max(0, Math.min(this.width + 3, right) - from), height);
  }

  // An end that the recording does not know: the call goes on beyond it.
  drawTornEnd(x, direction, y) {
    const { context } = this;
    context.fillStyle = this.app.palette.panel;
    context.beginPath();
    context.moveTo(x, y + 1);
    for (let step = 0; step <= 4; step++) context.lineTo(x + (step % 2 ? 0 : 4 * direction), y + 2 + step * 3.5);
    context.lineTo(x, y + LANE - 1);
    context.fill();
  }

  drawFound(k, next, y) {
    const { found } = this.app.lanes;
    if (!found || found[next] === found[k]) return;
    const { recording, lanes, palette } = this.app;
    const left = this.xOf(lanes.start[k]);
    const right = Math.max(left + 2, this.xOf(recording.end[lanes.calls[next - 1]]));
    this.fillClipped(palette.warning, left, right, y, 2);
  }

  drawLosses() {
    const { context, gutter, width, height } = this;
    const { palette, recording } = this.app;
    context.fillStyle = palette.warning;
    let drawn = -1;
    for (const { at } of recording.losses) {
      const x = Math.round(this.xOf(at));
      if (x === drawn || x < gutter || x > width) continue;
      drawn = x;
      for (let y = AXIS; y < height; y += 6) context.fillRect(x, y, 1, 4);
      context.beginPath();
      context.moveTo(x - 4, AXIS - 7);
      context.lineTo(x + 5, AXIS - 7);
      context.lineTo(x + 0.5, AXIS);
      context.fill();
    }
  }

  drawSelection() {
    const { context, gutter, width, height } = this;
    const { palette, recording, selected, lanes } = this.app;
    if (selected < 0) return;
    const left = Math.max(gutter - 4, this.xOf(recording.start[selected]));
    const right = Math.min(width + 4, this.xOf(recording.end[selected]));
    if (right < gutter || left > width) return;
    context.strokeStyle = palette.accent;
    context.fillStyle = palette.accent;
    context.globalAlpha = 0.4;
    context.fillRect(Math.round((Math.max(left, gutter) + right) / 2), AXIS, 1, height);
    context.globalAlpha = 1;
    const row = lanes.ofThread.get(recording.thread[selected]);
    const y = row && AXIS + row.y - this.scrollTop;
    if (!row || y <= AXIS - LANE) return;
    context.lineWidth = 2;
    context.strokeRect(left - 1, y + 1, Math.max(3, right - left + 2), LANE - 2);
  }

  drawPointer() {
    const { context, gutter, height, width } = this;
    const { palette, recording } = this.app;
    const { drag, pointer } = this;
    if (drag?.range) {
      context.fillStyle = palette.accent;
      context.globalAlpha = 0.2;
      context.fillRect(drag.x, AXIS, drag.range.x - drag.x, height);
      context.globalAlpha = 1;
    }
    if (!pointer || pointer.x < gutter) return;
    context.fillStyle = palette.muted;
    context.fillRect(Math.round(pointer.x), AXIS, 1, height);
    const time = (this.timeOf(pointer.x) - recording.first) / 1e9;
    const digits = Math.min(9, Math.max(0, Math.ceil(Math.log10(this.scale * 1e9))));
    const label = `${time.toFixed(digits)} s`;
    const wide = context.measureText(label).width + 8;
    const x = Math.min(width - wide, Math.max(gutter, pointer.x - wide / 2));
    context.fillStyle = palette.raised;
    context.fillRect(x, 1, wide, AXIS - 3);
    context.fillStyle = palette.text;
    drawText(context, label, x + 4, AXIS / 2, wide);
  }

  /* Pointing */

  // The call under a point, and how many share its pixel.
  callAt(x, y) {
    const { lanes, recording } = this.app;
    if (x < this.gutter || y < AXIS) return null;
    const inLanes = y - AXIS + this.scrollTop;
    const row = lanes.rows.find((row) => inLanes >= row.y && inLanes < row.y + row.height);
    if (row?.thread === undefined) return null;
    const time = this.timeOf(x);
    const k = upperBound(lanes.start, time, row.first, row.last);
    let nearest = null;
    for (const candidate of [k - 1, k]) {
      if (candidate < row.first || candidate >= row.last) continue;
      const call = lanes.calls[candidate];
      const distance = Math.max(this.xOf(recording.start[call]) - x, x - this.xOf(recording.end[call]), 0);
      if (distance <= NEAR && !(nearest?.distance <= distance)) nearest = { call, distance };
    }
    if (!nearest) return null;
    const left = upperBound(lanes.start, this.timeOf(Math.floor(x)), row.first, row.last);
    const right = upperBound(lanes.start, this.timeOf(Math.floor(x) + 1), row.first, row.last);
    const failures = lanes.failures[right] - lanes.failures[left];
    return { call: nearest.call, count: right - left, failures };
  }

  lossAt(x) {
    return this.app.recording.losses.find((loss) => Math.abs(this.xOf(loss.at) - x) <= NEAR);
  }

  hover(event) {
    this.pointer = { x: event.offsetX, y: event.offsetY };
    this.app.redraw();
    const { wording, recording } = this.app;
    const hit = this.callAt(event.offsetX, event.offsetY);
    const loss = this.lossAt(event.offsetX);
    const lines = [];
    if (hit) {
      const { call } = hit;
      if (hit.count > 1) {
        const failures = hit.failures ? `, ${formatCount(hit.failures)} failed` : "";
        lines.push([`${formatCount(hit.count)} calls here${failures}; the nearest:`, "muted"]);
      }
      lines.push([wording.text(call, 300)]);
      lines.push([`= ${wording.result(call)}`, recording.failed[call] ? "failed" : ""]);
      const state = recording.unfinished[call] ? ", in flight" : "";
      lines.push([`${wording.duration(call)}${state} · ${wording.thread(call)}`]);
      lines.push([`${wording.offset(recording.start[call])} s · ${wording.clock(recording.start[call])}`, "muted"]);
    }
    if (loss) lines.push([visible(String(loss.message)), ""]);
    showTooltip(lines, event.clientX, event.clientY);
  }

  /* Moving */

  zoom(factor, time) {
    const { view } = this.app;
    this.app.setView(time - (time - view.from) * factor, time + (view.to - time) * factor);
  }

  zoomAtCentre(factor) {
    this.zoom(factor, (this.app.view.from + this.app.view.to) / 2);
  }

  pan(share) {
    const { from, to } = this.app.view;
    const by = share * (to - from);
    this.app.setView(from + by, to + by);
  }

  // Brings a call into view: the time line keeps its scale and moves as little as possible.
  reveal(call) {
    const { recording, view, lanes } = this.app;
    const start = recording.start[call];
    const end = recording.end[call];
    if (end < view.from || start > view.to) {
      const half = (view.to - view.from) / 2;
      const middle = end - start < half ? (start + end) / 2 : start + half / 2;
      this.app.setView(middle - half, middle + half);
    }
    const row = lanes.ofThread.get(recording.thread[call]);
    if (!row) return;
    const bottom = row.y + LANE - (this.height - AXIS);
    if (this.scrollTop < bottom) this.scrollTop = bottom;
    else if (this.scrollTop > row.y) this.scrollTop = row.y - GROUP;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.onPress(event));
    canvas.addEventListener("pointermove", (event) => (this.drag ? this.onDrag(event) : this.hover(event)));
    canvas.addEventListener("pointerup", (event) => this.onRelease(event));
    canvas.addEventListener("pointercancel", () => (this.drag = null));
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      showTooltip([]);
      this.app.redraw();
    });
    canvas.addEventListener("dblclick", () => this.app.resetView());
    this.scroller.addEventListener("scroll", () => this.app.redraw());
  }

  onWheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    showTooltip([]);
    if (event.offsetX < this.gutter) this.scrollTop += event.deltaY * unit;
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.pan(((event.deltaX || event.deltaY) * unit) / (this.width - this.gutter));
    } else this.zoom(Math.exp(event.deltaY * unit * (event.ctrlKey ? 0.008 : 0.002)), this.timeOf(event.offsetX));
  }

  onPress(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const { from, to } = this.app.view;
    this.drag = { x: event.offsetX, y: event.offsetY, from, to, top: this.scrollTop, moved: false, range: null };
    this.drag.choosing = event.shiftKey;
  }

  onDrag(event) {
    const { drag } = this;
    const right = event.offsetX - drag.x;
    const down = event.offsetY - drag.y;
    if (!drag.moved && Math.hypot(right, down) < NEAR) return;
    drag.moved = true;
    this.pointer = { x: event.offsetX, y: event.offsetY };
    showTooltip([]);
    if (drag.choosing) {
      drag.range = { x: Math.min(this.width, Math.max(this.gutter, event.offsetX)) };
      this.app.redraw();
      return;
    }
    this.canvas.classList.add("panning");
    this.app.setView(drag.from - right / this.scale, drag.to - right / this.scale);
    this.scrollTop = drag.top - down;
  }

  onRelease(event) {
    const { drag } = this;
    this.drag = null;
    this.canvas.classList.remove("panning");
    if (!drag) return;
    if (drag.range) {
      const times = [this.timeOf(drag.x), this.timeOf(drag.range.x)].sort((a, b) => a - b);
      this.app.setView(...times);
    } else if (!drag.moved) {
      const hit = this.callAt(event.offsetX, event.offsetY);
      if (hit) this.app.select(hit.call);
    }
  }
}

function showTooltip(lines, x, y) {
  const tooltip = $("tooltip");
  tooltip.hidden = !lines.length;
  if (tooltip.hidden) return;
  tooltip.replaceChildren(...lines.map(([text, look = ""]) => element("p", { className: look }, text)));
  const { width, height } = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(0, Math.min(x + 14, window.innerWidth - width - 4))}px`;
  tooltip.style.top = `${y + 18 + height > window.innerHeight ? Math.max(0, y - height - 10) : y + 18}px`;
}

// An element with properties; children are nodes or texts, never markup.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
