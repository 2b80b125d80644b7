//! The arguments of real programs, by what they mean: strace with all its names beside gizmo.
//!
//! Each program runs once, seen by both. What differs is counted by call, argument and kind, and written to a report
//! (`target/tmp/strace-fixtures.txt`, `strace-programs.txt`); of all that strace shows, 95 % must agree. `differences.rs` beside this file
//! tells the kinds that stay, each with its reason; any other difference is a failure. What descriptors refer to is compared apart: gizmo
//! may not know it, but must never be wrong.

mod compare;
mod corpus;
mod descriptors;
mod differences;
mod value;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use compare::{Finding, compare};
use corpus::Program;
use descriptors::Descriptors;

/// Of the arguments that strace shows.
const AGREE_AT_LEAST: f64 = 0.95;

/// What was found about an argument of a call.
#[derive(Debug, Default)]
struct Count {
    agree: usize,
    /// By kind, with one example.
    others: BTreeMap<String, (usize, String)>,
}

#[derive(Debug, Default)]
struct Report(BTreeMap<(String, String), Count>);

impl Report {
    fn add(&mut self, finding: Finding) {
        let count = self.0.entry((finding.call, finding.argument)).or_default();
        match finding.difference {
            None => count.agree += 1,
            Some(kind) => {
                let other = count.others.entry(kind).or_insert((0, finding.example));
                other.0 += 1;
            }
        }
    }

    fn agreeing(&self) -> usize {
        self.0.values().map(|count| count.agree).sum()
    }

    fn others(&self) -> impl Iterator<Item = (&str, usize)> {
        let others = self.0.values().flat_map(|count| &count.others);
        others.map(|(kind, (count, _))| (kind.as_str(), *count))
    }

    fn share(&self) -> f64 {
        let others: usize = self.others().map(|(_, count)| count).sum();
        self.agreeing() as f64 / (self.agreeing() + others).max(1) as f64
    }

    fn text(&self) -> String {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, count) in self.others() {
            *kinds.entry(kind).or_default() += count;
        }
        let mut text = format!(
            "{:.2} % of {} arguments agree.\n\nWhat differs, by kind:\n",
            self.share() * 100.0,
            self.agreeing() + kinds.values().sum::<usize>()
        );
        let mut put = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line)
                .expect("writing to a `String` never fails");
        };
        for (kind, count) in &kinds {
            let reason = differences::reason(kind).unwrap_or("not explained");
            put(format_args!("{count:8}  {kind}: {reason}\n"));
        }
        put(format_args!(
            "\nBy call and argument: what agrees, and what does not with an example\n"
        ));
        for ((call, argument), count) in &self.0 {
            put(format_args!("{:8}  {call} {argument}\n", count.agree));
            for (kind, (count, example)) in &count.others {
                put(format_args!("{count:12}  {kind}: {example}\n"));
            }
        }
        text
    }
}

/// Runs programs, writes the report about them, and looks at it.
#[track_caller]
fn assert_agree(programs: &[Program], name: &str) {
    let mut report = Report::default();
    let mut descriptors = Descriptors::default();
    for program in programs {
        let (threads, records) = corpus::run(program);
        let before = report.agreeing();
        for finding in compare(&threads, &records, &mut descriptors) {
            report.add(finding);
        }
        assert!(
            report.agreeing() > before,
            "nothing of `{}` was compared",
            program.name
        );
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("strace-{name}.txt"));
    // In a machine, the folder is that of the host, and not to be written to.
    let text = format!("{}\n{}", report.text(), descriptors.text());
    if let Err(error) = std::fs::write(&path, &text) {
        println!("{error}:\n{text}");
    }
    descriptors.assert_right(&path);
    let kinds = report.others().map(|(kind, _)| kind);
    let unexplained: Vec<&str> = kinds
        .filter(|kind| differences::reason(kind).is_none())
        .collect();
    let (share, path) = (report.share(), path.display());
    assert!(
        unexplained.is_empty(),
        "not explained, see {path}: {unexplained:?}"
    );
    assert!(
        share >= AGREE_AT_LEAST,
        "only {:.2} % agree, see {path}",
        share * 100.0
    );
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn of_fixtures_mean_what_strace_says() {
    assert_agree(corpus::FIXTURES, "fixtures");
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn of_installed_programs_mean_what_strace_says() {
    assert_agree(corpus::INSTALLED, "programs");
}
