// What is said of a call.

// The words for one call of a recording. Everything they return may be shown as it is.
class Wording {
  constructor(recording) {
    this.recording = recording;
    this.syscalls = recording.names.syscall.map(visible);
  }

  syscall(call) {
    return this.syscalls[this.recording.syscall[call]];
  }

  // A megabyte of parameters would only make scrolling slow; the details have them all.
  parameters(call, length = 400) {
    return visible(shortened(this.recording.parameters[call], length));
  }

  text(call, length) {
    return `${this.syscall(call)}(${this.parameters(call, length)})`;
  }

  result(call) {
    return visible(this.name("ret", call));
  }

  name(field, call) {
    return this.recording.names[field][this.recording[field][call]];
  }

  thread(call) {
    return `${visible(this.name("comm", call))} ${this.recording.tid[call]}`;
  }

  // A call that began before the recording or outlived it took at least this long.
  duration(call) {
    const { duration, unfinished, at_least: atLeast } = this.recording;
    return `${unfinished[call] || atLeast[call] ? "≥ " : ""}${formatDuration(duration[call])}`;
  }

  offset(ns) {
    return ((ns - this.recording.first) / 1e9).toFixed(9);
  }

  clock(ns) {
    return wallClock(this.recording.base, ns);
  }
}
