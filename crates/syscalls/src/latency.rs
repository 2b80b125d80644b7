//! How long calls took, in few numbers: a histogram whose buckets are narrow where durations are short and wide where they are long.
//!
//! A bucket is an eighth of a power of two, so that what is told from it is wrong by one part in eight at most. eBPF programs that count
//! for themselves use the same buckets (`bucket_of` in a gadget's program and [`bucket`] agree by a test of the gadget).

use std::fmt::Write as _;

/// Buckets of a histogram: durations up to 2⁴¹ ns, 36 minutes, and one for all that are longer in the last.
pub const BUCKETS: usize = 312;

/// Bits of a duration behind its first that choose a bucket.
const SUB_BITS: u32 = 3;

/// The bucket of a duration in ns.
pub fn bucket(ns: u64) -> usize {
    let log = ns.max(1).ilog2();
    if log < SUB_BITS {
        return ns as usize;
    }
    let shift = log - SUB_BITS;
    let sub = (ns >> shift) & ((1 << SUB_BITS) - 1);
    ((((shift + 1) << SUB_BITS) as u64 + sub) as usize).min(BUCKETS - 1)
}

/// The shortest and the longest duration of a bucket in ns. The last one has no end.
pub fn bounds(bucket: usize) -> (u64, u64) {
    let sub = |bucket: usize| bucket as u64 & ((1 << SUB_BITS) - 1);
    let lower = |bucket: usize| match (bucket >> SUB_BITS) as u32 {
        0 => bucket as u64,
        shift => ((1 << SUB_BITS) + sub(bucket)) << (shift - 1),
    };
    let bucket = bucket.min(BUCKETS - 1);
    let most = match bucket == BUCKETS - 1 {
        true => u64::MAX,
        false => lower(bucket + 1) - 1,
    };
    (lower(bucket), most)
}

/// Durations of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    /// All of them.
    count: u64,
    /// Their sum in ns.
    total_ns: u64,
    /// The longest in ns.
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            count: 0,
            total_ns: 0,
            max_ns: 0,
        }
    }
}

impl Histogram {
    /// From what somebody else has counted; further buckets are left out.
    pub fn new(counts: impl IntoIterator<Item = u64>, total_ns: u64, max_ns: u64) -> Self {
        let mut counts: Vec<u64> = counts.into_iter().take(BUCKETS).collect();
        counts.resize(BUCKETS, 0);
        Self {
            count: counts
                .iter()
                .fold(0, |sum, count| sum.saturating_add(*count)),
            counts,
            total_ns,
            max_ns,
        }
    }

    /// Counts a duration.
    pub fn add(&mut self, ns: u64) {
        self.counts[bucket(ns)] += 1;
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum in ns.
    pub fn total_ns(&self) -> u64 {
        self.total_ns
    }

    /// Their mean in ns; 0 if there are none.
    pub fn mean_ns(&self) -> u64 {
        self.total_ns.checked_div(self.count).unwrap_or_default()
    }

    /// The longest in ns.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The duration in ns that so many in a hundred do not exceed, by the nearest rank; 0 if there are none. It is the middle of a
    /// bucket: the exact one differs by a sixteenth at most.
    pub fn percentile_ns(&self, percent: u32) -> u64 {
        let rank = (u128::from(self.count) * u128::from(percent))
            .div_ceil(100)
            .max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                let (least, most) = bounds(bucket);
                let most = most.min(self.max_ns).max(least);
                return least + (most - least) / 2;
            }
        }
        0
    }

    /// The powers of two with durations, from the shortest to the longest, as `(lower bound in ns, count)`; those between are there, too.
    pub fn octaves(&self) -> Vec<(u64, u64)> {
        let octaves = self.counts.chunks(1 << SUB_BITS).enumerate();
        let counts = octaves.map(|(octave, counts)| {
            let (least, _) = bounds(octave << SUB_BITS);
            (least, counts.iter().sum())
        });
        let counts: Vec<(u64, u64)> = counts.collect();
        let first = counts.iter().position(|(_, count)| *count > 0);
        let last = counts.iter().rposition(|(_, count)| *count > 0);
        match (first, last) {
            (Some(first), Some(last)) => counts[first..=last].to_vec(),
            _ => Vec::new(),
        }
    }

    /// Its buckets as a JSON list of `[shortest duration in ns, count]`, without empty ones.
    pub fn buckets_json(&self) -> String {
        let counts = self.counts.iter().enumerate();
        let used = counts.filter(|(_, count)| **count > 0);
        let pairs = used.map(|(bucket, count)| format!("[{},{count}]", bounds(bucket).0));
        format!("[{}]", pairs.collect::<Vec<String>>().join(","))
    }

    /// A picture of it: a bar for each power of two between the shortest and the longest duration.
    pub fn draw(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let octaves = self.octaves();
        let (Some((first, _)), Some((last, _))) = (octaves.first(), octaves.last()) else {
            return String::new();
        };
        let most = octaves.iter().map(|(_, count)| *count).max().unwrap_or(1);
        let mut text = short_time(*first);
        text.push(' ');
        text.extend(octaves.iter().map(|(_, count)| match count {
            0 => '·',
            count => BARS[(u128::from(*count) * 7 / u128::from(most.max(1))) as usize % 8],
        }));
        let _ = write!(
            text,
            " {}",
            short_time(last.saturating_mul(2).saturating_sub(1))
        );
        text
    }
}

/// A time with as few digits as tell its size.
fn short_time(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{}ms", ns / 1_000_000),
        _ => format!("{}s", ns / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            let (least, most) = bounds(bucket);
            assert_eq!(least, next, "{bucket}");
            assert_eq!(super::bucket(least), bucket);
            assert_eq!(super::bucket(most), bucket);
            next = most.wrapping_add(1);
        }
        assert_eq!(bounds(BUCKETS - 1), ((15 << 37), u64::MAX));
    }

    #[test]
    fn an_empty_histogram_has_no_numbers() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.percentile_ns(99), empty.mean_ns(), empty.draw()),
            (0, 0, String::new())
        );
    }

    #[test]
    fn a_picture_has_a_bar_for_each_power_of_two() {
        let mut times = Histogram::default();
        for _ in 0..100 {
            times.add(1500);
        }
        times.add(3000);
        times.add(50_000);
        assert_eq!(times.draw(), "1µs █▁···▁ 65µs");
        assert_eq!(times.octaves().len(), 6);
        assert_eq!(times.buckets_json(), "[[1408,100],[2816,1],[49152,1]]");
        times.add(u64::MAX);
        assert!(times.draw().ends_with("▁ 2199s"), "{}", times.draw());
    }

    #[test]
    fn what_somebody_else_has_counted_is_taken_as_it_is() {
        let counted = Histogram::new([0, 5, u64::MAX, 3], 100, 9);
        assert_eq!((counted.count(), counted.max_ns()), (u64::MAX, 9));
        assert_eq!(Histogram::new(vec![1; 1000], 0, 0).count(), BUCKETS as u64);
    }

    proptest! {
        #[test]
        fn percentiles_are_as_exact_as_they_say(mut times in proptest::collection::vec(0u64..1 << 40, 1..200), percent in 1u32..=100) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|ns| histogram.add(*ns));
            times.sort_unstable();
            let rank = (times.len() * percent as usize).div_ceil(100).max(1);
            let exact = times[rank - 1];
            let told = histogram.percentile_ns(percent);
            prop_assert!(told.abs_diff(exact) <= exact / 16 + 1, "{told} {exact}");
            prop_assert_eq!(histogram.max_ns(), *times.last().unwrap());
            prop_assert_eq!(histogram.mean_ns(), times.iter().sum::<u64>() / times.len() as u64);
        }
    }
}
