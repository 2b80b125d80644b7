//! Which of the arguments after `run` is the image, when most flags are not known yet.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Flags of `run` itself that take a value.
const WITH_VALUE: [&str; 11] = [
    "--file",
    "-f",
    "--timeout",
    "-t",
    "--every",
    "--output-file",
    "--save",
    "--store",
    "--output",
    "-o",
    "--fields",
];

/// Flags that take none.
const WITHOUT_VALUE: [&str; 5] = ["--verbose", "-v", "--help", "-h", "--follow"];

/// The image's name: the first word that is no flag and does not follow an unknown one. Only if there is no such word may
/// it be one that follows an unknown flag, which then was a switch.
pub(super) fn image_name(args: &[OsString]) -> Option<String> {
    let mut doubtful = None;
    let mut words = args.iter().map(|arg| arg.to_string_lossy()).peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let is_flag = word.len() > 1 && word.starts_with('-');
        if !is_flag {
            return Some(word.into_owned());
        }
        if word.contains('=') || WITHOUT_VALUE.contains(&word.as_ref()) {
            continue;
        }
        let is_known = WITH_VALUE.contains(&word.as_ref());
        // `-ojson` carries its value with it.
        if !is_known && !word.starts_with("--") && word.len() > 2 {
            continue;
        }
        if let Some(value) =
            words.next_if(|next| next != "--" && (is_known || !next.starts_with('-')))
            && !is_known
        {
            doubtful = doubtful.or(Some(value.into_owned()));
        }
    }
    doubtful
}

/// Whether a manifest is named: `-f FILE`, `-fFILE`, `--file FILE` or `--file=FILE`. A word that follows another known flag is
/// that flag's value.
pub(super) fn names_manifest(args: &[OsString]) -> bool {
    let mut words = args.iter().take_while(|arg| *arg != "--");
    while let Some(word) = words.next() {
        let starts = |start: &str| word.as_bytes().starts_with(start.as_bytes());
        if word == "--file" || starts("--file=") || starts("-f") {
            return true;
        }
        if WITH_VALUE.iter().any(|flag| word == flag) {
            words.next();
        }
    }
    false
}

fn rest_of(word: &OsStr, start: &str) -> Option<OsString> {
    let rest = word.as_bytes().strip_prefix(start.as_bytes())?;
    Some(OsString::from_vec(rest.to_vec()))
}

/// The value of a long flag: `--flag value` or `--flag=value`.
pub(super) fn value_of(args: &[OsString], flag: &str) -> Option<OsString> {
    let mut words = args.iter().take_while(|arg| *arg != "--");
    while let Some(word) = words.next() {
        if word == flag {
            return words.next().cloned();
        }
        if let Some(value) = rest_of(word, &format!("{flag}=")) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_behind_their_flag_or_in_it() {
        let args = |line: &str| -> Vec<OsString> { line.split(' ').map(OsString::from).collect() };
        assert_eq!(value_of(&args("x --store /s"), "--store").unwrap(), "/s");
        assert_eq!(value_of(&args("--store=/s x"), "--store").unwrap(), "/s");
        assert_eq!(value_of(&args("x -- --store /s"), "--store"), None);
        assert_eq!(value_of(&args("--stored /s"), "--store"), None);
    }

    #[test]
    fn a_manifest_is_found_among_other_flags() {
        let of = |line: &str| {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            names_manifest(&args)
        };
        for line in [
            "-f m",
            "-fm",
            "-f -",
            "--file m",
            "--file=m",
            "-t 5 -f m -- ls",
            "-v -f m",
            "-f",
        ] {
            assert!(of(line), "{line}");
        }
        for line in [
            "traceloop -- ls -f m",
            "--output-file -f",
            "--fields x",
            "--filed",
            "",
        ] {
            assert!(!of(line), "{line}");
        }
    }

    #[track_caller]
    fn finds(line: &str, expected: Option<&str>) {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        assert_eq!(image_name(&args).as_deref(), expected, "{line}");
    }

    #[test]
    fn the_image_is_found_among_unknown_flags() {
        finds("traceloop", Some("traceloop"));
        finds(
            "traceloop --syscall-filters openat -- true",
            Some("traceloop"),
        );
        finds(
            "--syscall-filters openat traceloop -- true",
            Some("traceloop"),
        );
        finds("--syscall-filters=openat traceloop", Some("traceloop"));
        finds("-o json -t 5 traceloop", Some("traceloop"));
        finds("-ojson traceloop", Some("traceloop"));
        finds("-v traceloop", Some("traceloop"));
        finds("--some-switch traceloop", Some("traceloop"));
        finds("--every 10s --follow traceloop", Some("traceloop"));
    }

    #[test]
    fn nothing_after_the_dashes_is_an_image() {
        finds("-- true", None);
        finds("--timeout 5 -- true", None);
        finds("--help", None);
        finds("", None);
    }
}
