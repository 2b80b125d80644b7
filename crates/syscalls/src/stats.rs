//! Statistics of calls of one kind: how many, how they failed, how long they took.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::errno;
use crate::latency::Histogram;

/// What is counted of calls of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallStats {
    /// All of them.
    pub calls: u64,
    /// By their errors; 0 stands for errors that have no number of their own among statistics.
    pub errors: BTreeMap<u32, u64>,
    /// Of those of which it is known.
    pub times: Histogram,
}

impl CallStats {
    /// Counts a call. Its result is `None` if it never returned, its duration in ns if nobody knows it.
    pub fn add(&mut self, result: Option<i64>, duration_ns: Option<u64>) {
        self.calls += 1;
        if let Some(error) = result.and_then(errno::from_return) {
            *self.errors.entry(error).or_default() += 1;
        }
        if let Some(ns) = duration_ns {
            self.times.add(ns);
        }
    }

    /// How many have failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// `ENOENT 3, EACCES`: the most frequent first, with how often unless once.
    pub fn errors_text(&self) -> String {
        let mut errors: Vec<(&u32, &u64)> = self.errors.iter().collect();
        errors.sort_by_key(|(error, count)| (u64::MAX - **count, **error));
        let mut text = String::new();
        for (error, count) in errors {
            if !text.is_empty() {
                text.push_str(", ");
            }
            match (error, errno::lookup(*error)) {
                (0, _) => text.push_str("others"),
                (_, Some(known)) => text.push_str(known.name),
                (error, None) => {
                    let _ = write!(text, "{error}");
                }
            }
            if *count > 1 {
                let _ = write!(text, " {count}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_became_of_them() {
        let mut stats = CallStats::default();
        stats.add(Some(3), Some(1000));
        stats.add(Some(-2), Some(3000));
        stats.add(Some(-2), None);
        stats.add(Some(-13), None);
        stats.add(None, None);
        assert_eq!(
            (stats.calls, stats.failed(), stats.times.count()),
            (5, 3, 2)
        );
        assert_eq!(stats.errors_text(), "ENOENT 2, EACCES");
        stats.errors.extend([(0, 7), (3000, 1)]);
        assert_eq!(stats.errors_text(), "others 7, ENOENT 2, EACCES, 3000");
        // An address is no error.
        stats.add(Some(-5000), None);
        assert_eq!(stats.failed(), 11);
    }
}
