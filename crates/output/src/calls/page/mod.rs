//! Calls as a page for a browser, which needs nothing else: styles, markup and scripts of this folder, and behind them the calls as lines of JSON.
//!
//! The page is streamed: what comes last is the data, and a page that was cut shows what is there. A line is
//! one of these, and every `<` in it is escaped:
//!
//! - `{"gizmo":1,"fields":[…]}`, the first: what a call consists of;
//! - `{"base":"NS"}`, before the first call: when that began, ns since 1970; starts of calls count from there;
//! - `[…]`, a call;
//! - `{"end":1}`, the last, without which a page was cut;
//! - `{"lost":N,"at":"NS","message":"…"}`, calls that are missing; `at`, ns since 1970, may be null.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use gizmo_model::Element;

use super::{Fields, Remark, is_set};
use crate::json::write_string;
use crate::value;

/// What stands before the data. The scripts are one, in the order in which they use each other.
const PAGE: [&str; 16] = [
    include_str!("head.html"),
    include_str!("style.css"),
    include_str!("body.html"),
    include_str!("text.js"),
    include_str!("order.js"),
    include_str!("reader.js"),
    include_str!("filter.js"),
    include_str!("wording.js"),
    include_str!("lanes.js"),
    include_str!("timeline.js"),
    include_str!("overview.js"),
    include_str!("table.js"),
    include_str!("panels.js"),
    include_str!("details.js"),
    include_str!("app.js"),
    include_str!("end.html"),
];

const FIELDS: &[u8] = br#"{"gizmo":1,"fields":["start","duration","cpu","pid","tid","uid","comm","container","abi","syscall","parameters","ret","error","unfinished","at_least"]}"#;

/// What stands around the data: once, whichever of the data sources that share the page comes first.
#[derive(Default)]
pub(crate) struct Frame {
    is_begun: AtomicBool,
    is_ended: AtomicBool,
}

impl Frame {
    /// Appends what comes before the first event, unless it is there.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        if !self.is_begun.swap(true, Ordering::Relaxed) {
            PAGE.iter()
                .for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(FIELDS);
            out.push(b'\n');
        }
    }

    /// Appends what comes behind the last, unless it is there.
    pub(crate) fn end(&self, out: &mut Vec<u8>) {
        self.begin(out);
        if !self.is_ended.swap(true, Ordering::Relaxed) {
            out.extend_from_slice(b"{\"end\":1}\n</script>\n</body>\n</html>\n");
        }
    }
}

/// The calls of a page on its way.
#[derive(Default)]
pub(crate) struct Page {
    /// When the first call began.
    base: Option<u64>,
    line: Vec<u8>,
}

impl Page {
    /// Appends a call.
    pub(crate) fn write(&mut self, fields: &Fields, element: &Element, out: &mut Vec<u8>) {
        let timestamp = value::bits(&fields.timestamp, element);
        let base = *self.base.get_or_insert_with(|| {
            // Writing to a vector cannot fail.
            let _ = writeln!(out, "{{\"base\":\"{timestamp}\"}}");
            timestamp
        });
        let line = &mut self.line;
        line.clear();
        let start = i128::from(timestamp) - i128::from(base);
        let _ = write!(line, "[{start},");
        let _ = match fields.duration(element) {
            Some(duration) => write!(line, "{}", duration.ns()),
            None => write!(line, "null"),
        };
        let number = |field| Fields::number(field, element);
        let _ = write!(
            line,
            ",{},{},{},{}",
            number(fields.cpu.as_ref()),
            number(Some(&fields.pid)),
            number(Some(&fields.tid)),
            number(fields.uid.as_ref()),
        );
        let texts = [
            Some(&fields.comm),
            fields.container.as_ref(),
            Some(&fields.abi),
            Some(&fields.syscall),
            Some(&fields.parameters),
            Some(&fields.ret),
            Some(&fields.error),
        ];
        for field in texts {
            line.push(b',');
            write_string(field.map_or(&[], |field| value::text(field, element)), line);
        }
        let flag = |field| u8::from(is_set(field, element));
        let _ = writeln!(
            line,
            ",{},{}]",
            flag(fields.unfinished.as_ref()),
            flag(fields.at_least.as_ref())
        );
        write_escaped(line, out);
    }
}

/// Appends a notice.
pub(crate) fn write_remark(remark: &Remark, element: &Element, out: &mut Vec<u8>) {
    let mut line = Vec::new();
    // Writing to a vector cannot fail.
    let _ = write!(line, "{{\"lost\":{},\"at\":", remark.lost(element));
    let _ = match remark.timestamp(element) {
        Some(timestamp) => write!(line, "\"{timestamp}\""),
        None => write!(line, "null"),
    };
    line.extend_from_slice(b",\"message\":");
    write_string(remark.text(element).as_bytes(), &mut line);
    line.extend_from_slice(b"}\n");
    write_escaped(&line, out);
}

/// Appends JSON so that no text in it can end the element that it stands in, or begin one.
fn write_escaped(json: &[u8], out: &mut Vec<u8>) {
    for (place, part) in json.split(|&byte| byte == b'<').enumerate() {
        if place > 0 {
            out.extend_from_slice(b"\\u003c");
        }
        out.extend_from_slice(part);
    }
}
