//! `gizmo view`, on the terminal that tmux is.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{Call, few, recording};
use crate::support::{BINARY, Gizmo, Ran};

/// A viewer of 100 columns and 20 lines.
struct Viewer {
    socket: String,
}

impl Viewer {
    #[track_caller]
    fn open(gizmo: &Gizmo, file: &Path) -> Self {
        let viewer = Self {
            socket: gizmo.name("tmux"),
        };
        // What the shell says at the end shows that the terminal is as it was.
        let command = format!(
            "{BINARY} view {}; echo ended with $?; sleep 600",
            file.display()
        );
        viewer.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "20",
            &command,
        ]);
        viewer
    }

    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env_remove("TMUX");
        let ran = Ran::of(tmux.args(["-u", "-S", &self.socket]).args(args));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr());
        ran.stdout()
    }

    fn press(&self, keys: &[&str]) {
        let mut args = vec!["send-keys"];
        args.extend(keys);
        self.tmux(&args);
    }

    fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// The screen, as soon as a text is on it.
    #[track_caller]
    fn shows(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return screen;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no `{text}` in:\n{screen}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The line that is selected, as soon as it has a text.
    #[track_caller]
    fn selects(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            let line = screen
                .lines()
                .find(|line| line.starts_with('▸'))
                .unwrap_or_default();
            if line.contains(text) {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "`{text}` is not selected:\n{screen}"
            );
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .output();
    }
}

#[test]
#[ignore = "packages: needs tmux"]
fn a_recording_is_gone_through_with_keys() {
    let gizmo = Gizmo::new();
    let viewer = Viewer::open(&gizmo, &recording(&gizmo, few()));
    let screen = viewer.shows("8 calls, 1 failed");
    let expected = "  0.000002 web              cat 7                  openat(dfd=AT_FDCWD, filenam -1 ENOENT     2.00µs";
    let failing = screen.lines().find(|line| line.contains("ENOENT")).unwrap();
    assert_eq!(failing, expected, "{screen}");
    assert!(screen.contains("--- 70 are missing </script>"), "{screen}");
    assert!(
        screen.contains("unfinished  ≥2s") || screen.contains("≥2s"),
        "{screen}"
    );
    viewer.selects("70 are missing");

    viewer.press(&["e"]);
    viewer.selects("ENOENT");
    viewer.press(&["Enter"]);
    let details = viewer.shows("(No such file or directory)");
    assert!(
        details.contains("filename=\"/no/such\"")
            && details.contains("2023-11-14 22:13:20.000003000"),
        "{details}"
    );
    viewer.press(&["Enter", "e"]);
    viewer.shows("no failed call behind this");

    viewer.press(&["/"]);
    viewer.write("EXIT_");
    viewer.press(&["Enter"]);
    viewer.shows("no `EXIT_` behind this");
    viewer.press(&["/"]);
    viewer.write("exit_");
    viewer.press(&["Enter"]);
    viewer.selects("exit_group(error_code=3)");
    viewer.press(&["S"]);
    viewer.selects("unfinished");
    viewer.press(&["S"]);
    viewer.selects("worker 8");

    viewer.press(&["?"]);
    viewer.shows("the next failed call, the one before");
    viewer.press(&["?", "q"]);
    viewer.shows("ended with 0");
}

#[test]
#[ignore = "packages: needs tmux"]
fn filters_are_those_of_runs_and_mistakes_are_pointed_at() {
    let gizmo = Gizmo::new();
    let viewer = Viewer::open(&gizmo, &recording(&gizmo, few()));
    viewer.shows("8 calls");
    viewer.press(&["f"]);
    viewer.write("openat,failed");
    viewer.press(&["Enter"]);
    viewer.shows("1 calls, 1 failed");
    viewer.shows("filter: openat,failed");
    viewer.press(&["f"]);
    viewer.write(",frob=3");
    viewer.press(&["Enter"]);
    let screen = viewer.shows("^");
    assert!(screen.contains("frob"), "{screen}");
    // The line is still there to be mended; the calls are those of the last filter.
    viewer.press(&["C-u"]);
    viewer.write("%file");
    viewer.press(&["Enter"]);
    viewer.shows("3 calls, 1 failed");
    viewer.press(&["f", "C-u"]);
    viewer.write("mount");
    viewer.press(&["Enter"]);
    viewer.shows("0 calls, 0 failed");
    viewer.press(&["C-c"]);
    viewer.shows("ended with 0");
}

#[test]
#[ignore = "packages: needs tmux"]
fn a_terminal_is_given_back_when_the_viewer_is_killed() {
    let gizmo = Gizmo::new();
    let many = (0..3000).map(|number| Call::new(number * 1000, 10));
    let viewer = Viewer::open(&gizmo, &recording(&gizmo, many));
    viewer.shows("3000 calls");
    viewer.press(&["G"]);
    viewer.selects("0.002999");
    viewer.press(&["PageUp", "Home", "NPage", "Right"]);
    viewer.shows("cat 7  =3)");
    let pid = viewer.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let killed = Command::new("pkill")
        .args(["-TERM", "-P", pid.trim(), "gizmo"])
        .status();
    assert!(killed.is_ok_and(|status| status.success()));
    let screen = viewer.shows("ended with 143");
    assert!(!screen.contains("3000 calls"), "{screen}");
}

#[test]
fn there_is_no_viewer_without_a_terminal() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    gizmo.fails(
        ["view", file.to_str().unwrap()],
        &["needs a terminal", "gizmo show"],
    );
}
