// Text and units.

const $ = (id) => document.getElementById(id);

// The traced processes wrote the names and parameters. What could hide or reorder text is shown as an escape.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

function visible(text) {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0).toString(16);
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\u{${code}}`;
  });
}

const shortened = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);

const UNITS = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];

const unitFor = (ns) => UNITS.find(([, size]) => Math.abs(ns) >= size) ?? UNITS[3];

function formatDuration(ns, digits = 3) {
  if (Number.isNaN(ns)) return "?";
  const [unit, size] = unitFor(ns);
  const value = ns / size;
  const before = Math.trunc(Math.abs(value)).toString().length;
  return `${value.toFixed(unit === "ns" ? 0 : Math.max(0, digits - before))} ${unit}`;
}

const formatCount = (count) => count.toLocaleString("en");

const counted = (count, noun) => `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;

// A duration as the filter reads it, without loss.
function durationLiteral(ns) {
  const [unit, size] = UNITS.find(([, size]) => ns >= size && ns % size === 0) ?? UNITS[3];
  return `${ns / size}${unit === "µs" ? "us" : unit}`;
}

// Wall-clock times need all digits of a 64 bit number; everything else calculates with offsets.
function wallClock(base, offset) {
  const ns = BigInt(base) + BigInt(Math.round(offset));
  const utc = new Date(Number(ns / 1000000n));
  const zone = -utc.getTimezoneOffset();
  const local = new Date(utc.getTime() + zone * 60000).toISOString().slice(0, 19).replace("T", " ");
  const two = (number) => String(Math.trunc(number)).padStart(2, "0");
  const fraction = String(ns % 1000000000n).padStart(9, "0");
  return `${local}.${fraction} ${zone < 0 ? "-" : "+"}${two(Math.abs(zone) / 60)}:${two(Math.abs(zone) % 60)}`;
}

// The parameters, split at the commas that stand outside of quotes and brackets.
function splitParameters(text) {
  const parts = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character === "\\") at++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if ("{[(".includes(character)) depth++;
    else if ("}])".includes(character)) depth--;
    else if (character === "," && depth <= 0) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  const last = text.slice(from).trim();
  if (last) parts.push(last);
  return parts;
}
