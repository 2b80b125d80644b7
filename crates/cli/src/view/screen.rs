//! How the viewer looks.

use gizmo_output::formatters;
use gizmo_runtime::{CallRow, Row, RowKind};
use gizmo_syscalls::expression::Duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::keys::KEYS;
use super::prompt::Purpose;
use super::state::{View, Widths, short_result};

const FAILED: Style = Style::new().fg(Color::Red);
const SLOW: Style = Style::new().fg(Color::Yellow);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
/// Stands before the selected row.
const MARK: &str = "▸ ";

const FOUND: Style = Style::new().fg(Color::Black).bg(Color::Yellow);

/// Draws everything, and notes how many rows there is room for.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let said = view.message.len().max(1) as u16
        + u16::from(view.prompt.is_some() && !view.message.is_empty());
    let details = match view.row().filter(|_| view.has_details) {
        // What is longer is cut, and wrapped lines may be.
        Some(row) => (details(view, row).len() as u16 + 1).min(frame.area().height / 2),
        None => 0,
    };
    let [title, head, list, below, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(details),
        Constraint::Length(said.min(frame.area().height / 2)),
    ])
    .areas(frame.area());
    view.height = usize::from(list.height);
    view.go_to(view.selected);

    frame.render_widget(Line::from(title_of(view)).style(BAR), title);
    draw_head(frame, columns(view, head));
    for (line, place) in (view.top..view.calls.rows.len())
        .take(view.height)
        .enumerate()
    {
        let area = Rect {
            y: list.y + line as u16,
            height: 1,
            ..list
        };
        draw_row(frame, view, place, area);
    }
    if view.calls.rows.is_empty() {
        frame.render_widget(
            Line::from("  no call is meant by this filter").style(QUIET),
            list,
        );
    }
    if view.has_details {
        draw_details(frame, view, below);
    }
    draw_bottom(frame, view, bottom);
    if view.has_help {
        draw_help(frame);
    }
}

fn title_of(view: &View) -> String {
    let [calls, failed] = view.counts;
    let mut title = format!(" {}  {calls} calls, {failed} failed", view.file);
    if calls > 0 {
        title += &format!(", {}", formatters::duration(view.span_ns));
    }
    if !view.filter.trim().is_empty() {
        title += &format!("  filter: {}", view.filter);
    }
    title
}

/// The columns of an area, with a blank behind all but the last.
fn columns(view: &View, area: Rect) -> [Rect; 6] {
    let Widths {
        time,
        container,
        thread,
        ret,
    } = view.widths;
    // What is narrow is left to the calls.
    let thread = if area.width < 80 { 0 } else { thread };
    let and_blank =
        |width: usize| Constraint::Length(if width == 0 { 0 } else { width as u16 + 1 });
    Layout::horizontal([
        and_blank(MARK.width() + time),
        and_blank(container),
        and_blank(thread),
        Constraint::Min(1),
        and_blank(ret),
        Constraint::Length(9),
    ])
    .areas(area)
}

fn draw_head(frame: &mut Frame<'_>, columns: [Rect; 6]) {
    let names = [
        "  TIME s",
        "CONTAINER",
        "THREAD",
        "CALL",
        "RESULT",
        "DURATION",
    ];
    for (place, (name, column)) in names.iter().zip(columns).enumerate() {
        let is_last = place == names.len() - 1;
        put(frame, Line::from(*name).style(QUIET), column, is_last);
    }
}

/// Draws a line with a blank behind it, on the right side if that is where it belongs.
fn put(frame: &mut Frame<'_>, line: Line<'_>, area: Rect, right: bool) {
    let inner = Rect {
        width: area.width.saturating_sub(u16::from(!right)),
        ..area
    };
    let line = if right { line.right_aligned() } else { line };
    frame.render_widget(line, inner);
}

fn draw_row(frame: &mut Frame<'_>, view: &View, place: usize, area: Rect) {
    let row = &view.calls.rows[place];
    let columns = columns(view, area);
    let mark = if place == view.selected { MARK } else { "  " };
    let time = format!("{mark}{}", seconds(since(view, row)));
    put(frame, Line::from(time).style(QUIET), columns[0], false);
    match &row.what {
        RowKind::Notice(text) => {
            let area = columns[1..]
                .iter()
                .copied()
                .reduce(Rect::union)
                .unwrap_or(area);
            put(
                frame,
                Line::from(format!("--- {} ---", view.calls.text(*text))).style(SLOW),
                area,
                false,
            );
        }
        RowKind::Call(call) => {
            let text = |id| view.calls.text(id);
            put(frame, Line::from(text(call.container)), columns[1], false);
            let thread = format!("{} {}", text(call.comm), call.tid);
            put(frame, Line::from(thread), columns[2], false);
            put(frame, call_line(view, call), columns[3], false);
            let style = if row.has_failed { FAILED } else { Style::new() };
            put(
                frame,
                Line::from(short_result(text(call.ret))).style(style),
                columns[4],
                false,
            );
            let style = if view.is_slow(row) {
                SLOW
            } else {
                Style::new()
            };
            put(
                frame,
                Line::from(duration(row)).style(style),
                columns[5],
                true,
            );
        }
    }
    if place == view.selected {
        frame.buffer_mut().set_style(area, BAR);
    }
}

/// The call, from where it is shifted to, with what is searched for marked.
fn call_line<'v>(view: &'v View, call: &CallRow) -> Line<'v> {
    let text = |id| view.calls.text(id);
    let name = text(call.syscall);
    let whole = format!("{name}({})", text(call.parameters));
    let from = whole
        .char_indices()
        .nth(view.shift)
        .map_or(whole.len(), |(at, _)| at);
    let mut spans = Vec::new();
    let mut at = from;
    if view.shift == 0 {
        spans.push(Span::styled(name.to_owned(), STRONG));
        at = name.len();
    }
    let ignores_case = !view.search.chars().any(char::is_uppercase);
    // Where lower-casing moves bytes nothing is marked, rather than something wrong.
    let lower = whole.to_lowercase();
    let searched = match ignores_case && lower.len() == whole.len() {
        true => &lower,
        false => &whole,
    };
    if !view.search.is_empty() {
        while let Some(found) = searched.get(at..).and_then(|rest| rest.find(&view.search)) {
            let (begin, end) = (at + found, at + found + view.search.len());
            let (Some(before), Some(hit)) = (whole.get(at..begin), whole.get(begin..end)) else {
                break;
            };
            spans.push(Span::raw(before.to_owned()));
            spans.push(Span::styled(hit.to_owned(), FOUND));
            at = end;
        }
    }
    spans.push(Span::raw(whole[at..].to_owned()));
    Line::from(spans)
}

fn duration(row: &Row) -> String {
    match row.duration {
        None => String::new(),
        Some(Duration::Exactly(ns)) => formatters::duration(ns),
        Some(Duration::AtLeast(ns)) => format!("≥{}", formatters::duration(ns)),
    }
}

/// ns since the first call.
fn since(view: &View, row: &Row) -> u64 {
    let first = view.calls.rows.first().map_or(0, |first| first.start_ns);
    row.start_ns.saturating_sub(first)
}

fn seconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000)
}

fn draw_details(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let block = Block::new().borders(Borders::TOP).border_style(QUIET);
    let lines = match view.row() {
        Some(row) => details(view, row),
        None => Vec::new(),
    };
    let paragraph = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .block(block);
    frame.render_widget(paragraph, area);
}

fn details<'v>(view: &'v View, row: &Row) -> Vec<Line<'v>> {
    let text = |id| view.calls.text(id);
    let field = |name: &str, value: String, style| {
        Line::from(vec![
            Span::styled(format!("{name:<10} "), QUIET),
            Span::styled(value, style),
        ])
    };
    let plain = |name: &str, value: String| field(name, value, Style::new());
    let begun = plain("began", wall_clock(row.start_ns));
    let call = match &row.what {
        RowKind::Notice(notice) => return vec![Line::from(text(*notice)), begun],
        RowKind::Call(call) => call,
    };
    let mut lines = vec![field("call", text(call.syscall).to_owned(), STRONG)];
    let parameters = split_parameters(text(call.parameters));
    lines.extend(parameters.map(|parameter| plain("", parameter.to_owned())));
    let style = if row.has_failed { FAILED } else { Style::new() };
    let mut result = field("result", text(call.ret).to_owned(), style);
    if row.duration.is_some() {
        result.push_span(Span::raw(format!(" in {}", duration(row))));
    }
    lines.push(result);
    lines.push(begun);
    let who = format!("{} (process {}, user {})", call.tid, call.pid, call.uid);
    lines.push(plain("thread", format!("{} {who}", text(call.comm))));
    if !text(call.container).is_empty() {
        lines.push(plain("container", text(call.container).to_owned()));
    }
    lines.push(plain(
        "through",
        format!("{} on CPU {}", text(call.abi), call.cpu),
    ));
    lines
}

/// Parameters one by one: cut at commas outside of quotes and brackets.
fn split_parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = text.split(move |character: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            '{' | '[' | '(' if !is_quoted => depth += 1,
            '}' | ']' | ')' if !is_quoted => depth = depth.saturating_sub(1),
            ',' => return !is_quoted && depth == 0,
            _ => {}
        }
        false
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn wall_clock(ns: u64) -> String {
    let zone = TimeZone::system();
    let time = Timestamp::from_nanosecond(ns.into());
    time.map_or_else(
        |_| ns.to_string(),
        |time| {
            time.to_zoned(zone)
                .strftime("%Y-%m-%d %H:%M:%S.%9f %:z")
                .to_string()
        },
    )
}

fn draw_bottom(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let mut lines: Vec<Line<'_>> = view
        .message
        .iter()
        .map(|line| Line::from(line.as_str()).style(SLOW))
        .collect();
    if let Some(prompt) = &view.prompt {
        let label = match prompt.purpose {
            Purpose::Search => "/",
            Purpose::Filter => "filter: ",
        };
        let x = label.width() + prompt.before_cursor().width();
        frame.set_cursor_position((area.x + x as u16, area.y));
        lines.insert(0, Line::from(format!("{label}{}", prompt.text())));
    } else if lines.is_empty() {
        let place = (view.selected + 1).min(view.calls.rows.len());
        let hints = format!(
            " {place} of {}   Enter details  / search  f filter  e error  s slow  ? keys  q end",
            view.calls.rows.len()
        );
        lines.push(Line::from(hints).style(QUIET));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines: Vec<Line<'_>> = KEYS
        .iter()
        .map(|(keys, what)| {
            Line::from(vec![
                Span::styled(format!(" {keys:<20}"), STRONG),
                Span::raw(format!("{what} ")),
            ])
        })
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 2;
    let whole = frame.area();
    let area = whole.centered(
        Constraint::Length(width.min(whole.width)),
        Constraint::Length((lines.len() as u16 + 2).min(whole.height)),
    );
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" Keys ")),
        area,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_cut_where_they_end() {
        let parts = |text| split_parameters(text).collect::<Vec<_>>();
        assert_eq!(parts(""), [""; 0]);
        assert_eq!(
            parts(r#"fd=3, buf="a, \"b\", [", st={a=1, b=[2, 3]}, n=4"#),
            ["fd=3", r#"buf="a, \"b\", [""#, "st={a=1, b=[2, 3]}", "n=4"]
        );
        assert_eq!(parts("a=)}], b=\"x"), ["a=)}]", "b=\"x"]);
    }
}
