//! `gizmo bench overhead`: every case, round by round.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use gizmo_ebpf::Floor;
use serde::Deserialize;

use super::cases::{self, Case, State};
use super::process::{Gizmo, Recorder, times_of};
use super::results::{self, LeftOut, Machine, Results};
use super::workload::Times;
use super::{OverheadArgs, quiet, report};
use crate::context::{Context, GlobalArgs};

pub(super) fn run(
    context: &Context,
    global: &GlobalArgs,
    args: &OverheadArgs,
) -> anyhow::Result<()> {
    let gizmo = Gizmo::new(global.store.as_deref())?;
    let mut all = cases::own();
    if let Some(file) = &args.peers {
        all.extend(peers(file)?);
    }
    let known = crate::run::flag_names(context, "traceloop")?;
    let (cases, left_out) = select(all, &known, |case| measure(&gizmo, case).map(drop))?;
    let rounds = (1..=args.rounds)
        .map(|round| {
            progress(&format!("round {round} of {}", args.rounds));
            measure_all(&gizmo, &cases)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    progress("load");
    let quiet = quiet::watch(&gizmo, Duration::from_secs(args.load_seconds.into()))?;
    progress("");
    let results = Results {
        machine: Machine::this(),
        rounds: rounds.len(),
        rows: results::rows(&cases, &rounds),
        quiet,
        left_out,
    };
    let text = if args.json {
        format!("{}\n", report::json(&results))
    } else {
        report::table(&results)
    };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Another tool to compare with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    name: String,
    command: Vec<String>,
}

fn peers(file: &Path) -> anyhow::Result<Vec<Case>> {
    let read = || anyhow::Ok(serde_json::from_reader(File::open(file)?)?);
    let peers: Vec<Peer> = read().with_context(|| format!("list of peers `{}`", file.display()))?;
    let cases = peers
        .into_iter()
        .map(|peer| cases::peer(peer.name, peer.command));
    Ok(cases.collect())
}

/// Tries every case once, which also warms up what the first run finds cold, and leaves out those that may be left out and
/// do not work.
fn select(
    all: Vec<Case>,
    known: &HashSet<String>,
    attempt: impl Fn(&Case) -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<Case>, Vec<LeftOut>)> {
    let mut cases = Vec::new();
    let mut left_out = Vec::new();
    for case in all {
        progress(&format!("trying: {}", case.name));
        let unknown = case.needs.iter().find(|flag| !known.contains(**flag));
        let result = match unknown {
            Some(flag) => Err(anyhow::anyhow!("this traceloop has no flag `--{flag}`")),
            None => attempt(&case),
        };
        match result {
            Ok(()) => cases.push(case),
            Err(error) if case.is_optional => left_out.push(LeftOut {
                case: case.name,
                why: crate::logging::escape(&format!("{error:#}")),
            }),
            Err(error) => return Err(error.context(format!("case `{}`", case.name))),
        }
    }
    Ok((cases, left_out))
}

fn measure_all(gizmo: &Gizmo, cases: &[Case]) -> anyhow::Result<Vec<Times>> {
    let named = |case: &Case| measure(gizmo, case).with_context(|| format!("case `{}`", case.name));
    cases.iter().map(named).collect()
}

fn measure(gizmo: &Gizmo, case: &Case) -> anyhow::Result<Times> {
    match &case.state {
        State::Nothing => gizmo.measure(),
        State::Floor => Floor::attach()
            .map_err(anyhow::Error::from)
            .and_then(|_floor| gizmo.measure()),
        State::RecordingOther(flags) => {
            Recorder::start(gizmo, flags, "hold").and_then(|recorder| {
                let times = gizmo.measure()?;
                recorder.finish()?;
                Ok(times)
            })
        }
        State::Recorded(flags) => gizmo.measure_recorded(flags),
        State::Under(words) => under(words),
    }
}

fn under(words: &[String]) -> anyhow::Result<Times> {
    let (program, args) = words.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(args);
    times_of(command)
}

/// Tells a person who waits how far it is.
fn progress(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}");
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn what_does_not_work_is_left_out_with_the_reason() {
        let known = HashSet::from(["capture-length".to_owned()]);
        let mut all = cases::own();
        all.push(cases::peer("absent".into(), vec!["/no/such".into()]));
        let total = all.len();
        let attempt = |case: &Case| match &case.state {
            State::Under(words) => under(words).map(drop),
            _ => Ok(()),
        };
        let (cases, left_out) = select(all, &known, attempt).unwrap();
        assert_eq!(cases.len() + left_out.len(), total);
        assert!(cases.iter().any(|case| case.needs == ["capture-length"]));
        assert_eq!(
            left_out[0].why,
            "this traceloop has no flag `--no-duration`"
        );
        let last = left_out.last().unwrap();
        assert!(
            last.case == "absent" && last.why.contains("`/no/such`"),
            "{last:?}"
        );
    }

    #[test]
    fn what_everything_is_compared_with_must_work() {
        let attempt = |case: &Case| match case.state {
            State::Floor => bail!("refused"),
            _ => Ok(()),
        };
        let error = select(cases::own(), &HashSet::new(), attempt).unwrap_err();
        assert!(format!("{error:#}").contains("refused"));
    }

    #[test]
    fn lists_of_peers_are_checked() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"[{"name": "a", "command": ["b", "c"]}]"#).unwrap();
        let found = peers(file.path()).unwrap();
        assert_eq!(found[0].state, State::Under(vec!["b".into(), "c".into()]));
        std::fs::write(file.path(), r#"[{"name": "a", "words": []}]"#).unwrap();
        assert!(peers(file.path()).is_err());
        assert!(peers(Path::new("/no/such/list")).is_err());
    }
}
