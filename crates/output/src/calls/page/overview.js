// Overview.

// The whole recording in a strip: how many calls began in each pixel, and the range that the time line shows.
class Overview {
  constructor(app) {
    this.app = app;
    this.canvas = $("overview");
    this.canvas.addEventListener("pointerdown", (event) => this.onPress(event));
    this.canvas.addEventListener("pointermove", (event) => this.onDrag(event));
    this.canvas.addEventListener("pointerup", (event) => this.onRelease(event));
    this.canvas.addEventListener("pointercancel", () => (this.pressed = null));
    this.canvas.addEventListener("dblclick", () => app.resetView());
    this.pressed = null; // the time at which a drag began
  }

  resize() {
    Object.assign(this, fitCanvas(this.canvas));
    this.gutter = gutterOf(this.width);
  }

  xOf(time) {
    const { full } = this.app;
    return this.gutter + ((time - full.from) / (full.to - full.from)) * (this.width - this.gutter);
  }

  timeOf(x) {
    const { full } = this.app;
    const share = Math.min(1, Math.max(0, (x - this.gutter) / (this.width - this.gutter)));
    return full.from + share * (full.to - full.from);
  }

  // Has to be called when other calls are shown or found, or the width changed.
  count() {
    const { recording, shown, hits } = this.app;
    const columns = Math.max(1, Math.ceil(this.width));
    this.calls = new Uint32Array(columns);
    this.failures = new Uint32Array(columns);
    this.found = new Uint32Array(columns);
    for (const call of shown) {
      const column = Math.min(columns - 1, Math.floor(this.xOf(recording.start[call])));
      this.calls[column]++;
      this.failures[column] += recording.failed[call];
      if (hits) this.found[column] += hits[call];
    }
    this.most = this.calls.reduce((most, count) => Math.max(most, count), 1);
  }

  draw() {
    const { context, width, height, gutter } = this;
    const { palette, view, full, recording, shown, selected } = this.app;
    context.fillStyle = palette.panel;
    context.fillRect(0, 0, width, height);
    const bar = (count) => (count ? Math.max(2, Math.sqrt(count / this.most) * (height - 5)) : 0);
    for (let x = gutter; x < width; x++) {
      if (!this.calls[x]) continue;
      const tall = bar(this.calls[x]);
      context.fillStyle = palette.busy[2];
      context.fillRect(x, height - tall, 1, tall);
      context.fillStyle = palette.failure;
      const red = this.failures[x] ? Math.max(2, (tall * this.failures[x]) / this.calls[x]) : 0;
      context.fillRect(x, height - red, 1, red);
      if (this.found[x]) {
        context.fillStyle = palette.warning;
        context.fillRect(x, 0, 1, 3);
      }
    }
    context.fillStyle = palette.warning;
    for (const { at } of recording.losses) context.fillRect(Math.round(this.xOf(at)), 0, 1, height);
    context.fillStyle = palette.accent;
    if (selected >= 0) context.fillRect(Math.round(this.xOf(recording.start[selected])) - 1, 0, 2, height);
    const left = this.xOf(view.from);
    const right = Math.max(left + 2, this.xOf(view.to));
    if (view !== full) {
      context.fillStyle = palette.text;
      context.globalAlpha = 0.14;
      context.fillRect(gutter, 0, left - gutter, height);
      context.fillRect(right, 0, width - right, height);
      context.globalAlpha = 1;
      context.strokeStyle = palette.accent;
      context.strokeRect(left + 0.5, 0.5, right - left - 1, height - 1);
    }
    context.fillStyle = palette.text;
    drawText(context, counted(shown.length, "call"), 8, 11, gutter - 12);
    context.fillStyle = palette.muted;
    drawText(context, `${formatDuration(view.to - view.from)} shown`, 8, 24, gutter - 12);
    context.fillStyle = palette.line;
    context.fillRect(gutter - 1, 0, 1, height);
  }

  onPress(event) {
    if (event.button !== 0 || event.offsetX < this.gutter) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pressed = { x: event.offsetX, moved: false };
  }

  onDrag(event) {
    const { pressed } = this;
    if (!pressed || (!pressed.moved && Math.abs(event.offsetX - pressed.x) < NEAR)) return;
    pressed.moved = true;
    const times = [this.timeOf(pressed.x), this.timeOf(event.offsetX)].sort((a, b) => a - b);
    this.app.setView(...times);
  }

  onRelease(event) {
    const { pressed } = this;
    this.pressed = null;
    if (!pressed || pressed.moved) return;
    const half = (this.app.view.to - this.app.view.from) / 2;
    const middle = this.timeOf(event.offsetX);
    this.app.setView(middle - half, middle + half);
  }
}
