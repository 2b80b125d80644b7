// Reading the recording.

// Texts that repeat are kept once; the columns hold their numbers.
class Names {
  constructor() {
    this.list = [];
    this.ids = new Map();
  }

  id(text) {
    let id = this.ids.get(text);
    if (id === undefined) {
      id = this.list.push(text) - 1;
      this.ids.set(text, id);
    }
    return id;
  }
}

// A growing typed array: a column of 500 000 numbers takes 4 MB and no objects.
class Column {
  constructor(Type) {
    this.values = new Type(4096);
    this.length = 0;
  }

  push(value) {
    if (this.length === this.values.length) {
      const larger = new this.values.constructor(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  inOrder(order) {
    const sorted = new this.values.constructor(order.length);
    for (let k = 0; k < order.length; k++) sorted[k] = this.values[order[k]];
    return sorted;
  }
}

// The text may be in several nodes, and is long: it is cut into lines one by one.
function* linesOf(source) {
  let rest = "";
  for (const node of source.childNodes) {
    const text = rest + node.data;
    let from = 0;
    for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
      yield text.slice(from, to);
      from = to + 1;
    }
    rest = text.slice(from);
  }
  yield rest;
}

const NUMBERS = ["start", "cpu", "pid", "tid", "uid", "unfinished", "at_least"];
const NAMED = ["comm", "container", "abi", "syscall", "ret", "error"];

class Reader {
  constructor() {
    this.columns = {};
    for (const field of [...NUMBERS, "duration"]) this.columns[field] = new Column(Float64Array);
    for (const field of [...NAMED, "thread"]) this.columns[field] = new Column(Uint32Array);
    this.names = Object.fromEntries(NAMED.map((field) => [field, new Names()]));
    this.parameters = [];
    this.threads = [];
    this.threadIds = new Map();
    this.losses = [];
    this.base = "0";
    this.at = null; // where in a line a field stands
    this.width = 0; // the number of fields
    this.unreadable = 0;
    this.lastIsBroken = false;
    this.isWhole = false; // until the line is read that says so
  }

  read(line) {
    if (line.trim() === "") return;
    this.lastIsBroken = false;
    try {
      this.take(JSON.parse(line));
    } catch {
      this.unreadable++;
      this.lastIsBroken = true;
    }
  }

  take(value) {
    if (Array.isArray(value)) this.takeCall(value);
    else if (value.fields) {
      this.width = value.fields.length;
      this.at = Object.fromEntries(value.fields.map((field, k) => [field, k]));
    } else if (value.base !== undefined) this.base = value.base;
    else if (value.lost !== undefined) this.losses.push(value);
    else if (value.end !== undefined) this.isWhole = true;
  }

  takeCall(call) {
    const { at, columns, names } = this;
    if (!this.width || call.length !== this.width) throw new TypeError("not a call");
    for (const field of NUMBERS) columns[field].push(call[at[field]]);
    columns.duration.push(call[at.duration] ?? NaN);
    for (const field of NAMED) columns[field].push(names[field].id(call[at[field]]));
    columns.thread.push(this.threadId(call));
    this.parameters.push(call[at.parameters]);
  }

  threadId(call) {
    const { at } = this;
    const pid = call[at.pid];
    const tid = call[at.tid];
    const container = call[at.container];
    const key = `${pid}/${tid}/${container}`;
    let id = this.threadIds.get(key);
    if (id === undefined) {
      id = this.threads.push({ id: this.threads.length, pid, tid, container, comm: "" }) - 1;
      this.threadIds.set(key, id);
    }
    this.threads[id].comm = call[at.comm]; // the last one, since execve changes it
    return id;
  }

  // The calls came in the order of their return; from here on they are numbered in the order of their start.
  finish() {
    const start = this.columns.start.values;
    const order = Uint32Array.from(this.parameters, (_, k) => k).sort((a, b) => start[a] - start[b] || a - b);
    const recording = {};
    for (const [field, column] of Object.entries(this.columns)) recording[field] = column.inOrder(order);
    recording.count = order.length;
    recording.parameters = Array.from(order, (k) => this.parameters[k]);
    recording.end = recording.start.map((start, k) => start + (recording.duration[k] || 0));
    recording.first = order.length ? recording.start[0] : 0;
    recording.last = recording.end.reduce((last, end) => Math.max(last, end), recording.first);
    recording.names = Object.fromEntries(NAMED.map((field) => [field, this.names[field].list]));
    recording.results = Float64Array.from(recording.names.ret, (ret) => readNumber(ret.split(" ")[0]));
    recording.failed = Uint8Array.from(recording.error, (error) => (recording.names.error[error] === "" ? 0 : 1));
    recording.threads = this.threads;
    const base = BigInt(this.base);
    const offset = (at) => (at === null ? recording.first : Number(BigInt(at) - base));
    recording.losses = this.losses.map((loss) => ({ ...loss, at: offset(loss.at) })).sort((a, b) => a.at - b.at);
    recording.base = this.base;
    recording.cut = !this.isWhole;
    recording.unreadable = this.unreadable - (this.lastIsBroken ? 1 : 0);
    return recording;
  }
}

async function readRecording(source, progress) {
  const reader = new Reader();
  let pause = performance.now() + 100;
  for (const line of linesOf(source)) {
    reader.read(line);
    if (performance.now() > pause) {
      progress(reader.parameters.length);
      await new Promise((resume) => setTimeout(resume));
      pause = performance.now() + 100;
    }
  }
  return reader.finish();
}
