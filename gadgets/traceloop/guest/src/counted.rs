//! What the programs have counted.

use std::collections::{BTreeMap, VecDeque};

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, warn};
use gizmo_syscalls::latency::Histogram;
use gizmo_syscalls::stats::CallStats;
use gizmo_syscalls::{Abi, socketcall};

use crate::event::Kind;

const KEY_BYTES: usize = size_of::<abi::stats_key>();
const STATS_BYTES: usize = size_of::<abi::call_stats>();

/// Places that the programs have taken are found in the order in which they were free. A CPU that was slower than another gives a
/// place back, so a few may be empty in between.
const MOST_EMPTY: usize = 64;

/// The places of the programs' statistics.
pub struct Counted {
    stats: Map,
    index: Map,
    free: Map,
    uncounted: Map,
    /// Calls that were not counted, and which have been told of.
    told: u64,
    /// Places that the programs may take, in their order.
    waiting: VecDeque<u32>,
    /// Those that they have taken, by whose calls are counted there: slot, and above it the slot's epoch.
    taken: BTreeMap<u64, Vec<u32>>,
}

impl Counted {
    /// Gives the programs their places.
    pub fn open() -> Result<Self, Error> {
        let free = Map::get("free_stats")?;
        for place in 0..abi::STATS_ENTRIES {
            // A queue has no keys.
            free.update(&[0u8; 0], &place, UpdateMode::Any)?;
        }
        Ok(Self {
            stats: Map::get("stats")?,
            index: Map::get("stats_index")?,
            free,
            uncounted: Map::get(".data.uncounted")?,
            told: 0,
            waiting: (0..abi::STATS_ENTRIES).collect(),
            taken: BTreeMap::new(),
        })
    }

    /// What was counted in a slot as long as it had this epoch.
    pub fn of(&mut self, slot: u32, epoch: u32) -> Result<Vec<(Kind, CallStats)>, Error> {
        self.find_taken()?;
        self.tell_uncounted()?;
        let mut bytes = [0; STATS_BYTES];
        let mut counted = Vec::new();
        for place in self.taken.get(&owner(slot, epoch)).into_iter().flatten() {
            if self.stats.lookup(place, &mut bytes)?
                && let Some((_, kind, stats)) = parse(&bytes)
            {
                counted.push((kind, stats));
            }
        }
        Ok(counted)
    }

    /// Takes the places back.
    pub fn forget(&mut self, slot: u32, epoch: u32) -> Result<(), Error> {
        self.find_taken()?;
        let mut bytes = [0; STATS_BYTES];
        for place in self.taken.remove(&owner(slot, epoch)).unwrap_or_default() {
            if !self.stats.lookup(&place, &mut bytes)? {
                continue;
            }
            self.index.delete(&bytes[..KEY_BYTES])?;
            self.stats
                .update(&place, &[0u8; STATS_BYTES], UpdateMode::Any)?;
            self.free.update(&[0u8; 0], &place, UpdateMode::Any)?;
            self.waiting.push_back(place);
        }
        Ok(())
    }

    fn find_taken(&mut self) -> Result<(), Error> {
        let mut bytes = [0; STATS_BYTES];
        let mut at = 0;
        let mut empty = 0;
        while empty < MOST_EMPTY
            && let Some(&place) = self.waiting.get(at)
        {
            self.stats.lookup(&place, &mut bytes)?;
            match parse(&bytes) {
                Some((owner, ..)) => {
                    self.waiting.remove(at);
                    self.taken.entry(owner).or_default().push(place);
                }
                None => {
                    empty += 1;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn tell_uncounted(&mut self) -> Result<(), Error> {
        let mut uncounted = 0u64;
        self.uncounted.lookup(&0u32, &mut uncounted)?;
        if uncounted > self.told {
            warn!(
                "{} calls are not in the statistics, which have room for {} kinds of calls of all containers together",
                uncounted - self.told,
                abi::STATS_ENTRIES
            );
            self.told = uncounted;
        }
        Ok(())
    }
}

fn owner(slot: u32, epoch: u32) -> u64 {
    u64::from(epoch) << 32 | u64::from(slot)
}

/// Whose calls of which kind, and the numbers; `None` if nothing was counted.
fn parse(bytes: &[u8; STATS_BYTES]) -> Option<(u64, Kind, CallStats)> {
    let mut words = bytes
        .chunks_exact(8)
        .map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
    let owner = words.next()?;
    let which = words.next()?;
    let calls = words.next()?;
    let (_timed, total_ns, max_ns) = (words.next()?, words.next()?, words.next()?);
    let times: Vec<u64> = words.by_ref().take(abi::STATS_BUCKETS as usize).collect();
    let errors = (0..)
        .zip(words)
        .filter(|(_, count)| *count > 0)
        .map(|(place, count)| (error_of(place), count));
    let stats = CallStats {
        calls,
        errors: errors.collect(),
        times: Histogram::new(times, total_ns, max_ns),
    };
    (calls > 0).then_some((owner, kind(which as u32, (which >> 32) as u8), stats))
}

/// The error whose calls are counted in a place; 0 for others.
fn error_of(place: u32) -> u32 {
    match place.checked_sub(abi::STATS_KERNEL_ERRORS) {
        Some(behind) => abi::KERNEL_ERRORS + behind,
        None => place,
    }
}

/// What a record's number means, and what a multiplexing call was asked to do.
fn kind(number: u32, abi: u8) -> Kind {
    let subcall = number
        .checked_sub(abi::SUBCALL_RULES)
        .filter(|operation| (1..=abi::SUBCALLS).contains(operation))
        .filter(|_| u32::from(abi) == Abi::I386 as u32);
    Kind {
        abi,
        number: subcall.map_or(number, |_| socketcall::NUMBER),
        subcall: subcall.and_then(|one| u16::try_from(one).ok()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn statistics_lie_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::stats_key, number), 8);
        assert_eq!(offset_of!(abi::stats_key, abi), 12);
        assert_eq!(offset_of!(abi::call_stats, calls), 16);
        assert_eq!(offset_of!(abi::call_stats, total_ns), 32);
        assert_eq!(offset_of!(abi::call_stats, durations), 48);
        assert_eq!(
            abi::STATS_BUCKETS as usize,
            gizmo_syscalls::latency::BUCKETS
        );
    }

    #[test]
    fn what_the_programs_have_counted_is_read() {
        let mut bytes = [0; STATS_BYTES];
        assert!(parse(&bytes).is_none());
        let mut put = |at: usize, value: u64| {
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        };
        put(0, owner(3, 7));
        put(8, u64::from(abi::SUBCALL_RULES + 3) | 1 << 32);
        put(16, 5);
        put(32, 6000);
        put(40, 3000);
        let durations = offset_of!(abi::call_stats, durations);
        put(durations + 8 * gizmo_syscalls::latency::bucket(3000), 2);
        let errors = offset_of!(abi::call_stats, errors);
        put(errors + 8 * 2, 3);
        put(errors + 8 * abi::STATS_KERNEL_ERRORS as usize, 1);
        let (owner, kind, stats) = parse(&bytes).unwrap();
        assert_eq!(
            (owner, kind.abi, kind.number, kind.subcall),
            (7 << 32 | 3, 1, 102, 3)
        );
        assert_eq!(
            (stats.calls, stats.times.count(), stats.times.max_ns()),
            (5, 2, 3000)
        );
        assert_eq!(stats.errors_text(), "ENOENT 3, ERESTARTSYS");
    }
}
