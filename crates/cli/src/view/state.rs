//! What the viewer shows, and where in it one is.

use gizmo_output::formatters;
use gizmo_runtime::{CallRow, Calls, Row, RowKind};
use gizmo_syscalls::expression::Duration;

use unicode_width::UnicodeWidthStr;

use super::prompt::{Prompt, Purpose};

/// Rows beside the selected one that stay in sight.
const MARGIN: usize = 2;

/// A recording, and where in it one is.
pub(super) struct View {
    /// Name of the file.
    pub(super) file: String,
    /// The filter that the calls have passed.
    pub(super) filter: String,
    pub(super) calls: Calls,
    /// How many of them are calls, and how many of those failed.
    pub(super) counts: [usize; 2],
    /// From the beginning of the first call to the end of the last.
    pub(super) span_ns: u64,
    pub(super) widths: Widths,
    /// From when on a call is slow: the 99th percentile.
    pub(super) slow_ns: u64,
    /// Place of the selected row.
    pub(super) selected: usize,
    /// Place of the first row that is shown.
    pub(super) top: usize,
    /// Rows that are shown, as of the last drawing.
    pub(super) height: usize,
    /// Characters of calls that are passed over on the left.
    pub(super) shift: usize,
    pub(super) has_details: bool,
    pub(super) has_help: bool,
    pub(super) search: String,
    pub(super) prompt: Option<Prompt>,
    /// What the person has to know, until the next key.
    pub(super) message: Vec<String>,
    /// A filter that is to be applied, and that was.
    request: Option<String>,
    requested: String,
    pub(super) is_ended: bool,
}

impl View {
    pub(super) fn new(file: &str, filter: &str, calls: Calls) -> Self {
        let mut name = String::new();
        gizmo_output::escape(file.as_bytes(), &mut name);
        let mut view = Self {
            file: name,
            filter: String::new(),
            calls: Calls::default(),
            counts: [0; 2],
            span_ns: 0,
            widths: Widths::default(),
            slow_ns: 0,
            selected: 0,
            top: 0,
            height: 1,
            shift: 0,
            has_details: false,
            has_help: false,
            search: String::new(),
            prompt: None,
            message: Vec::new(),
            request: None,
            requested: String::new(),
            is_ended: false,
        };
        view.show(filter, calls);
        view
    }

    /// Shows other calls; what was selected stays selected, if it is still there.
    pub(super) fn show(&mut self, filter: &str, calls: Calls) {
        let at_ns = self.row().map(|row| row.start_ns);
        self.filter = filter.to_owned();
        self.counts = [
            calls.rows.iter().filter(|row| call(row).is_some()).count(),
            calls.rows.iter().filter(|row| row.has_failed).count(),
        ];
        self.slow_ns = slow_ns(&calls.rows);
        self.span_ns = span_ns(&calls.rows);
        self.widths = Widths::of(&calls, self.span_ns);
        self.selected = match at_ns {
            Some(at_ns) => calls.rows.partition_point(|row| row.start_ns < at_ns),
            None => 0,
        };
        self.message.clear();
        if calls.left_out > 0 {
            self.message = vec![format!(
                "{} more calls are left out, being more than fit: narrow the filter",
                calls.left_out
            )];
        } else if calls.damaged_parts > 0 {
            self.message = vec!["the file is damaged: calls are missing".to_owned()];
        }
        self.calls = calls;
        self.go_to(self.selected);
    }

    /// Says what is wrong, in lines.
    pub(super) fn complain(&mut self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        self.message = text
            .lines()
            .map(|line| {
                let mut harmless = String::new();
                gizmo_output::escape(line.as_bytes(), &mut harmless);
                harmless
            })
            .collect();
        // One shall be able to mend it.
        self.prompt = Some(Prompt::new(Purpose::Filter, &self.requested));
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_ended
    }

    /// Asks for a filter.
    pub(super) fn request(&mut self, filter: String) {
        self.requested.clone_from(&filter);
        self.request = Some(filter);
    }

    /// The filter that is asked for, once.
    pub(super) fn take_request(&mut self) -> Option<String> {
        self.request.take()
    }

    /// The selected row.
    pub(super) fn row(&self) -> Option<&Row> {
        self.calls.rows.get(self.selected)
    }

    /// Selects a row, the last if there are not so many, and keeps it in sight.
    pub(super) fn go_to(&mut self, place: usize) {
        self.selected = place.min(self.calls.rows.len().saturating_sub(1));
        let margin = MARGIN.min(self.height.saturating_sub(1) / 2);
        let highest = (self.selected + 1 + margin).saturating_sub(self.height);
        let lowest = self.selected.saturating_sub(margin);
        let most = self.calls.rows.len().saturating_sub(self.height);
        self.top = self.top.clamp(highest.min(lowest), lowest).min(most);
    }

    /// Goes to the next row, or the one before, that is meant; says so if there is none.
    pub(super) fn seek(&mut self, back: bool, what: &str, is_meant: impl Fn(&Self, &Row) -> bool) {
        let rows = &self.calls.rows;
        let found = match back {
            false => (self.selected + 1..rows.len()).find(|&place| is_meant(self, &rows[place])),
            true => (0..self.selected)
                .rev()
                .find(|&place| is_meant(self, &rows[place])),
        };
        match found {
            Some(place) => self.go_to(place),
            None => {
                let side = if back { "before this" } else { "behind this" };
                self.message = vec![format!("no {what} {side}")];
            }
        }
    }

    /// Whether a text that is searched for stands in a row.
    pub(super) fn is_found(&self, row: &Row) -> bool {
        let ignores_case = !self.search.chars().any(char::is_uppercase);
        let has = |text: &str| match ignores_case {
            true => text.to_lowercase().contains(&self.search),
            false => text.contains(&self.search),
        };
        match &row.what {
            RowKind::Notice(text) => has(self.calls.text(*text)),
            RowKind::Call(call) => [
                call.syscall,
                call.parameters,
                call.ret,
                call.comm,
                call.container,
            ]
            .iter()
            .any(|text| has(self.calls.text(*text))),
        }
    }

    /// Whether a call is slow among those that are shown.
    pub(super) fn is_slow(&self, row: &Row) -> bool {
        self.slow_ns > 0
            && row
                .duration
                .is_some_and(|duration| duration.ns() >= self.slow_ns)
    }

    /// What is slow, in words.
    pub(super) fn slow(&self) -> String {
        format!("call of {} and more", formatters::duration(self.slow_ns))
    }
}

/// The call that a row is.
pub(super) fn call(row: &Row) -> Option<&CallRow> {
    match &row.what {
        RowKind::Call(call) => Some(call),
        RowKind::Notice(_) => None,
    }
}

/// A result without the words that explain an error; they are among the details.
pub(super) fn short_result(ret: &str) -> &str {
    ret.split(" (").next().unwrap_or(ret)
}

/// Characters that the columns beside the calls need; longer texts are cut.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Widths {
    pub(super) time: usize,
    /// 0 without containers.
    pub(super) container: usize,
    pub(super) thread: usize,
    pub(super) ret: usize,
}

impl Widths {
    fn of(calls: &Calls, span_ns: u64) -> Self {
        let all = || calls.rows.iter().filter_map(call);
        let width = |id| calls.text(id).width();
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
        let container = widest(&mut all().map(|call| width(call.container)));
        let thread =
            widest(&mut all().map(|call| {
                width(call.comm) + 2 + call.tid.checked_ilog10().unwrap_or(0) as usize
            }));
        let ret = widest(&mut all().map(|call| short_result(calls.text(call.ret)).width()));
        let seconds = span_ns / 1_000_000_000;
        Self {
            // Digits of the seconds, a point, and those of microseconds.
            time: 8 + seconds.checked_ilog10().unwrap_or(0) as usize,
            container: match container {
                0 => 0,
                width => width.clamp("CONTAINER".len(), 16),
            },
            thread: thread.clamp("THREAD".len(), 22),
            ret: ret.clamp("RESULT".len(), 16),
        }
    }
}

fn span_ns(rows: &[Row]) -> u64 {
    let end = |row: &Row| {
        let duration = row.duration.map_or(0, Duration::ns);
        row.start_ns.saturating_add(duration)
    };
    let first = rows.first().map_or(0, |first| first.start_ns);
    rows.iter()
        .map(end)
        .max()
        .unwrap_or(0)
        .saturating_sub(first)
}

/// The 99th percentile of the calls that have returned; 0 if nobody knows.
fn slow_ns(rows: &[Row]) -> u64 {
    let exactly = |row: &Row| match row.duration? {
        Duration::Exactly(ns) => Some(ns),
        Duration::AtLeast(_) => None,
    };
    let mut durations: Vec<u64> = rows.iter().filter_map(exactly).collect();
    let place = durations.len() * 99 / 100;
    if durations.is_empty() {
        return 0;
    }
    *durations.select_nth_unstable(place).1
}
