//! Perf readers: a ring per CPU behind a perf event array.
//!
//! `ring` talks to the kernel, `record` decodes what is in a ring, `cpus` knows which there are; here is which ring is
//! read when. A ring is written while its event stands in the map under its CPU's number: pausing takes it out.

mod cpus;
mod record;
mod ring;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gizmo_model::map::{PerfError, PerfReader, PerfSpec};
use rustix::thread::{MembarrierCommand, membarrier};

use cpus::{per_cpu, possible_cpus};
use record::{Record, RingBytes, Window};
use ring::Ring;

/// Which reader's buffers are in a map: the one that was opened or resumed last. The others must not take them out when
/// they pause or close. Known per [`LoadedMap`](crate::bpf_map::LoadedMap): readers of two of them for the same map of
/// the kernel pause each other, as they would in two processes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording(Arc<AtomicU64>);

impl Recording {
    fn new_reader() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    fn begin(&self, reader: u64) {
        self.0.store(reader, Ordering::Relaxed);
    }

    /// Whether it was this reader that was recording.
    fn end(&self, reader: u64) -> bool {
        let ended = self
            .0
            .compare_exchange(reader, 0, Ordering::Relaxed, Ordering::Relaxed);
        ended.is_ok()
    }
}

/// The rings of all CPUs that are online, and how far each is read.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Entries live as long as the descriptor they were made with: it is the map's own, doubled.
    map: OwnedFd,
    recording: Recording,
    id: u64,
    rings: Vec<CpuRing>,
    is_overwritable: bool,
    is_paused: bool,
    lost: u64,
    /// The ring that was read last.
    current: usize,
}

#[derive(Debug)]
struct CpuRing {
    cpu: u32,
    ring: Ring,
    /// What is left to read of an overwritable ring that is paused.
    window: Window,
    /// Records from here on, which are older, have been read or passed over.
    end: u64,
}

impl Reader {
    /// Opens the rings and begins to record.
    pub(crate) fn open(
        map: BorrowedFd<'_>,
        max_entries: u32,
        recording: Recording,
        spec: &PerfSpec,
    ) -> io::Result<Self> {
        let page_bytes = rustix::param::page_size();
        let pages = pages(spec.bytes_per_cpu as usize, page_bytes)?;
        // What programs write on a CPU that the map has no entry for is lost, whatever we do.
        let mut cpus = possible_cpus()?;
        cpus.retain(|cpu| *cpu < max_entries);
        let rings = per_cpu(&cpus, |cpu| {
            Ring::open(cpu, pages, page_bytes, spec.is_overwritable)
        })?;
        let rings = rings.into_iter().map(|(cpu, ring)| CpuRing {
            cpu,
            ring,
            window: Window::default(),
            end: 0,
        });
        let mut reader = Self {
            map: map.try_clone_to_owned()?,
            recording,
            id: Recording::new_reader(),
            rings: rings.collect(),
            is_overwritable: spec.is_overwritable,
            is_paused: true,
            lost: 0,
            current: 0,
        };
        reader.put_into_map()?;
        Ok(reader)
    }

    fn put_into_map(&mut self) -> io::Result<()> {
        self.recording.begin(self.id);
        self.is_paused = false;
        for CpuRing { cpu, ring, .. } in &self.rings {
            let event = ring.as_fd().as_raw_fd();
            // SAFETY: the kernel reads 4 bytes each from cpu and event: keys and values of perf event arrays, the only
            // maps that readers are opened for, have that size.
            let result = unsafe {
                libbpf_sys::bpf_map_update_elem(
                    self.map.as_raw_fd(),
                    (&raw const *cpu).cast(),
                    (&raw const event).cast(),
                    0,
                )
            };
            if result < 0 {
                return Err(io::Error::from_raw_os_error(-result));
            }
        }
        Ok(())
    }

    fn take_out_of_map(&self) -> io::Result<()> {
        for CpuRing { cpu, .. } in &self.rings {
            // SAFETY: the kernel reads 4 bytes from cpu, the size of the map's keys.
            let result = unsafe {
                libbpf_sys::bpf_map_delete_elem(self.map.as_raw_fd(), (&raw const *cpu).cast())
            };
            if result < 0 && -result != libc::ENOENT {
                return Err(io::Error::from_raw_os_error(-result));
            }
        }
        Ok(())
    }

    /// The newest records first, ring by ring from the last CPU to the first.
    fn read_backward(&mut self, record: &mut [u8]) -> Result<Option<usize>, PerfError> {
        if !self.is_paused {
            return Err(PerfError::NotPaused);
        }
        for CpuRing { ring, window, .. } in self.rings.iter_mut().rev() {
            while let Some(found) = window.next(ring) {
                if let Some(read) = take(ring, found, record, &mut self.lost) {
                    return read.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The oldest record of the next ring that has one: in turn, so that a busy CPU does not hide the others.
    fn read_forward(&mut self, record: &mut [u8]) -> Result<Option<usize>, PerfError> {
        for _ in 0..self.rings.len() {
            self.current = self.current.checked_sub(1).unwrap_or(self.rings.len() - 1);
            let Some(CpuRing { ring, .. }) = self.rings.get(self.current) else {
                continue;
            };
            let (head, tail) = (ring.head(), ring.tail());
            let mut window = Window {
                at: tail,
                left: head.wrapping_sub(tail),
            };
            while let Some(found) = window.next(ring) {
                let read = take(ring, found, record, &mut self.lost);
                ring.set_tail(window.at);
                if let Some(read) = read {
                    return read.map(Some);
                }
            }
            // The kernel writes whole records: if something is left, it makes no sense.
            ring.set_tail(head);
        }
        Ok(None)
    }
}

impl PerfReader for Reader {
    fn pause(&mut self) -> Result<(), PerfError> {
        if self.is_paused {
            return Ok(());
        }
        if self.recording.end(self.id)
            && let Err(error) = self.take_out_of_map()
        {
            // Some are still in, and the next attempt must know.
            self.recording.begin(self.id);
            return Err(refused("pausing")(error));
        }
        self.is_paused = true;
        if self.is_overwritable {
            // A program may be writing with an event that it found a moment ago. They run under RCU, so they are done
            // after a grace period; kernels with `nohz_full` CPUs refuse, and leave records that may be torn, which
            // are decoded with care.
            let _ = membarrier(MembarrierCommand::Global);
            for ring in &mut self.rings {
                ring.freeze();
            }
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), PerfError> {
        if !self.is_paused {
            return Ok(());
        }
        for ring in &mut self.rings {
            ring.thaw();
        }
        self.put_into_map().map_err(refused("resuming"))
    }

    fn read(&mut self, record: &mut [u8]) -> Result<Option<usize>, PerfError> {
        if self.is_overwritable {
            self.read_backward(record)
        } else {
            self.read_forward(record)
        }
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The rings end with us; entries that stay would write nowhere.
        if self.recording.end(self.id) {
            let _ = self.take_out_of_map();
        }
    }
}

impl CpuRing {
    /// What can be read now: everything newer than what has been read, as far as it has not been overwritten.
    fn freeze(&mut self) {
        let head = self.ring.head();
        self.window = Window {
            at: head,
            left: self.end.wrapping_sub(head).min(self.ring.capacity()),
        };
    }

    /// Forgets what was read; if that is nothing, it can be read later.
    fn thaw(&mut self) {
        let head = self.ring.head();
        if self.window.at != head || self.window.left == 0 {
            self.end = head;
        }
        self.window = Window::default();
    }
}

/// Copies a sample; `None` for records that are no samples.
fn take(
    ring: &Ring,
    found: Record,
    record: &mut [u8],
    lost: &mut u64,
) -> Option<Result<usize, PerfError>> {
    match found {
        Record::Sample { at, bytes } => Some(match record.get_mut(..bytes) {
            Some(place) => {
                ring.copy(at, place);
                Ok(bytes)
            }
            None => Err(PerfError::TooLong {
                bytes,
                room: record.len(),
            }),
        }),
        Record::Lost(records) => {
            *lost = lost.saturating_add(records);
            None
        }
        Record::Malformed => {
            *lost = lost.saturating_add(1);
            None
        }
        Record::Other => None,
    }
}

fn refused(operation: &'static str) -> impl FnOnce(io::Error) -> PerfError {
    move |source| PerfError::Kernel { operation, source }
}

/// Pages of data for so many bytes: a power of two, as the kernel demands.
fn pages(bytes: usize, page_bytes: usize) -> io::Result<usize> {
    match bytes.div_ceil(page_bytes).checked_next_power_of_two() {
        Some(pages) if bytes > 0 => Ok(pages),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
