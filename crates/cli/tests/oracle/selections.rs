//! With a filter, exactly the selected calls appear. The programs run once under strace and then under gizmo alone, so
//! that the whole recording can be compared, from its first record to its last.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::compare::{Runs, compare};
use crate::fixture::{Fixture, Link};
use crate::programs::assert_agree;
use crate::run::{self, Filter};
use crate::strace::{Call, Threads};

fn selected(threads: &Threads, is_selected: impl Fn(&Call) -> bool) -> Threads {
    let calls = |calls: &Vec<Call>| {
        calls
            .iter()
            .filter(|call| is_selected(call))
            .cloned()
            .collect()
    };
    threads
        .iter()
        .map(|(tid, all)| (*tid, calls(all)))
        .collect()
}

/// Whether there is little time.
fn has_small_loops() -> bool {
    std::env::var_os("GIZMO_SMALL_LOOPS").is_some()
}

/// Where the programs are to stand: everywhere; where there is little time, for each filter in one of the places.
fn attachments(filter: &str) -> &'static [&'static str] {
    match (has_small_loops(), filter.len() % 2) {
        (false, _) => &["auto", "tracepoint"],
        (true, 0) => &["auto"],
        (true, _) => &["tracepoint"],
    }
}

/// The number of calls that were recorded with this filter, after a comparison with those that strace saw; wherever the
/// programs stand.
#[track_caller]
fn assert_selects(
    fixture: &Fixture,
    threads: &Threads,
    filter: &str,
    is_selected: impl Fn(&Call) -> bool,
) -> usize {
    let expected = selected(threads, is_selected);
    let count = |attach: &&str| {
        let calls = filter;
        let recording = run::under_gizmo(fixture, Some(&Filter { calls, attach }));
        let mut findings = compare(&expected, &recording.records, Runs::Apart);
        for mismatch in &mut findings.mismatches {
            write!(mismatch, " (filter `{filter}`, {attach})")
                .expect("writing to a `String` never fails");
        }
        findings.differences.clear();
        assert_agree(&findings, &[]);
        recording.records.len()
    };
    let counts: Vec<usize> = attachments(filter).iter().map(count).collect();
    counts[0]
}

fn is_one_of(names: &[&str]) -> impl Fn(&Call) -> bool {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    move |call| names.contains(&call.name)
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn without_a_filter_a_recording_is_the_program_and_nothing_else() {
    for name in ["files", "bytes", "reads", "execs", "libc"] {
        let link = if name == "libc" {
            Link::Dynamic
        } else {
            Link::Static
        };
        let fixture = Fixture::compile(name, link);
        let recording = run::under_gizmo(&fixture, None);
        let first = &recording.records[0];
        assert_eq!(
            (first.syscall.as_str(), first.ret.as_str()),
            ("execve", "0")
        );
        let program = format!("{:?}", fixture.program());
        assert_eq!(first.args[0].text.as_ref(), Some(&program));
        let launcher = recording.records.iter().filter(|record| {
            record.syscall == "execve" && record.args[0].text.as_ref() == Some(&program)
        });
        assert_eq!(launcher.count(), 1);
        // Names of temporary files, process numbers and times differ between runs of this one.
        if name != "libc" {
            let threads = run::under_strace(&fixture);
            assert_agree(&compare(&threads, &recording.records, Runs::Apart), &[]);
        }
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn names_and_numbers_select_calls() {
    let fixture = Fixture::compile("files", Link::Static);
    let threads = run::under_strace(&fixture);
    let cases: &[(&str, &[&str])] = &[
        ("openat,write", &["openat", "write"]),
        (r#""read","close""#, &["read", "close"]),
        (" mkdir , rmdir ", &["mkdir", "rmdir"]),
        ("1,0x101", &["write", "openat"]),
        ("x86_64:unlink,x86_64:82", &["unlink", "rename"]),
        ("execve", &["execve"]),
        ("exit_group", &["exit_group"]),
        ("execve,exit_group,getppid", &["execve", "exit_group"]),
        ("close,close,3", &["close"]),
    ];
    for (filter, names) in cases {
        let count = assert_selects(&fixture, &threads, filter, is_one_of(names));
        assert!(count > 0, "`{filter}` selects something");
    }
    for filter in ["getppid", "i386:openat", "x32:write,i386:4", "499"] {
        let count = assert_selects(&fixture, &threads, filter, |_| false);
        assert_eq!(count, 0, "`{filter}` selects nothing");
    }
}

/// x86 shows the number of an `execve` when an `execveat` returns.
#[test]
#[ignore = "root: loads eBPF programs"]
fn execs_that_return_under_another_number_are_selected() {
    let fixture = Fixture::compile("execs", Link::Static);
    let threads = run::under_strace(&fixture);
    for filter in ["execveat", "execve", "execve,execveat"] {
        let names: Vec<&str> = filter.split(',').collect();
        let is_it = |call: &Call| names.contains(&call.name.as_str());
        assert!(
            assert_selects(&fixture, &threads, filter, is_it) > 0,
            "`{filter}`"
        );
    }
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn unknown_numbers_select_calls() {
    let fixture = Fixture::compile("direct", Link::Bare);
    let threads = run::under_strace(&fixture);
    let cases: &[(&str, u32)] = &[("500", 500), ("0x1fff", 0x1fff), ("60", 60)];
    for (filter, number) in cases {
        let is_it = |call: &Call| call.number == Some(*number);
        assert_eq!(assert_selects(&fixture, &threads, filter, is_it), 1);
    }
    // strace shows no number for this one.
    let is_it = |call: &Call| call.name == "syscall_0xffffffffffffffff";
    assert_eq!(assert_selects(&fixture, &threads, "4294967295", is_it), 1);
}

#[test]
#[ignore = "root: loads eBPF programs"]
fn filters_tell_abis_apart() {
    let narrow = Fixture::compile("i386", Link::Narrow);
    let threads = run::under_strace(&narrow);
    // Its child is a 64-bit program after its execve, which begins in the narrow ABI.
    let cases: &[(&str, &[&str])] = &[
        ("i386:openat,i386:waitpid", &["waitpid"]),
        ("i386:5", &["open"]),
        ("i386:open,i386:mmap2", &["open", "mmap2"]),
        ("i386:mmap2,i386:rename", &["mmap2", "rename"]),
    ];
    for (filter, names) in cases {
        let is_narrow = |call: &Call| {
            is_one_of(names)(call) || filter.contains("openat") && call.number == Some(295)
        };
        assert!(
            assert_selects(&narrow, &threads, filter, is_narrow) > 0,
            "`{filter}`"
        );
    }
    let mixed = Fixture::compile("abis", Link::Static);
    let threads = run::under_strace(&mixed);
    let numbered = |name: &'static str, number: u32| {
        move |call: &Call| call.name == name && call.number == Some(number)
    };
    assert_eq!(
        assert_selects(&mixed, &threads, "5", numbered("fstat", 5)),
        1
    );
    assert_eq!(
        assert_selects(&mixed, &threads, "i386:5", numbered("open", 5)),
        1
    );
    assert_eq!(
        assert_selects(&mixed, &threads, "i386:access", numbered("access", 33)),
        1
    );
    assert_eq!(
        assert_selects(&mixed, &threads, "access", is_one_of(&["access"])),
        3
    );
    assert_eq!(
        assert_selects(&mixed, &threads, "getpid", is_one_of(&["getpid"])),
        2
    );
    assert_eq!(
        assert_selects(&mixed, &threads, "x32:39", numbered("getpid", 39)),
        1
    );
    let is_999 = |call: &Call| call.number == Some(999);
    assert_eq!(assert_selects(&mixed, &threads, "i386:999", is_999), 1);
}

/// 32-bit programs have most of their socket calls through one number.
#[test]
#[ignore = "root: loads eBPF programs"]
fn operations_of_socketcall_are_selected_by_name() {
    let narrow = Fixture::compile("i386", Link::Narrow);
    let threads = run::under_strace(&narrow);
    for (filter, name) in [("connect", "connect"), ("i386:socket", "socket")] {
        let count = assert_selects(&narrow, &threads, filter, is_one_of(&[name]));
        assert!(count > 0, "`{filter}`");
    }
    for filter in ["i386:socketcall", "i386:102"] {
        let is_it = |call: &Call| call.number == Some(102);
        let count = assert_selects(&narrow, &threads, filter, is_it);
        assert!(count > 3, "`{filter}`");
    }
    assert_eq!(assert_selects(&narrow, &threads, "i386:send", |_| false), 0);
}

/// Subsets of different sizes, each with another seed, of all numbers, by number and by name.
#[test]
#[ignore = "root: loads eBPF programs"]
fn random_subsets_select_themselves() {
    let subsets = if has_small_loops() { 2 } else { 12 };
    let seed = match std::env::var("ORACLE_SEED") {
        Ok(seed) => seed.parse().expect("ORACLE_SEED is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("the clock is set")
            .as_secs(),
    };
    println!("ORACLE_SEED={seed}");
    let fixture = Fixture::compile("numbers", Link::Static);
    let threads = run::under_strace(&fixture);
    let made: Vec<&Call> = threads.values().flatten().collect();
    for subset in 0..subsets {
        let mut random = Random(seed.wrapping_mul(subsets).wrapping_add(subset));
        let one_in = [1, 2, 3, 10, 100][random.below(5)];
        let numbers: BTreeSet<u32> = (0..=470).filter(|_| random.below(one_in) == 0).collect();
        if numbers.is_empty() {
            continue;
        }
        let item = |number: u32| {
            let call = made.iter().find(|call| call.number == Some(number));
            match (call, number % 3) {
                (Some(call), 0) if !call.name.starts_with("syscall_") => call.name.clone(),
                (_, 1) => format!("{number:#x}"),
                _ => number.to_string(),
            }
        };
        let items: Vec<String> = numbers.iter().map(|number| item(*number)).collect();
        let is_selected = |call: &Call| call.number.is_some_and(|number| numbers.contains(&number));
        let expected = made.iter().filter(|call| is_selected(call)).count();
        let recorded = assert_selects(&fixture, &threads, &items.join(","), is_selected);
        assert_eq!(recorded, expected);
    }
}

/// splitmix64, enough for subsets.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}
