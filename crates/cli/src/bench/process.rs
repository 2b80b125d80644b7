//! Processes of a bench: the measured program, and the recorder that something runs under.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context, bail};
use rustix::process::Pid;

use super::workload::{READY, Times, WORKLOAD_COMMAND};

/// Batches, and the ms that each takes: short enough that some are not interrupted on a machine that does other things.
const BATCHES: &str = "60";
const BATCH_MS: &str = "1";

/// This program, to be run again.
pub(super) struct Gizmo {
    path: PathBuf,
    store: Option<PathBuf>,
}

impl Gizmo {
    pub(super) fn new(store: Option<&Path>) -> anyhow::Result<Self> {
        let path = std::env::current_exe().context("the path of this program")?;
        let store = store.map(Path::to_owned);
        Ok(Self { path, store })
    }

    /// Runs the measured program.
    pub(super) fn measure(&self) -> anyhow::Result<Times> {
        let mut command = Command::new(&self.path);
        command.args([WORKLOAD_COMMAND, "measure", BATCHES, BATCH_MS]);
        times_of(command)
    }

    /// Records the measured program.
    pub(super) fn measure_recorded(&self, flags: &[String]) -> anyhow::Result<Times> {
        times_of(self.record(flags, &["measure", BATCHES, BATCH_MS]))
    }

    /// `gizmo run traceloop FLAGS -- gizmo __workload WORDS`, for which nobody looks at what was recorded.
    fn record(&self, flags: &[String], workload: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(store) = &self.store {
            command.arg("--store").arg(store);
        }
        command
            .args(["run", "traceloop", "-o", "none"])
            .args(flags)
            .arg("--")
            .arg(&self.path)
            .arg(WORKLOAD_COMMAND)
            .args(workload);
        command
    }
}

/// Runs a command that ends with what the measured program prints.
pub(super) fn times_of(mut command: Command) -> anyhow::Result<Times> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}`", command.get_program().display()))?;
    check(output.status, &output.stderr)?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .with_context(|| format!("the measured program printed `{}`", text.trim()))
}

/// A recording of a program that runs until [`Recorder::finish`].
pub(super) struct Recorder {
    child: Option<Child>,
    stdout: BufReader<ChildStdout>,
}

impl Recorder {
    /// Returns when the recording has begun.
    pub(super) fn start(gizmo: &Gizmo, flags: &[String], workload: &str) -> anyhow::Result<Self> {
        let mut child = gizmo
            .record(flags, &[workload])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the recorder")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut recorder = Self {
            child: Some(child),
            stdout: BufReader::new(stdout),
        };
        let mut line = String::new();
        recorder.stdout.read_line(&mut line)?;
        if line.trim_end() != READY {
            recorder.finish()?;
            bail!("the recorder ended before it was running");
        }
        Ok(recorder)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(Pid::from_child)
    }

    /// Lets the program and the recording end, and returns what the program printed.
    pub(super) fn finish(mut self) -> anyhow::Result<String> {
        let Some(mut child) = self.child.take() else {
            bail!("the recorder has ended already");
        };
        // The end of its stdin ends the program, and that the recording.
        drop(child.stdin.take());
        let mut text = String::new();
        self.stdout.read_to_string(&mut text)?;
        let output = child.wait_with_output()?;
        check(output.status, &output.stderr)?;
        Ok(text)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whoever fails says why in its last line.
fn check(status: ExitStatus, stderr: &[u8]) -> anyhow::Result<()> {
    if status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(stderr);
    match text.trim_end().lines().last() {
        Some(line) => bail!("{}", line.trim_start_matches("Error: ")),
        None => bail!("it failed ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn times_are_read() {
        assert_eq!(
            times_of(shell("echo '[1.5, 2, 3e3]'")).unwrap(),
            [1.5, 2.0, 3000.0]
        );
    }

    #[test]
    fn the_reason_of_a_failure_is_its_last_line() {
        let error = times_of(shell("echo first >&2; echo Error: last >&2; exit 3")).unwrap_err();
        assert_eq!(error.to_string(), "last");
        let error = times_of(shell("exit 3")).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn other_output_and_missing_programs_are_errors() {
        let error = times_of(shell("echo '[1, 2]'")).unwrap_err();
        assert!(error.to_string().contains("[1, 2]"), "{error}");
        let error = times_of(Command::new("/no/such/program")).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("`/no/such/program`: "),
            "{error:#}"
        );
    }
}
