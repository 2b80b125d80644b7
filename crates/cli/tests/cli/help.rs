//! Help texts, and the command tree as they show it.

use std::collections::BTreeSet;

use crate::support::{Gizmo, golden};

/// What has a help text of its own; `gizmo` itself first.
const COMMANDS: [&str; 26] = [
    "",
    "run",
    "run traceloop",
    "doctor",
    "image",
    "image build",
    "image list",
    "image inspect",
    "image tag",
    "image remove",
    "image export",
    "image import",
    "list-containers",
    "diff",
    "syscalls",
    "view",
    "explain",
    "show",
    "snapshot",
    "recordings",
    "forget",
    "filter",
    "filter show",
    "filter set",
    "bench",
    "bench overhead",
];

#[track_caller]
fn help(command: &str) -> String {
    let mut args: Vec<&str> = command.split_whitespace().collect();
    args.push("--help");
    let ran = Gizmo::new().ok(args);
    assert_eq!(ran.stderr(), "");
    ran.stdout()
}

#[test]
fn help_texts_are_golden() {
    for command in COMMANDS {
        let name = format!("gizmo {command}").trim().replace(' ', "-");
        golden(&name, &help(command));
    }
}

/// The names under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The flags of all sections.
fn flags(help: &str) -> Vec<&str> {
    let lines = help
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-'));
    lines
        .take_while(|line| !line.contains("--output:"))
        .flat_map(|line| {
            line.split([' ', ','])
                .take_while(|word| word.is_empty() || word.starts_with('-'))
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn the_whole_command_tree_has_help_without_clashes() {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![String::new()];
    while let Some(command) = waiting.pop() {
        let text = help(&command);
        let mut own = BTreeSet::new();
        for flag in flags(&text) {
            assert!(own.insert(flag), "`gizmo {command}` has `{flag}` twice");
        }
        assert!(
            own.contains("--help") && own.contains("--store"),
            "{command}: {own:?}"
        );
        let below = subcommands(&text);
        waiting.extend(
            below
                .iter()
                .map(|name| format!("{command} {name}").trim().to_owned()),
        );
        seen.insert(command);
    }
    // Without a word of its own beyond the flags that every command has.
    seen.remove("version");
    let golden: BTreeSet<String> = COMMANDS
        .iter()
        .filter(|command| **command != "run traceloop")
        .map(|command| (*command).to_owned())
        .collect();
    assert_eq!(seen, golden, "commands with and without a golden help text");
}

#[test]
fn the_short_flag_gives_help_too() {
    for command in ["", "run", "image", "image list"] {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("-h");
        assert_eq!(Gizmo::new().ok(args).stdout(), help(command), "{command}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let gizmo = Gizmo::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(gizmo.ok(["version"]).stdout(), format!("v{version}\n"));
    assert_eq!(
        gizmo.ok(["--version"]).stdout(),
        format!("gizmo {version}\n")
    );
}

/// The columns that a run shows when nobody asks for others: each is in the help and in `inspect`, the ones that are made
/// from raw fields included.
#[test]
fn every_default_column_is_described() {
    let gizmo = Gizmo::new();
    let text = help("run traceloop");
    let sources = gizmo.ok(["image", "inspect", "traceloop", "--show-datasources"]);
    let sources = sources.json();
    let fields = sources[0]["fields"].as_array().unwrap();
    let header = ["pid", "comm", "syscall", "parameters", "ret", "duration"];
    let missing: Vec<&str> = header
        .into_iter()
        .filter(|name| {
            let in_help = text.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some("*") && words.next() == Some(name)
            });
            !in_help || !fields.iter().any(|field| field["name"] == *name)
        })
        .collect();
    assert!(missing.is_empty(), "not described: {missing:?}");
}
