// Filter.

class FilterError extends Error {
  constructor(message, at, length) {
    super(message);
    this.at = at;
    this.length = length;
  }
}

const COMPARISONS = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};
const TEXT_TESTS = ["error", "comm", "container"];
const NUMBER_TESTS = ["duration", "ret", "pid", "tid", "uid", "cpu"];
const FLAG_TESTS = {
  failed: (recording) => (call) => recording.failed[call] === 1,
  ok: (recording) => (call) => recording.failed[call] === 0 && recording.unfinished[call] === 0,
};
const ITEMS = [
  ["gap", /[\s,]+/y],
  ["expression", /(!?)\/((?:[^/\\]|\\.)*)\//y],
  ["test", /([a-z]+)\s*(!=|<=|>=|=|<|>)\s*((?:"(?:[^"\\]|\\.)*"|[^\s,"])*)/y],
  ["name", /(!?)([^\s,=<>!|/"]+)/y],
];

function readNumber(text) {
  return /^-?(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text.replace("-", "")) * (text[0] === "-" ? -1 : 1) : NaN;
}

function readDuration(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s)$/.exec(text) ?? [];
  return unit ? Math.round(number * { ns: 1, us: 1e3, "µs": 1e3, "μs": 1e3, ms: 1e6, s: 1e9 }[unit]) : NaN;
}

const unquoted = (text) => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text);

// A test of a call by one field, or what is wrong with it as a text.
function compileTest(recording, field, operator, value) {
  const isText = TEXT_TESTS.includes(field);
  if (!isText && !NUMBER_TESTS.includes(field)) {
    return `unknown test "${field}"; there are ${[...NUMBER_TESTS, ...TEXT_TESTS].join(", ")}, failed, ok`;
  }
  const texts = value.split(/\|(?=(?:[^"]*"[^"]*")*[^"]*$)/);
  if (texts.includes("")) return `"${field}${operator}" needs a value${isText ? ' ("" is the empty one)' : ""}`;
  if (texts.length > 1 && operator !== "=" && operator !== "!=") return `alternatives need = or !=, not ${operator}`;
  if (isText) return compileTextTest(recording, field, operator, texts.map(unquoted));
  const values = texts.map(field === "duration" ? readDuration : readNumber);
  const wrong = values.findIndex(Number.isNaN);
  if (wrong >= 0) {
    return `"${texts[wrong]}" is not a ${field === "duration" ? "duration such as 10ms (ns, us, ms, s)" : "number"}`;
  }
  const compare = COMPARISONS[operator];
  const holds = operator === "!="
    ? (number) => !Number.isNaN(number) && values.every((value) => number !== value)
    : (number) => values.some((value) => compare(number, value));
  if (field === "ret") return (call) => holds(recording.results[recording.ret[call]]);
  const column = recording[field];
  return (call) => holds(column[call]);
}

function compileTextTest(recording, field, operator, texts) {
  if (operator !== "=" && operator !== "!=") return `${field} can be compared with = and != only`;
  const wanted = operator === "=";
  const allowed = recording.names[field].map((name) => texts.includes(name) === wanted);
  const column = recording[field];
  return (call) => allowed[column[call]];
}

// Reads a filter, a part of the language of `--syscall-filters`: selectors of names form a set, tests must all hold.
function compileFilter(text, recording) {
  const names = recording.names.syscall;
  const chosen = new Set();
  const removed = new Set();
  const filter = { text, selectors: [], tests: [], choosing: false };
  let at = 0;

  const fail = (message, length) => {
    throw new FilterError(message, at, length);
  };
  const select = (item, negated, found) => {
    if (!found.length && !negated) fail(`no call in this recording is named ${item}`, item.length);
    for (const name of found) (negated ? removed : chosen).add(name);
    filter.selectors.push(item);
    if (!negated) filter.choosing = true;
  };
  const readers = {
    gap() {},
    expression(item, negation, source) {
      let expression;
      try {
        expression = new RegExp(source);
      } catch (error) {
        fail(error.message, item.length);
      }
      select(item, negation === "!", names.filter((name) => expression.test(name)));
    },
    test(item, field, operator, value) {
      const holds = compileTest(recording, field, operator, value);
      if (typeof holds === "string") fail(holds, item.length);
      filter.tests.push({ field, source: item, holds });
    },
    name(item, negation, name) {
      if (!Object.hasOwn(FLAG_TESTS, name)) {
        select(item, negation === "!", names.filter((known) => known === name));
        return;
      }
      if (negation) fail(`! removes calls by name; write ${name === "ok" ? "failed" : "ok"}`, item.length);
      filter.tests.push({ field: name, source: name, holds: FLAG_TESTS[name](recording) });
    },
  };

  while (at < text.length) {
    const [kind, match] = nextItem(text, at);
    if (!match) fail("this is neither a name, a /regex/ nor a test", text.slice(at).search(/\s|$/) || 1);
    readers[kind](...match);
    at += match[0].length;
  }
  filter.allowed = Uint8Array.from(names, (name) => (!filter.choosing || chosen.has(name)) && !removed.has(name));
  return filter;
}

function nextItem(text, at) {
  for (const [kind, expression] of ITEMS) {
    expression.lastIndex = at;
    const match = expression.exec(text);
    if (match) return [kind, match];
  }
  return [];
}

function matchingCalls(recording, filter) {
  const { count, syscall } = recording;
  const { allowed } = filter;
  const tests = filter.tests.map((test) => test.holds);
  const matching = new Uint32Array(count);
  let length = 0;
  for (let call = 0; call < count; call++) {
    if (allowed[syscall[call]] && tests.every((holds) => holds(call))) matching[length++] = call;
  }
  return matching.slice(0, length);
}
