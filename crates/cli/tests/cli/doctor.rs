//! `gizmo doctor` as a script reads it. It says what it finds, whoever asks: nothing here depends on the host.

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde::Deserialize;

use crate::support::{BINARY, Gizmo, Ran, clean};

/// What a script is promised: these keys, all of them texts.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub check: String,
    pub status: String,
    pub found: String,
    pub advice: String,
}

const CHECKS: [&str; 19] = [
    "kernel",
    "rights",
    "kernel types (BTF)",
    "tracefs",
    "bpffs",
    "tracing programs",
    "task storage",
    "maps of maps",
    "raw tracepoints",
    "ring buffers",
    "kprobes",
    "fentry (trampolines)",
    "traceloop",
    "cgroups",
    "container starts",
    "docker",
    "containerd",
    "cri-o",
    "podman",
];

#[track_caller]
pub fn checks(ran: &Ran) -> Vec<Check> {
    let checks: Vec<Check> = serde_json::from_slice(&ran.out).expect("checks in JSON");
    assert_eq!(ran.stderr(), "");
    let missing = checks.iter().any(|check| check.status == "missing");
    assert_eq!(ran.code, Some(i32::from(missing)), "{checks:?}");
    checks
}

#[track_caller]
pub fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    let found = checks.iter().find(|check| check.check == name);
    found.unwrap_or_else(|| panic!("no check `{name}`"))
}

#[test]
fn the_answer_in_json_is_a_promise() {
    let gizmo = Gizmo::new();
    let ran = gizmo.run(["doctor", "-o", "json"]);
    let checks = checks(&ran);
    let names: Vec<&str> = checks.iter().map(|check| check.check.as_str()).collect();
    assert_eq!(names, CHECKS);
    assert_eq!(ran.stdout().lines().count(), 1);
    let known = BTreeSet::from(["ok", "absent", "warn", "missing"]);
    for check in &checks {
        assert!(known.contains(check.status.as_str()), "{check:?}");
        assert!(!check.found.is_empty(), "{check:?}");
        // What is not right comes with advice, and nothing else does.
        let is_wrong = ["warn", "missing"].contains(&check.status.as_str());
        assert_eq!(!check.advice.is_empty(), is_wrong, "{check:?}");
    }
    let pretty = gizmo.run(["doctor", "-o", "jsonpretty"]);
    assert_eq!(self::checks(&pretty).len(), CHECKS.len());
    assert!(pretty.stdout().lines().count() > CHECKS.len());
}

#[test]
fn people_get_a_line_for_each_check_and_a_verdict() {
    let gizmo = Gizmo::new();
    let ran = gizmo.run(["doctor"]);
    let text = ran.stdout();
    for name in CHECKS {
        let line = |line: &&str| line.get(9..).is_some_and(|rest| rest.starts_with(name));
        assert!(text.lines().any(|text| line(&text)), "{name}: {text}");
    }
    let verdict = match ran.code {
        Some(0) => "traceloop can run here.",
        _ => "traceloop cannot run here: see what is missing.",
    };
    assert_eq!(text.lines().last(), Some(verdict));
}

#[test]
fn sockets_are_where_the_environment_says() {
    let gizmo = Gizmo::new();
    let path = gizmo.path("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut command = gizmo.command(["doctor", "-o", "json"]);
    command.env("INSPEKTOR_GADGET_DOCKER_SOCKETPATH", &path);
    command.env("INSPEKTOR_GADGET_CRIO_SOCKETPATH", "/no/\x1b[31m\nsuch");
    let checks = checks(&Ran::of(&mut command));
    let docker = find(&checks, "docker");
    assert_eq!(docker.status, "ok");
    assert!(docker.found.contains("docker.sock"), "{docker:?}");
    let crio = find(&checks, "cri-o");
    assert_eq!(crio.status, "warn");
    assert!(crio.found.contains(r"\u{1b}[31m\nsuch"), "{crio:?}");
    assert!(crio.found.contains("INSPEKTOR_GADGET_CRIO_SOCKETPATH"));
}

#[test]
fn a_host_without_a_place_for_images_has_a_doctor() {
    let mut command = Command::new(BINARY);
    clean(&mut command);
    command.args(["doctor", "-o", "json"]).env_remove("HOME");
    assert_eq!(checks(&Ran::of(&mut command)).len(), CHECKS.len());
}
