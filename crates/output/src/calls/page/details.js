// Details of a call.

function drawDetails(app) {
  const { recording, wording, selected: call } = app;
  const box = $("details");
  box.hidden = call < 0;
  if (box.hidden) return;
  const button = (label, action) => {
    const made = element("button", { type: "button" }, label);
    made.addEventListener("click", action);
    return made;
  };
  const thread = `tid=${recording.tid[call]}`;
  const heading = element(
    "h2",
    {},
    element("span", { className: "data" }, wording.syscall(call)),
    button("Zoom", () => app.zoomTo(call)),
    button("Calls alike", () => app.refine({ selector: wording.name("syscall", call) })),
    button("Thread", () => app.refine({ test: thread, replaces: ["tid"] })),
    button("Close", () => app.select(-1)),
  );
  const list = element("dl", {});
  const add = (term, text, look = "") => {
    list.append(element("dt", {}, term), element("dd", { className: `data ${look}` }, text));
  };
  const notes = [];
  if (recording.unfinished[call]) notes.push("in flight when the recording ended");
  if (recording.at_least[call]) notes.push("began before the recording");
  if (!app.isShown(call)) notes.push("hidden by the filter");
  const ns = recording.duration[call];
  const parameters = splitParameters(recording.parameters[call]).map(visible);
  add("parameters", parameters.join("\n") || "none");
  add("result", wording.result(call), recording.failed[call] ? "failed" : "");
  if (recording.failed[call]) add("error", visible(wording.name("error", call)), "failed");
  add("duration", `${wording.duration(call)}${ns >= 1000 ? ` (${formatCount(ns)} ns)` : ""}`);
  if (notes.length) add("note", notes.join("; "));
  add("start", `${wording.offset(recording.start[call])} s\n${wording.clock(recording.start[call])}`);
  add("process", `pid ${recording.pid[call]}, tid ${recording.tid[call]}, ${visible(wording.name("comm", call))}`);
  add("user", `uid ${recording.uid[call]}`);
  add("container", visible(wording.name("container", call)) || "none");
  add("processor", `CPU ${recording.cpu[call]}, ABI ${visible(wording.name("abi", call))}`);
  add("number", `${formatCount(call + 1)} of ${formatCount(recording.count)}`);
  box.replaceChildren(heading, list);
}
