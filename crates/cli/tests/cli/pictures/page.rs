//! `-o html`, opened in Chromium: scripts use the page as a person would, and say in the page what they see.

use std::path::Path;
use std::process::Command;

use super::{Call, few, recording, shown};
use crate::support::{Gizmo, Ran};

/// Waits until the page is drawn, does what a person does, and leaves what `note` was given behind. `type` fills a box, `press`
/// is a key, `settle` waits for what is done with delay.
const DRIVER: &str = r#"<script>
addEventListener("DOMContentLoaded", async () => {
  const notes = [];
  const note = (value) => notes.push(String(value));
  const $ = (id) => document.getElementById(id);
  const settle = (ms = 400) => new Promise((done) => setTimeout(done, ms));
  const type = async (id, text) => {
    $(id).value = text;
    $(id).dispatchEvent(new Event("input", { bubbles: true }));
    await settle();
  };
  const press = async (key, target = document.body) => {
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await settle();
  };
  const shown = () => Number(document.body.dataset.shown);
  while (document.body.dataset.ready !== "1") await settle(20);
  try {
    SCENARIO
  } catch (error) {
    note(`failed: ${error.stack}`);
  }
  const list = document.createElement("pre");
  list.id = "notes";
  list.textContent = notes.join("\n");
  document.body.replaceChildren(list);
  document.body.dataset.done = "1";
});
</script>
"#;

/// Opens a page, runs a scenario in it, and returns what that has noted.
#[track_caller]
fn noted(gizmo: &Gizmo, page: &[u8], address: &str, scenario: &str) -> Vec<String> {
    let mut text = page.to_vec();
    let driver = DRIVER.replace("SCENARIO", scenario);
    // Before what is appended to a page the driver would be data.
    let at = find(page, b"</head>");
    text.splice(at..at, driver.bytes());
    let path = gizmo.write("page.html", text);
    let dom = open(&path, address);
    let begin = dom
        .find("<pre id=\"notes\">")
        .unwrap_or_else(|| panic!("no notes in {dom}"));
    let notes = &dom[begin + "<pre id=\"notes\">".len()..];
    let notes = &notes[..notes.find("</pre>").expect("an end")];
    let unescaped = notes
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    unescaped.lines().map(str::to_owned).collect()
}

#[track_caller]
fn find(text: &[u8], part: &[u8]) -> usize {
    let at = text.windows(part.len()).position(|window| window == part);
    at.expect("it is there")
}

/// The document after its scripts have run, with nothing but what is in the file.
#[track_caller]
fn open(path: &Path, address: &str) -> String {
    let mut chromium = Command::new("chromium");
    chromium
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--window-size=1280,800",
            "--virtual-time-budget=60000",
            "--dump-dom",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .arg(format!(
            "--user-data-dir={}",
            path.with_extension("profile").display()
        ))
        .arg(format!("file://{}{address}", path.display()));
    let ran = Ran::of(&mut chromium);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    ran.stdout()
}

/// `count` calls of 20 threads: every tenth an `openat`, of which every other fails.
fn many(count: u64) -> impl Iterator<Item = Call> {
    (0..count).map(|number| {
        let call = match number % 20 {
            0 => Call::open(number * 1000, "/etc/passwd", ""),
            10 => Call::open(number * 1000, "/no/such", "ENOENT"),
            _ => Call::new(number * 1000, 100 + number % 700),
        };
        Call {
            tid: 100 + number % 19,
            ..call
        }
    })
}

#[test]
#[ignore = "packages: opens Chromium"]
fn a_hundred_thousand_calls_are_filtered_and_counted() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, many(100_000));
    let page = shown(&gizmo, &file, "html");
    let scenario = r#"
        note(document.body.dataset.calls);
        note(shown());
        note([...$("stats").querySelectorAll("tbody tr")].map((row) => row.innerText.split(/\s+/).slice(0, 3).join(" ")));
        await type("filter", "openat,failed");
        note(shown());
        await type("filter", "!close,duration>=2us");
        note(shown());
        await type("filter", "");
        note(shown());
    "#;
    let notes = noted(&gizmo, &page, "#filter=openat", scenario);
    assert_eq!(
        notes,
        [
            "100000",
            "10000",
            "openat 10,000 5,000",
            "5000",
            "10000",
            "100000"
        ]
    );
}

#[test]
#[ignore = "packages: opens Chromium"]
fn a_page_is_used_with_keys_and_mouse() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    let page = shown(&gizmo, &file, "html");
    let scenario = r#"
        note($("title").textContent);
        await type("filter", "failed");
        note(shown());
        await type("filter", "failed,duration>soon");
        note(`${shown()} ${$("filter-error").hidden} ${$("filter-error").textContent.includes("soon")}`);
        await type("filter", "");
        await press("e");
        note($("details").textContent.includes("ENOENT"));
        note(location.hash.includes("call="));
        await type("find", "passwd");
        await press("Enter", $("find"));
        note($("found").textContent);
        document.querySelector(".call").click();
        await settle();
        note($("details").textContent.includes("/etc/passwd"));
        $("tab-inflight").click();
        await settle();
        note($("inflight").innerText.includes("read"));
        $("tab-errors").click();
        await settle();
        note($("errors").innerText.replace(/\s+/g, " "));
        const box = $("timeline").getBoundingClientRect();
        const before = $("scope").textContent;
        for (let turns = 0; turns < 20; turns++) {
          $("timeline").dispatchEvent(new WheelEvent("wheel", {
            deltaY: -120, clientX: box.left + 200, clientY: box.top + 40, bubbles: true, cancelable: true,
          }));
        }
        await settle();
        note(before !== $("scope").textContent);
        await press("0");
        note(before === $("scope").textContent);
        note($("losses").textContent.includes("70 are missing"));
    "#;
    let notes = noted(&gizmo, &page, "", scenario);
    assert_eq!(
        notes[0],
        "Gizmo – 8 calls of 3 threads in 2 containers, 2.000 s"
    );
    assert_eq!(notes[1..3], ["1", "1 false true"]);
    assert_eq!(notes[3..5], ["true", "true"]);
    assert_eq!(notes[5], "1 of 1");
    assert_eq!(notes[6..8], ["true", "true"]);
    assert!(notes[8].contains("openat ENOENT 1"), "{}", notes[8]);
    assert_eq!(notes[9..], ["true", "true", "true"]);
}

#[test]
#[ignore = "packages: opens Chromium"]
fn nothing_of_a_traced_process_is_markup_or_turns_text() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    let page = shown(&gizmo, &file, "html");
    let data = &page[find(&page, b"{\"gizmo\":1")..];
    let text = std::str::from_utf8(data).unwrap();
    assert_eq!(text.matches('<').count(), 3, "only the end tags: {text}");
    assert!(
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' || c == '\u{202e}')
    );
    let scenario = r#"
        note(document.querySelectorAll("img").length);
        $("losses").open = true;
        await settle();
        const text = document.body.innerText;
        note(/[\u202e\u2028\u001b]/.test(text));
        note(text.includes("\\u202e"));
        note(text.includes("<\/script>"));
    "#;
    let notes = noted(&gizmo, &page, "", scenario);
    assert_eq!(notes, ["0", "false", "true", "true"]);
}

#[test]
#[ignore = "packages: opens Chromium"]
fn a_page_that_was_cut_shows_what_is_there() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, many(1000));
    let mut page = shown(&gizmo, &file, "html");
    page.truncate(page.len() - 100);
    let scenario = r#"
        note(document.body.dataset.calls);
        note($("cut").hidden);
    "#;
    assert_eq!(noted(&gizmo, &page, "", scenario), ["999", "false"]);
    // Whole, it does not say so; and the end of a page is the end of a document.
    let whole = shown(&gizmo, &file, "html");
    assert!(whole.ends_with(b"</script>\n</body>\n</html>\n"));
    assert_eq!(noted(&gizmo, &whole, "", scenario), ["1000", "true"]);
}
