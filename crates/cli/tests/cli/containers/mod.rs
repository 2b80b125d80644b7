//! `list-containers` with runtimes that are only sockets. Needs no rights.

pub mod fake;
pub mod watch;

use std::time::{Duration, Instant};

use serde_json::json;

use self::fake::{DIGEST, ID, IMAGE_ID, Process};
use self::watch::Watch;
use crate::support::{Gizmo, Ran};

/// A host with one container.
struct Host {
    gizmo: Gizmo,
    process: Process,
}

impl Host {
    #[track_caller]
    fn new(name: &str) -> Self {
        let (gizmo, process) = (Gizmo::new(), Process::start());
        fake::docker(&gizmo.path("docker.sock"), name, process.0.id());
        Self { gizmo, process }
    }

    fn args(&self, flags: &[&str]) -> Vec<String> {
        let socket = self.gizmo.name("docker.sock");
        let own = [
            "list-containers",
            "-r",
            "docker",
            "--docker-socketpath",
            &socket,
        ];
        own.iter().chain(flags).map(|it| (*it).to_owned()).collect()
    }

    #[track_caller]
    fn list(&self, flags: &[&str]) -> Ran {
        self.gizmo.ok(self.args(flags))
    }
}

#[test]
fn json_is_one_array() {
    let host = Host::new("web");
    let ran = host.list(&["-o", "json"]);
    let list = ran.json();
    let runtime = &list[0]["runtime"];
    assert!(runtime["containerStartedAt"].is_u64(), "{list}");
    for (key, value) in [
        ("runtimeName", json!("docker")),
        ("containerId", json!(ID)),
        ("containerName", json!("web")),
        ("containerPid", json!(host.process.0.id())),
        ("containerImageName", json!("demo:1")),
        ("containerImageId", json!(IMAGE_ID)),
        ("containerImageDigest", json!(DIGEST)),
    ] {
        assert_eq!(runtime[key], value, "{key}");
    }
    assert_eq!(
        (list.as_array().map(Vec::len), &list[0]["k8s"]),
        (Some(1), &json!({}))
    );
    assert!(ran.stdout().starts_with("[\n  {\n    \"runtime\": {\n"));
    assert_eq!(ran.stderr(), "");
}

#[test]
fn columns_are_the_default() {
    let host = Host::new("web");
    let pid = host.process.0.id();
    for mode in ["", "columns"] {
        let text = host.list(&["-o", mode]).stdout();
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|it| it.split_whitespace().collect())
            .collect();
        assert_eq!(
            words[0][..3],
            [
                "RUNTIME.RUNTIMENAME",
                "RUNTIME.CONTAINERID",
                "RUNTIME.CONTAINERNAME"
            ]
        );
        assert_eq!(
            words[1],
            ["docker", &ID[..12], "web", "demo:1", &pid.to_string()]
        );
        assert_eq!(words.len(), 2);
    }
    let text = host
        .list(&["-o", "columns=containername,runtime.containerid"])
        .stdout();
    assert_eq!(
        text,
        format!("RUNTIME.CONTAINERNAME  RUNTIME.CONTAINERID\nweb                    {ID}\n")
    );
}

#[test]
fn flags_select() {
    let host = Host::new("web");
    let short = &DIGEST[7..19];
    for (flags, count) in [
        (["-c", "web"], 1),
        (["-c", "db"], 0),
        (["--containername", "!web"], 0),
        (["--runtime-containername", "web"], 1),
        (["--containerimage-digest", DIGEST], 1),
        (["--containerimage-digest", &DIGEST[7..]], 1),
        (["--runtime-containerimage-digest", short], 1),
        (["--runtime-containerimage-digest", "333333333333"], 0),
        (["--containerimage-id", IMAGE_ID], 1),
        (["--k8s-podname", "p"], 0),
        (["--k8s-namespace", "p"], 0),
        (["--k8s-containername", "p"], 0),
        (["--k8s-selector", "a=b"], 0),
        (["--host", "--timeout=1"], 1),
    ] {
        let mut args = flags.to_vec();
        args.extend(["-o", "json"]);
        let list = host.list(&args).json();
        assert_eq!(list.as_array().unwrap().len(), count, "{flags:?}");
    }
    assert_eq!(host.list(&["-c", "db", "-o", "json"]).stdout(), "[]\n");
}

#[test]
fn mistakes_are_named() {
    let gizmo = Gizmo::new();
    let none = gizmo.name("none.sock");
    let fails = |args: &[&str], words: &[&str]| {
        let mut all = vec!["list-containers"];
        all.extend(args);
        gizmo.fails(all, words);
    };
    fails(
        &["-r", "rkt"],
        &["`rkt`", "docker, containerd, cri-o, podman"],
    );
    fails(&["--docker-socketpath", &none], &["docker", &none]);
    fails(
        &["-r", "podman", "--podman-socketpath", &none],
        &["podman", &none],
    );
    fails(&["--runtime-protocol", "x"], &["`x`", "--runtime-protocol"]);
    fails(&["--k8s-selector", "x"], &["`x`", "--k8s-selector"]);
    fails(
        &["-o", "columns=nmae"],
        &["`nmae`", "runtime.containername"],
    );
    let ran = gizmo.run(["list-containers", "-o", "yaml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr());
}

#[test]
fn a_runtime_that_hangs_is_named_and_the_others_are_listed() {
    let host = Host::new("web");
    let hung = host.gizmo.name("hung.sock");
    fake::hang(hung.as_ref());
    let began = Instant::now();
    let flags = [
        "-r",
        "docker,containerd",
        "--containerd-socketpath",
        &hung,
        "-o",
        "json",
    ];
    let mut args = host.args(&[]);
    args.drain(1..3);
    args.extend(flags.map(str::to_owned));
    let ran = host.gizmo.ok(args);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(ran.json()[0]["runtime"]["containerName"], "web");
    let err = ran.stderr();
    assert!(
        err.contains("level=warning") && err.contains("runtime=containerd"),
        "{err}"
    );
    assert!(!err.contains("runtime=docker"), "{err}");
}

#[test]
fn names_cannot_move_a_cursor() {
    let host = Host::new("a\u{202e}b\u{feff}c\u{1b}[2J");
    for mode in ["json", "columns"] {
        let text = host.list(&["-o", mode]).stdout();
        let bad = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{feff}".contains(c));
        assert!(!text.contains(bad), "{mode}: {}", text.escape_debug());
    }
    let name = &host.list(&["-o", "json"]).json()[0]["runtime"]["containerName"];
    assert_eq!(*name, "a\u{202e}b\u{feff}c[2J");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let host = Host::new("web");
    for flags in [["-o", "json"], ["-w", "-ojson"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = host.gizmo.command(host.args(&flags));
        let began = Instant::now();
        let output = command.stdout(writer).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

#[test]
fn a_watch_shows_what_runs_and_what_ends() {
    let mut host = Host::new("web");
    let mut watch = Watch::start(&mut host.gizmo.command(host.args(&["-w", "-o", "json"])));
    let created = watch.next();
    assert_eq!(created["event"], "CREATED");
    assert_eq!(created["container"]["runtime"]["containerName"], "web");
    let time = created["timestamp"].as_str().unwrap();
    assert!(
        time.parse::<jiff::Timestamp>().is_ok() && time.len() == 20,
        "{time}"
    );
    host.process.0.kill().unwrap();
    host.process.0.wait().unwrap();
    let deleted = watch.next();
    assert_eq!(deleted["event"], "DELETED");
    assert_eq!(
        deleted["container"]["runtime"],
        created["container"]["runtime"]
    );
    watch.ends();
}

#[test]
fn a_watch_ends_with_its_time() {
    let host = Host::new("web");
    let text = host.list(&["-w", "--timeout", "1"]).stdout();
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(words[0][..3], ["TIMESTAMP", "EVENT", "RUNTIME.RUNTIMENAME"]);
    assert_eq!(words[1][1..5], ["CREATED", "docker", &ID[..12], "web"]);
    assert_eq!(words.len(), 2);
}
