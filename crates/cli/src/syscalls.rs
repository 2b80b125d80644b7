//! `gizmo syscalls` and `gizmo explain`: what the filter language knows, and what an expression means.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::anyhow;
use gizmo_syscalls::expression::{Meaning, point};
use gizmo_syscalls::selection::{Selected, abis_of_kernel, known_calls};
use gizmo_syscalls::{Abi, Declaration, classes, fallback, socketcall, table as numbers};
use serde_json::{Value, json};

use crate::table;

/// Shown under the help of both.
pub(crate) const LANGUAGE_HELP: &str = "\
Expressions are those of `gizmo run traceloop --syscall-filters`:
  openat,write                     names
  257,i386:open                    numbers, and calls of one ABI
  %network,!sendto                 a class without one of its calls
  '! %file'                        everything but a class
  '/^epoll/'                       names that a regular expression finds
  failed,error=EACCES|EPERM        only calls that fail, or fail so
  'duration>10ms,comm=nginx'       only slow calls of threads with that name
  'path~/etc/*','fd=3','arg.flags=0'  what is passed

gadgets/traceloop/README.md has the whole language.";

/// Arguments of `gizmo syscalls`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only these calls, such as %network or openat,/^epoll/
    #[arg(value_name = "EXPRESSION", default_value = "")]
    expression: String,
    /// Those of another architecture
    #[arg(long, value_name = "ABI", value_parser = parse_abi, default_value = std::env::consts::ARCH)]
    arch: Abi,
    /// Form of the list
    #[arg(short, long, value_name = "MODE", default_value = "columns", value_parser = ["columns", "json", "jsonpretty"])]
    output: String,
}

/// Arguments of `gizmo explain`.
#[derive(clap::Args, Debug)]
pub(crate) struct ExplainArgs {
    /// What `--syscall-filters` would be given
    #[arg(value_name = "EXPRESSION")]
    expression: String,
    /// What it means on another architecture
    #[arg(long, value_name = "ABI", value_parser = parse_abi, default_value = std::env::consts::ARCH)]
    arch: Abi,
}

/// What is said where calls matter that io_uring can do, too.
const RINGS: &str = "io_uring does work without system calls: what a program asks for through its rings is not seen, only that it sets them up \
     (io_uring_setup) and submits (io_uring_enter)";

fn parse_abi(text: &str) -> Result<Abi, String> {
    let known = || {
        let names: Vec<&str> = Abi::ALL.iter().map(|abi| abi.name()).collect();
        format!("there are {}", names.join(", "))
    };
    text.parse().map_err(|()| known())
}

/// Prints the calls that an expression selects.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let meaning = meaning(&args.expression, args.arch)?;
    let calls = by_name(&meaning);
    let mut out = io::stdout().lock();
    match args.output.as_str() {
        "json" => writeln!(out, "{}", Value::from_iter(calls.iter().map(Call::to_json)))?,
        "jsonpretty" => {
            let list = Value::from_iter(calls.iter().map(Call::to_json));
            writeln!(out, "{}", serde_json::to_string_pretty(&list)?)?;
        }
        _ => {
            let abis = abis_of_kernel(args.arch);
            let names = abis.iter().map(|abi| abi.name().to_uppercase());
            let header: Vec<String> = std::iter::once("SYSCALL".to_owned())
                .chain(names)
                .chain(["CLASSES", "PARAMETERS"].map(str::to_owned))
                .collect();
            let rows: Vec<Vec<String>> = calls.iter().map(|call| call.row(abis)).collect();
            write!(out, "{}", table::render(&header, &rows))?;
            if sets_up_rings(&meaning) {
                writeln!(out, "\n{RINGS}")?;
            }
        }
    }
    Ok(())
}

/// Says what an expression means.
pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let meaning = meaning(&args.expression, args.arch)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{meaning}")?;
    if sets_up_rings(&meaning) {
        writeln!(out, "{RINGS}")?;
    }
    Ok(())
}

/// Whether somebody watches who sets up rings.
fn sets_up_rings(meaning: &Meaning) -> bool {
    let calls = &meaning.selection.calls;
    !meaning.selection.is_complement && calls.iter().any(|call| call.name == "io_uring_setup")
}

fn meaning(text: &str, native: Abi) -> anyhow::Result<Meaning> {
    Meaning::of(text, native, |name| numbers::number(native, name))
        .map_err(|error| anyhow!("{error}\n  {}", point(text, &error).replace('\n', "\n  ")))
}

/// A call in all ABIs.
struct Call {
    name: String,
    numbers: BTreeMap<Abi, u32>,
    declaration: Option<&'static Declaration>,
}

/// The selected calls that have a name: by their numbers in the native ABI, and those that it lacks behind them.
fn by_name(meaning: &Meaning) -> Vec<Call> {
    let mut numbers: BTreeMap<String, BTreeMap<Abi, u32>> = BTreeMap::new();
    for Selected { abi, number, name } in known_calls(meaning.native) {
        let call = Selected {
            abi,
            number,
            name: name.clone(),
        };
        if meaning.selection.has(&call) {
            // What `socketcall` is asked to do comes behind calls of the same name.
            let numbers = numbers.entry(name).or_default();
            numbers.entry(abi).or_insert(number);
        }
    }
    let mut calls: Vec<Call> = numbers
        .into_iter()
        .map(|(name, numbers)| Call {
            declaration: numbers
                .keys()
                .find_map(|abi| fallback::declaration(*abi, &name))
                .or_else(|| socketcall::declaration(&name)),
            name,
            numbers,
        })
        .collect();
    calls.sort_by_key(|call| {
        let native = call.numbers.get(&meaning.native).copied();
        (native.unwrap_or(u32::MAX), call.name.clone())
    });
    calls
}

impl Call {
    fn classes(&self) -> Vec<&'static str> {
        classes::all()
            .filter(|class| class.calls().any(|name| name == self.name))
            .map(|class| class.name)
            .collect()
    }

    fn row(&self, abis: &[Abi]) -> Vec<String> {
        let number = |abi: &Abi| match self.numbers.get(abi) {
            Some(number) => number.to_string(),
            None => "-".to_owned(),
        };
        let parameters = self.declaration.map(|declaration| {
            let names = declaration.parameters.iter();
            names
                .map(|parameter| parameter.name.as_ref())
                .collect::<Vec<_>>()
                .join(", ")
        });
        std::iter::once(self.name.clone())
            .chain(abis.iter().map(number))
            .chain([self.classes().join(" "), parameters.unwrap_or_default()])
            .collect()
    }

    fn to_json(&self) -> Value {
        let numbers: serde_json::Map<String, Value> = self
            .numbers
            .iter()
            .map(|(abi, number)| (abi.name().to_owned(), (*number).into()))
            .collect();
        let parameters = self.declaration.map(|declaration| {
            let all = declaration.parameters.iter();
            all.map(|parameter| json!({"name": parameter.name, "type": parameter.ctype}))
                .collect::<Vec<_>>()
        });
        json!({
            "syscall": self.name,
            "numbers": numbers,
            "classes": self.classes(),
            "parameters": parameters,
        })
    }
}
