//! More containers than there are rings. They are made by hand, as a runtime makes them, since hundreds of real ones take
//! minutes: a cgroup with an id, a process in it, a mount namespace of its own, an execve.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gizmo_test_runtimes::wait_until;

use crate::support::{LIMIT, assert_whole, by_id, flags, turn, with};

/// More than the rings of any number of processors.
const CROWD: usize = 1100;

/// Cgroups that are removed when this is dropped.
struct Cgroups(PathBuf);

impl Cgroups {
    #[track_caller]
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts are known");
        let v2 = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then_some(point)
        });
        let root = PathBuf::from(v2.expect("cgroups of version 2 are mounted"));
        let name = format!("gizmo-crowd-{}", std::process::id());
        fs::create_dir(root.join(&name)).expect("a cgroup can be made");
        Self(root.join(name))
    }

    /// Starts a program as a container with this id.
    #[track_caller]
    fn start(&self, id: &str, program: &[&str]) -> Child {
        let cgroup = self.0.join(id);
        fs::create_dir(&cgroup).expect("a cgroup can be made");
        let script = "echo $$ > \"$1\"/cgroup.procs; shift; exec unshare -m \"$@\"";
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&cgroup)
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a shell starts")
    }

    fn is_running(&self, id: &str) -> bool {
        let pids = fs::read_to_string(self.0.join(id).join("cgroup.procs")).unwrap_or_default();
        let comm = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        pids.lines().any(|pid| comm(pid) == "cat\n")
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(&self.0);
    }
}

fn id(number: usize) -> String {
    format!("{number:064x}")
}

#[test]
#[ignore = "root: starts container runtimes"]
fn those_who_find_no_ring_are_reported() {
    let turn = turn();
    let socket = turn.dir.path().join("hung.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket can be made");
    let cgroups = Cgroups::new();
    // The ids alone do not tell a runtime, so none is asked for.
    let socket = flags("docker", &socket.to_string_lossy())[2..].to_vec();
    let recording = turn.record(&with(&socket, &["--syscall-filters", "execve,exit_group"]));
    let mut crowd: Vec<Child> = (0..CROWD)
        .map(|number| cgroups.start(&id(number), &["/bin/cat"]))
        .collect();
    wait_until("the crowd runs", LIMIT, || {
        (0..CROWD).all(|number| cgroups.is_running(&id(number)))
    });
    for child in &mut crowd {
        drop(child.stdin.take());
    }
    for mut child in crowd {
        assert!(child.wait().expect("a child ends").success());
    }
    wait_until("rings are free again", LIMIT, || {
        recording.output().lines().count() >= 32
    });
    let last = id(CROWD);
    let status = cgroups
        .start(&last, &["/bin/true"])
        .wait()
        .expect("it ends");
    assert!(status.success());
    let recorded = recording.stop();
    let warned = |text: &str| recorded.stderr.contains(text);
    assert!(warned("rings"), "nobody was told of a lack of rings");
    let histories = by_id(&recorded.calls);
    for (id, calls) in &histories {
        assert_eq!(id.len(), 64);
        if calls[0].syscall == "execve" {
            assert_whole(calls);
        }
    }
    assert!(histories.len() < CROWD);
    assert!(histories.contains_key(&last), "rings were not given back");
}
