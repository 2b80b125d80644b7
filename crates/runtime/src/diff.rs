//! What differs between two recordings, or between what two containers of one have done: calls, errors, paths, latencies.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::{Element, Field};
use gizmo_output::calls::{self, Fields};
use gizmo_recording::Recording;
use gizmo_syscalls::expression::{Duration, is_path};
use gizmo_syscalls::latency::bucket;
use gizmo_syscalls::stats::CallStats;
use gizmo_syscalls::{decode, errno};
use serde::Serialize;

use crate::wanted::{Wanted, emit_all};
use crate::{Error, operators};

/// Names of calls, and paths, that are kept; a file may have any number.
const MOST_CALLS: usize = 20_000;
const MOST_PATHS: usize = 200_000;

/// Longer ones are none.
const LONGEST_PATH: usize = 4096;

/// Fewer durations say nothing about others.
const FEWEST_TIMES: u64 = 10;

/// Durations differ when so many buckets lie between them: a factor of two.
const FAR_BUCKETS: usize = 8;

/// What somebody has done.
#[derive(Debug, Default)]
pub struct Profile {
    calls: BTreeMap<String, CallStats>,
    /// How often a call was made with a path, by both, and how often that failed.
    paths: BTreeMap<(String, String), [u64; 2]>,
    /// Parts of the file that cannot be read.
    pub damaged_parts: u64,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What is different.
    pub what: What,
    /// The call.
    pub syscall: String,
    /// The error, the path, or which duration.
    pub detail: String,
    /// Of the first recording: how many calls; of latencies ns.
    pub a: u64,
    /// The same of the second.
    pub b: u64,
}

/// What is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// How often a call was made.
    Calls,
    /// How often it failed so.
    Error,
    /// How often it was made with a path.
    Path,
    /// How often it failed with a path, where it was made as often.
    PathFails,
    /// How long half of the calls, or 99 in a hundred, took at most.
    Latency,
}

impl Profile {
    /// Reads a recording to its end.
    ///
    /// # Errors
    /// The file is no recording, cannot be read, or has nothing that is meant.
    pub fn read(input: impl Read, wanted: &Wanted) -> Result<Self, Error> {
        let mut recording = Recording::open(input)?;
        let sources = recording.sources();
        wanted.keep(&recording, &sources)?;
        let profile = Arc::<Mutex<Self>>::default();
        let mut is_used = false;
        for source in &sources {
            if let Some(fields) = Fields::find(source) {
                is_used = true;
                operators::consume(source, &profile, move |profile, element| {
                    profile.count(&fields, element);
                })?;
            }
        }
        if !is_used {
            return Err(Error::NoCalls);
        }
        let damaged_parts = emit_all(&mut recording)?;
        let mut profile = profile.lock().unwrap_or_else(PoisonError::into_inner);
        profile.damaged_parts = damaged_parts;
        Ok(std::mem::take(&mut profile))
    }

    fn count(&mut self, fields: &Fields, element: &Element) {
        let text = |field: &Field| {
            let bytes = field.text(element).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let result = fields.outcome(element).result();
        let duration = match fields.duration(element) {
            Some(Duration::Exactly(ns)) => Some(ns),
            Some(Duration::AtLeast(_)) | None => None,
        };
        let name = text(&fields.syscall);
        if self.calls.len() < MOST_CALLS || self.calls.contains_key(&name) {
            let stats = self.calls.entry(name.clone()).or_default();
            stats.add(result, duration);
        }
        let has_failed = result.and_then(errno::from_return).is_some();
        for path in paths(&name, fields.args.text(element).unwrap_or_default()) {
            let key = (name.clone(), path);
            if self.paths.len() < MOST_PATHS || self.paths.contains_key(&key) {
                let [calls, failed] = self.paths.entry(key).or_default();
                *calls += 1;
                *failed += u64::from(has_failed);
            }
        }
    }
}

/// The paths among the arguments of a call.
fn paths(syscall: &str, args: &[u8]) -> Vec<String> {
    calls::arguments(args)
        .iter()
        .filter(|arg| is_path(syscall, &arg.name))
        .filter_map(|arg| decode::unquote(arg.text.as_deref()?))
        .filter(|path| path.len() <= LONGEST_PATH)
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .collect()
}

/// What differs, calls first. Times say something where there are ten of them on both sides, and differ by a factor of two.
pub fn compare(a: &Profile, b: &Profile) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |what, syscall: &str, detail: &str, a: u64, b: u64| {
        if a != b {
            found.push(Difference {
                what,
                syscall: syscall.to_owned(),
                detail: detail.to_owned(),
                a,
                b,
            });
        }
    };
    let nothing = CallStats::default();
    let names: BTreeSet<&String> = a.calls.keys().chain(b.calls.keys()).collect();
    for name in names {
        let one = a.calls.get(name).unwrap_or(&nothing);
        let other = b.calls.get(name).unwrap_or(&nothing);
        add(What::Calls, name, "", one.calls, other.calls);
        let errors: BTreeSet<&u32> = one.errors.keys().chain(other.errors.keys()).collect();
        for error in errors {
            let text = errno::lookup(*error)
                .map_or_else(|| error.to_string(), |known| known.name.to_owned());
            let count = |stats: &CallStats| stats.errors.get(error).copied().unwrap_or(0);
            add(What::Error, name, &text, count(one), count(other));
        }
        for (percent, text) in [(50, "p50"), (99, "p99")] {
            let [before, after] = [one, other].map(|stats| stats.times.percentile_ns(percent));
            let is_known = one.times.count().min(other.times.count()) >= FEWEST_TIMES;
            if is_known && bucket(before).abs_diff(bucket(after)) >= FAR_BUCKETS {
                add(What::Latency, name, text, before, after);
            }
        }
    }
    let keys: BTreeSet<&(String, String)> = a.paths.keys().chain(b.paths.keys()).collect();
    for key in keys {
        let of = |profile: &Profile| profile.paths.get(key).copied().unwrap_or_default();
        let ([calls, failed], [other_calls, other_failed]) = (of(a), of(b));
        add(What::Path, &key.0, &key.1, calls, other_calls);
        if calls == other_calls {
            add(What::PathFails, &key.0, &key.1, failed, other_failed);
        }
    }
    found.sort_by_key(|one| one.what);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(calls: &[(&str, i64, u64)], paths: &[(&str, &str)]) -> Profile {
        let mut profile = Profile::default();
        for (name, result, ns) in calls {
            let stats = profile.calls.entry((*name).to_owned()).or_default();
            stats.add(Some(*result), Some(*ns));
        }
        for (name, path) in paths {
            let key = ((*name).to_owned(), (*path).to_owned());
            profile.paths.entry(key).or_default()[0] += 1;
        }
        profile
    }

    fn said(a: &Profile, b: &Profile) -> Vec<(What, String, u64, u64)> {
        let text = |one: Difference| {
            (
                one.what,
                format!("{} {}", one.syscall, one.detail),
                one.a,
                one.b,
            )
        };
        compare(a, b).into_iter().map(text).collect()
    }

    #[test]
    fn the_same_has_no_differences() {
        let one = profile(&[("read", 3, 100), ("openat", -2, 5)], &[("openat", "/x")]);
        assert_eq!(said(&one, &one), []);
    }

    #[test]
    fn differences_are_told_by_what_they_are() {
        let a = profile(&[("openat", -2, 5), ("getpid", 1, 1)], &[("openat", "/a")]);
        let b = profile(
            &[("openat", 3, 5), ("getpid", 1, 1), ("getpid", 1, 1)],
            &[("openat", "/b")],
        );
        assert_eq!(
            said(&a, &b),
            [
                (What::Calls, "getpid ".into(), 1, 2),
                (What::Error, "openat ENOENT".into(), 1, 0),
                (What::Path, "openat /a".into(), 1, 0),
                (What::Path, "openat /b".into(), 0, 1),
            ]
        );
    }

    #[test]
    fn durations_differ_by_a_factor_of_two() {
        let times = |ns: u64| profile(&[("read", 1, ns); 10], &[]);
        assert_eq!(said(&times(1000), &times(1900)), []);
        let [(What::Latency, p50, 980, 4804), _] = &said(&times(1000), &times(5000))[..] else {
            panic!("{:?}", said(&times(1000), &times(5000)))
        };
        assert_eq!(p50, "read p50");
        let few = |ns| profile(&[("read", 1, ns); 9], &[]);
        assert_eq!(said(&few(1), &few(1000)), []);
    }

    #[test]
    fn paths_are_told_from_other_texts() {
        let json = br#"[{"name":"dfd","value":"-100","text":"AT_FDCWD"},{"name":"filename","value":"0x1","text":"\"/a b\" ..."},
            {"name":"buf","value":"0x1","text":"\"no path\""}]"#;
        assert_eq!(paths("openat", json), ["/a b"]);
        assert_eq!(paths("openat", b"nonsense"), Vec::<String>::new());
    }
}
