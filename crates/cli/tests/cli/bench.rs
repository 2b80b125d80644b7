//! `gizmo bench`: what needs no rights.

use std::process::{Command, Stdio};

use crate::support::{BINARY, Gizmo, Ran};

#[test]
fn impossible_numbers_are_refused() {
    for [flag, value] in [
        ["--rounds", "0"],
        ["--rounds", "many"],
        ["--load-seconds", "0"],
    ] {
        let ran = Gizmo::new().run(["bench", "overhead", flag, value]);
        assert_eq!(ran.code, Some(2), "{flag} {value}");
        assert!(ran.stderr().contains(flag), "{}", ran.stderr());
    }
}

/// Runs the measured program with nothing on stdin.
#[track_caller]
fn workload(words: &[&str]) -> Ran {
    let mut command = Command::new(BINARY);
    command.arg("__workload").args(words).stdin(Stdio::null());
    Ran::of(&mut command)
}

#[test]
fn the_measured_program_prints_a_time_for_each_call() {
    let ran = workload(&["measure", "2", "1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    let times: [f64; 3] = serde_json::from_slice(&ran.out).unwrap();
    assert!(times.iter().all(|ns| *ns > 0.0), "{times:?}");
}

#[test]
fn the_measured_program_ends_with_its_input() {
    for word in ["hold", "busy"] {
        let ran = workload(&[word]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
        assert_eq!(ran.stdout().lines().next(), Some("ready"));
    }
    workload(&["sing"]).is_error(1, &["__workload", "for benches"]);
}
