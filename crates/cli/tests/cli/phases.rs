//! Which phases of a guest run when one of them fails.

use crate::gadgets::{folder, metadata};
use crate::support::{Gizmo, Ran};

const PHASES: [&str; 5] = ["PreStart", "Start", "PreStop", "Stop", "PostStop"];

/// A guest that logs the names of its phases at level info, and whose phase `failing` ends with `end`.
fn guest(failing: &str, end: &str) -> Vec<u8> {
    let mut text = String::from(
        "(module (import \"ig\" \"gadgetLog\" (func $log (param i32 i64))) (memory (export \"memory\") 1)
        (func (export \"gadgetAPIVersion\") (result i64) (i64.const 1))",
    );
    for (at, phase) in PHASES.into_iter().enumerate() {
        let (address, line) = (at * 32, format!("in {phase}."));
        let reference = (line.len() as u64) << 32 | address as u64;
        let body = if phase == failing { end } else { "" };
        text.push_str(&format!(
            "(data (i32.const {address}) \"{line}\")
            (func (export \"gadget{phase}\") (result i32)
                (call $log (i32.const 2) (i64.const {reference})) {body} (i32.const 0))"
        ));
    }
    wat::parse_str(text + ")").expect("a module")
}

/// A run of such a guest, and the phases that it logged.
#[track_caller]
fn run(failing: &str, end: &str) -> (Ran, Vec<String>) {
    let gizmo = Gizmo::new();
    let path = folder(&gizmo, "g", &metadata("g"), &guest(failing, end));
    gizmo.ok(["image", "build", &path, "-t", "g"]);
    let ran = gizmo.run(["run", "g", "--timeout", "1"]);
    let text = ran.stderr();
    let phases = text.split("in ").skip(1).filter_map(|rest| {
        let phase = rest.split_once('.')?.0;
        PHASES.contains(&phase).then(|| phase.to_owned())
    });
    let phases = phases.collect();
    (ran, phases)
}

#[test]
fn every_phase_runs_in_turn() {
    let (ran, phases) = run("", "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr());
    assert_eq!(phases, PHASES);
}

#[test]
fn a_guest_that_does_not_start_is_not_stopped() {
    for end in ["unreachable", "(return (i32.const 1))"] {
        let (ran, phases) = run("Start", end);
        ran.is_error(1, &["gadgetStart"]);
        assert_eq!(phases, ["PreStart", "Start"], "{end}");
    }
    let (ran, phases) = run("PreStart", "unreachable");
    ran.is_error(1, &["gadgetPreStart"]);
    assert_eq!(phases, ["PreStart"]);
}

#[test]
fn a_failure_while_stopping_does_not_end_the_shutdown() {
    let (ran, phases) = run("Stop", "(return (i32.const 1))");
    ran.is_error(1, &["gadgetStop failed"]);
    assert_eq!(phases, PHASES);
    let (ran, phases) = run("Stop", "unreachable");
    ran.is_error(1, &["calling gadgetStop"]);
    assert_eq!(phases, PHASES[..4]);
    let (ran, phases) = run("PreStop", "(return (i32.const 1))");
    ran.is_error(1, &["gadgetPreStop failed"]);
    assert_eq!(phases, PHASES);
    let (ran, phases) = run("PreStop", "unreachable");
    ran.is_error(1, &["calling gadgetPreStop"]);
    assert_eq!(phases, PHASES[..3]);
}
