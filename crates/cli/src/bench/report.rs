//! What a bench prints.

use std::fmt::Write;

use serde_json::{Value, json};

use super::results::{Results, Row, Spread};

const LEGEND: &str = "\
ns: the fastest of many short batches; median of the rounds (smallest to largest). added: more than with nothing attached.
x: added / added by the floor, within each round; median (smallest to largest). bar: what x may be at most (what is wished for).
";

/// For people.
pub(super) fn table(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "Linux {}, {} ({} CPUs), {} rounds\n{LEGEND}\n",
        machine.kernel, machine.cpu, machine.cpus, results.rounds
    );
    text.push_str(&line(["case", "call", "ns", "", "added", "x", "", "bar"]));
    let mut before = "";
    for row in &results.rows {
        text.push_str(&table_line(row, row.case == before));
        before = &row.case;
    }
    text.push('\n');
    text.push_str(&results.quiet.line());
    text.push('\n');
    for left_out in &results.left_out {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "left out: {}: {}", left_out.case, left_out.why);
    }
    text
}

fn table_line(row: &Row, is_named: bool) -> String {
    let name = if is_named { "" } else { row.case.as_str() };
    let range = |spread: Spread, digits: usize| {
        format!("({:.digits$} to {:.digits$})", spread.min, spread.max)
    };
    let times = row.times_floor;
    let bar = row.bar.map(|bar| {
        let missed = if row.is_missed() { "  missed" } else { "" };
        format!("{:?} ({:?}){missed}", bar.at_most, bar.reach)
    });
    line([
        name,
        row.call.name(),
        &format!("{:.1}", row.ns.median),
        &range(row.ns, 1),
        &format!("{:+.1}", row.added_ns.median),
        &times.map_or(String::new(), |times| format!("{:.2}", times.median)),
        &times.map_or(String::new(), |times| range(times, 2)),
        &bar.unwrap_or_default(),
    ])
}

fn line(cells: [&str; 8]) -> String {
    let [case, call, ns, ns_range, added, times, times_range, bar] = cells;
    let line = format!(
        "{case:<34} {call:<7} {ns:>9} {ns_range:<22} {added:>10} {times:>8} {times_range:<20} {bar}"
    );
    format!("{}\n", line.trim_end())
}

/// For programs.
pub(super) fn json(results: &Results) -> Value {
    let row = |row: &Row| {
        json!({
            "case": row.case,
            "call": row.call,
            "ns": row.ns,
            "added_ns": row.added_ns,
            "times_floor": row.times_floor,
            "bar": row.bar.map(|bar| bar.at_most),
            "reach": row.bar.map(|bar| bar.reach),
            "samples_ns": row.samples_ns,
        })
    };
    json!({
        "machine": results.machine,
        "rounds": results.rounds,
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
        "recorder_under_load": results.quiet,
        "left_out": results.left_out,
    })
}
