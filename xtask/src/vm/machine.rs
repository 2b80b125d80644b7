//! A virtual machine, from its first to its last moment: made by virtme-ng, emulated by QEMU.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use super::binaries::Binaries;
use crate::python;

/// Version of the runner, from the Python package index.
const RUNNER: &str = "virtme-ng==1.42";

const GUEST: &str = include_str!("guest.sh");

/// As many CPUs as the machines have on which this is developed, and what the rings take, twice.
const CPUS: &str = "2";
const MEMORY: &str = "3G";

/// One CPU of the machine at a time. With a thread for each QEMU is faster, but a CPU may run into a breakpoint that the kernel has
/// taken back already: kernels change their own code when programs are attached to functions, and die of it.
const EMULATION: &str = "--qemu-opts=-accel tcg,thread=single";

/// All tests take a quarter of it on an idle host.
const LIMIT_SECONDS: &str = "3600";

/// Boot parameters: Debian's kernels have x32, switched off; and a kernel that is preempted wherever it can be is the harder
/// test (known to those since 5.12).
const PARAMETERS: [&str; 2] = ["syscall.x32=y", "preempt=full"];

/// Installs the runner; the folder of its programs.
pub(crate) fn install(folder: &Path) -> anyhow::Result<PathBuf> {
    python::install(&folder.join("python"), &[RUNNER])
}

/// A machine that was not started yet.
pub(crate) struct Machine<'a> {
    /// Where the runner's programs are.
    pub(crate) runner: &'a Path,
    /// The kernel's image.
    pub(crate) image: PathBuf,
    /// What runs in it.
    pub(crate) binaries: &'a Binaries,
    /// Shared with the host.
    pub(crate) folder: PathBuf,
}

impl Machine<'_> {
    /// Starts it, runs the commands and shows what they print; the number of tests that passed.
    ///
    /// # Errors
    /// A test failed, none ran, or the machine hung or died.
    pub(crate) fn test(&self, commands: &str) -> anyhow::Result<usize> {
        let shared = self.folder.join("shared");
        if shared.exists() {
            fs::remove_dir_all(&shared)?;
        }
        fs::create_dir_all(&shared)?;
        fs::write(shared.join("commands"), commands)?;
        fs::write(shared.join("guest.sh"), GUEST)?;
        let mut paths = String::new();
        for path in self.binaries.paths() {
            paths += &format!("{}\n", path.display());
        }
        fs::write(shared.join("paths"), paths)?;

        let mut child = self.start(&shared)?;
        let status = show_until_end(&mut child, &shared.join("output"))?;
        let output = fs::read_to_string(shared.join("output")).unwrap_or_default();
        let code = fs::read_to_string(shared.join("code"));
        match code.as_deref().map(str::trim) {
            Ok("0") => {}
            Ok(code) => bail!("tests failed (exit code {code})"),
            Err(_) => bail!(
                "the machine hung for too long or died before the tests were over ({status}); its console: `{}`",
                self.console().display()
            ),
        }
        match passed(&output) {
            0 => bail!("no test has run"),
            count => Ok(count),
        }
    }

    fn console(&self) -> PathBuf {
        self.folder.join("console")
    }

    fn start(&self, shared: &Path) -> anyhow::Result<Child> {
        let console = File::create(self.console())?;
        let path = std::env::var("PATH").unwrap_or_default();
        // Ends with this process, and after the limit, together with everything that it has started.
        let mut command = Command::new("setpriv");
        command
            .args([
                "--pdeathsig",
                "TERM",
                "timeout",
                "--kill-after",
                "10",
                LIMIT_SECONDS,
            ])
            .arg(self.runner.join("vng"))
            .args([
                "--verbose",
                "--disable-kvm",
                "--force-9p",
                EMULATION,
                "--cpus",
                CPUS,
                "--memory",
                MEMORY,
            ])
            .args(
                PARAMETERS
                    .map(|parameter| ["--append", parameter])
                    .as_flattened(),
            )
            .arg(format!("--rwdir={}", shared.display()))
            .arg("--run")
            .arg(&self.image)
            .arg("--")
            .arg(format!(
                "sh '{0}/guest.sh' '{0}' '{1}' '{2}'",
                shared.display(),
                self.binaries.copies.display(),
                self.binaries.fixtures.display()
            ))
            .env("PATH", format!("{}:{path}", self.runner.display()))
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console);
        command
            .spawn()
            .context("`setpriv` of util-linux is not there")
    }
}

/// Shows what is written to the file until the child has ended.
fn show_until_end(child: &mut Child, output: &Path) -> anyhow::Result<std::process::ExitStatus> {
    let mut file = None;
    loop {
        let ended = child.try_wait()?;
        if file.is_none() {
            file = File::open(output).ok();
        }
        if let Some(file) = &mut file {
            let mut news = Vec::new();
            file.read_to_end(&mut news)?;
            io::stderr().write_all(&news)?;
        }
        if let Some(status) = ended {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// How many tests have passed, from the lines in which test binaries sum up.
fn passed(output: &str) -> usize {
    let count = |line: &str| -> Option<usize> {
        let (_, rest) = line.split_once("test result: ")?;
        let (_, rest) = rest.split_once(". ")?;
        rest.split_once(" passed")?.0.parse().ok()
    };
    output.lines().filter_map(count).sum()
}

#[test]
fn passed_tests_are_counted() {
    let output = "test a ... ok\n\ntest result: ok. 2 passed; 0 failed; 1 ignored\n\
                  test result: FAILED. 3 passed; 1 failed; 0 ignored\n";
    assert_eq!(passed(output), 5);
    assert_eq!(passed("test a ... "), 0);
}
