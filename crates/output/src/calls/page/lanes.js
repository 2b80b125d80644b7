// Lanes.

const LANE = 18;
const GROUP = 17;

const byText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function byProcess(a, b) {
  return byText(a.container, b.container) || a.pid - b.pid || (b.tid === b.pid) - (a.tid === a.pid) || a.tid - b.tid;
}

// Puts the shown calls thread by thread. Sums over them tell at once what a run of calls holds that falls into one
// pixel, so that a frame costs by the pixels and not by the calls.
function layOutLanes(recording, shown) {
  const { thread, threads, duration, failed } = recording;
  const first = new Uint32Array(threads.length + 1);
  for (const call of shown) first[thread[call] + 1]++;
  for (let id = 0; id < threads.length; id++) first[id + 1] += first[id];
  const calls = new Uint32Array(shown.length);
  const next = first.slice();
  for (const call of shown) calls[next[thread[call]]++] = call;
  const busy = new Float64Array(shown.length + 1);
  for (let k = 0; k < calls.length; k++) busy[k + 1] = busy[k] + (duration[calls[k]] || 0);
  return {
    calls,
    busy,
    failures: sumOf(calls, failed),
    found: null,
    start: Float64Array.from(calls, (call) => recording.start[call]),
    ...layOutRows(threads.filter(({ id }) => first[id] < first[id + 1]).sort(byProcess), first),
  };
}

function sumOf(calls, flags) {
  const sum = new Uint32Array(calls.length + 1);
  for (let k = 0; k < calls.length; k++) sum[k + 1] = sum[k] + flags[calls[k]];
  return sum;
}

// One row per thread, below a heading for each container and for each process of several threads.
function layOutRows(threads, first) {
  const rows = [];
  const ofThread = new Map();
  const inContainers = threads.some((thread) => thread.container !== "");
  let y = 0;
  const addHeading = (label, depth) => {
    rows.push({ y, height: GROUP, label, depth });
    y += GROUP;
  };
  threads.forEach((thread, k) => {
    const before = threads[k - 1];
    const newContainer = before?.container !== thread.container;
    const newProcess = newContainer || before.pid !== thread.pid;
    if (newContainer && inContainers) addHeading(visible(thread.container) || "outside of containers", 0);
    if (newProcess && threads[k + 1]?.pid === thread.pid && threads[k + 1].container === thread.container) {
      addHeading(`process ${thread.pid}`, inContainers ? 1 : 0);
    }
    const row = { y, height: LANE, label: `${visible(shortened(thread.comm, 40))} ${thread.tid}` };
    rows.push({ ...row, thread: thread.id, first: first[thread.id], last: first[thread.id + 1] });
    ofThread.set(thread.id, rows.at(-1));
    y += LANE;
  });
  return { rows, ofThread, height: y };
}
