//! `gizmo diff`: what differs between two recordings, or between two containers of one.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use gizmo_runtime::{Difference, Profile, Wanted, What, compare};

use crate::logging::escape_json;
use crate::table::{cell, render};
use crate::wanted::CallsFlag;

pub(crate) const HELP: &str = "\
Examples:
  gizmo diff before.gzr after.gzr                 Two runs of one program
  gizmo diff calls.gzr -c web-1 -c web-2          Two containers of one recording
  gizmo diff a.gzr b.gzr --syscall-filters %file  Only some calls

Calls, errors and paths are compared by how often they were; latencies where there are ten on both sides, when they differ by \
a factor of two.";

/// Arguments of `diff`.
#[derive(Args)]
pub(crate) struct DiffArgs {
    /// The first recording
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The second; without it, two containers of the first are compared
    #[arg(value_name = "B")]
    b: Option<PathBuf>,
    /// Only what this container has done; given twice, the first counts for A and the second for B
    #[arg(short, long, value_name = "NAME")]
    container: Vec<String>,
    #[command(flatten)]
    calls: CallsFlag,
    /// Form of the list
    #[arg(short, long, value_name = "MODE", default_value = "columns", value_parser = ["columns", "json", "jsonpretty"])]
    output: String,
}

/// `gizmo diff`.
///
/// # Errors
/// A file cannot be read, is no recording or damaged.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<()> {
    let containers = match (&args.container[..], &args.b) {
        ([], Some(_)) => [String::new(), String::new()],
        ([both], Some(_)) => [both.clone(), both.clone()],
        ([a, b], _) => [a.clone(), b.clone()],
        ([] | [_], None) => {
            bail!(
                "there is nothing to compare with: give a second recording, or two containers with -c"
            )
        }
        _ => bail!("-c is given twice at most"),
    };
    let [a, b] = containers.map(|containers| args.calls.wanted(&containers));
    let a = read(&args.a, &a)?;
    let b = read(args.b.as_deref().unwrap_or(&args.a), &b)?;
    let differences = compare(&a, &b);
    let mut out = io::stdout().lock();
    match args.output.as_str() {
        "json" => writeln!(
            out,
            "{}",
            escape_json(&serde_json::to_string(&differences)?)
        )?,
        "jsonpretty" => {
            let text = serde_json::to_string_pretty(&differences)?;
            writeln!(out, "{}", escape_json(&text))?;
        }
        _ if differences.is_empty() => writeln!(out, "no differences")?,
        _ => {
            let rows: Vec<[String; 5]> = differences.iter().map(row).collect();
            write!(
                out,
                "{}",
                render(&["WHAT", "SYSCALL", "A", "B", "DETAIL"], &rows)
            )?;
        }
    }
    match a.damaged_parts + b.damaged_parts {
        0 => Ok(()),
        parts => Err(gizmo_runtime::Error::Damaged(parts).into()),
    }
}

fn read(path: &Path, wanted: &Wanted) -> anyhow::Result<Profile> {
    let of = || format!("recording `{}`", path.display());
    let file = File::open(path).with_context(of)?;
    Profile::read(BufReader::new(file), wanted).with_context(of)
}

fn row(difference: &Difference) -> [String; 5] {
    let number = |value: u64| match difference.what {
        What::Latency => time(value),
        _ => value.to_string(),
    };
    let what = match difference.what {
        What::Calls => "calls",
        What::Error => "error",
        What::Path => "path",
        What::PathFails => "path fails",
        What::Latency => "latency",
    };
    [
        what.to_owned(),
        cell(&difference.syscall),
        number(difference.a),
        number(difference.b),
        cell(&difference.detail),
    ]
}

/// A time with the unit that fits.
fn time(ns: u64) -> String {
    let (unit, divisor) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => ("µs", 1e3),
        1_000_000..1_000_000_000 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    format!("{:.2}{unit}", ns as f64 / divisor)
}
