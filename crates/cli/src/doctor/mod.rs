//! `gizmo doctor`: what this host offers and what to do about what is missing.
//!
//! Everything is looked at, tried or asked, nothing is concluded from a kernel's version. `host` reads what the kernel says
//! about this process, `kernel` tries eBPF, `runtimes` knocks at sockets; each result is a [`Check`].

mod host;
mod kernel;
mod runtimes;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use gizmo_ebpf::probe::Probe;
use serde::Serialize;

use crate::logging;

/// Arguments of `gizmo doctor`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Form of the answer
    #[arg(short, long, value_name = "MODE", default_value = "columns", value_parser = ["columns", "json", "jsonpretty"])]
    output: String,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// There.
    Ok,
    /// Not there, and nobody need do anything.
    Absent,
    /// Something works less well, or could not be found out.
    Warn,
    /// traceloop cannot run.
    Missing,
}

impl Status {
    fn mark(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Absent => "-",
            Status::Warn => "warn",
            Status::Missing => "missing",
        }
    }
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    found: String,
    advice: String,
}

impl Check {
    /// Paths come from the environment and from mounts, so what was found is made harmless here, for all modes.
    fn new(check: &'static str, status: Status, found: &str, advice: impl Into<String>) -> Self {
        Self {
            check,
            status,
            found: logging::escape(&found.replace('\n', "\\n").replace('\t', "\\t")),
            advice: advice.into(),
        }
    }

    fn ok(check: &'static str, found: &str) -> Self {
        Self::new(check, Status::Ok, found, "")
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checks = examine();
    let mut out = io::stdout().lock();
    match args.output.as_str() {
        "json" => writeln!(out, "{}", serde_json::to_string(&checks)?)?,
        "jsonpretty" => writeln!(out, "{}", serde_json::to_string_pretty(&checks)?)?,
        _ => out.write_all(table(&checks).as_bytes())?,
    }
    Ok(ExitCode::from(u8::from(!can_run(&checks))))
}

fn examine() -> Vec<Check> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let rights = host::Rights::parse(&read("/proc/self/status"));
    let mounts = host::mounts(&read("/proc/self/mountinfo"));
    let cgroups = host::CgroupMode::of(&mounts);
    let probe = Probe::new();
    let mut checks = vec![
        host::machine(),
        host::rights(&rights, rustix::process::geteuid().is_root()),
        kernel::types(&probe),
        host::tracefs(&mounts),
        host::bpffs(&mounts),
    ];
    checks.extend(kernel::features(&probe, &rights));
    checks.push(kernel::traceloop(&probe));
    checks.push(host::cgroups(&cgroups));
    checks.push(kernel::container_starts(&probe, &cgroups));
    checks.extend(runtimes::all());
    checks
}

fn can_run(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.status != Status::Missing)
}

/// For people: mark, what, what was found, and below it what to do.
fn table(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.check.len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for check in checks {
        let mark = check.status.mark();
        text.push_str(&format!(
            "{mark:<7}  {:<width$}  {}\n",
            check.check, check.found
        ));
        if !check.advice.is_empty() {
            text.push_str(&format!("{:7}  {:width$}  → {}\n", "", "", check.advice));
        }
    }
    text.push_str(if can_run(checks) {
        "\ntraceloop can run here.\n"
    } else {
        "\ntraceloop cannot run here: see what is missing.\n"
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_what_it_is_about() {
        let checks = [
            Check::ok("kernel", "Linux"),
            Check::new("rights", Status::Missing, "a\x1b[2J\nb", "become root"),
        ];
        assert_eq!(
            table(&checks),
            "ok       kernel  Linux\n\
             missing  rights  a\\u{1b}[2J\\nb\n\
             \u{20}                → become root\n\
             \ntraceloop cannot run here: see what is missing.\n"
        );
        assert!(can_run(&checks[..1]));
    }

    #[test]
    fn json_is_a_list_of_checks() {
        let check = Check::new("docker", Status::Absent, "no", "");
        assert_eq!(
            serde_json::to_string(&[check]).unwrap(),
            r#"[{"check":"docker","status":"absent","found":"no","advice":""}]"#
        );
    }
}
