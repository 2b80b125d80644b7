//! One CPU's perf ring: the event, its memory and the two positions shared with the kernel.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::record::RingBytes;

/// `data_head` and `data_tail` in the first page (`struct perf_event_mmap_page`), part of the kernel's ABI.
const HEAD_OFFSET: usize = 1024;
const TAIL_OFFSET: usize = 1032;

/// From include/uapi/linux/perf_event.h, which `libc` does not cover.
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// The event whose ring BPF programs of one CPU write to.
pub(super) struct Ring {
    event: OwnedFd,
    memory: Mapping,
}

impl Ring {
    /// Opens the event of a CPU with so many pages of data; `None` when the CPU is offline.
    pub(super) fn open(
        cpu: u32,
        pages: usize,
        page_bytes: usize,
        is_overwritable: bool,
    ) -> io::Result<Option<Self>> {
        let Some(event) = open_event(cpu, is_overwritable)? else {
            return Ok(None);
        };
        let memory = Mapping::new(event.as_fd(), pages, page_bytes, is_overwritable)?;
        Ok(Some(Self { event, memory }))
    }

    /// Where the kernel has written up to, or down to in a ring that is written backwards.
    pub(super) fn head(&self) -> u64 {
        self.memory.position(HEAD_OFFSET).load(Ordering::Acquire)
    }

    /// Where we have read up to.
    pub(super) fn tail(&self) -> u64 {
        self.memory.position(TAIL_OFFSET).load(Ordering::Relaxed)
    }

    /// Gives the room before `tail` back to the kernel. Only for rings that are not overwritable: the others cannot be
    /// written.
    pub(super) fn set_tail(&self, tail: u64) {
        if self.memory.is_writable {
            let position = self.memory.position(TAIL_OFFSET);
            position.store(tail, Ordering::Release);
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl RingBytes for Ring {
    fn capacity(&self) -> u64 {
        self.memory.data_bytes as u64
    }

    fn copy(&self, at: u64, to: &mut [u8]) {
        self.memory.copy(at, to);
    }
}

fn open_event(cpu: u32, is_overwritable: bool) -> io::Result<Option<OwnedFd>> {
    let mut attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    // Nobody waits for records: a wake-up per half ring, the kernel's default at 0, and not per record.
    attr.set_watermark(1);
    attr.set_write_backward(u64::from(is_overwritable));
    // SAFETY: the kernel reads attr, whose size it contains, during the call. -1: every process, no group.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            -1 as libc::pid_t,
            cpu as libc::c_int,
            -1 as libc::c_int,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    if result < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENODEV) => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: the kernel has just opened this descriptor, and nobody else knows it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(result as i32) }))
}

/// The memory of a ring: a page of positions, then the data.
struct Mapping {
    start: NonNull<u8>,
    page_bytes: usize,
    data_bytes: usize,
    is_writable: bool,
}

// SAFETY: the memory belongs to this value alone and is not bound to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `pages` is a power of two, as the kernel demands. Memory that cannot be written makes the kernel overwrite old
    /// records (kernel/events/core.c, `perf_mmap`).
    fn new(
        event: BorrowedFd<'_>,
        pages: usize,
        page_bytes: usize,
        is_overwritable: bool,
    ) -> io::Result<Self> {
        let protection = if is_overwritable {
            ProtFlags::READ
        } else {
            ProtFlags::READ | ProtFlags::WRITE
        };
        let data_bytes = pages * page_bytes;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                page_bytes + data_bytes,
                protection,
                MapFlags::SHARED,
                event,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            start,
            page_bytes,
            data_bytes,
            is_writable: !is_overwritable,
        })
    }

    /// One of the positions in the first page.
    fn position(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(
            offset + size_of::<AtomicU64>() <= self.page_bytes && offset.is_multiple_of(8)
        );
        // SAFETY: both offsets are multiples of 8 inside of the first page, which is mapped as long as self lives and
        // which the kernel changes by whole 64-bit stores only. A page that is mapped for reading is only loaded from:
        // `set_tail` checks.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    fn copy(&self, at: u64, to: &mut [u8]) {
        // No caller asks for more; what is beyond stays as it was.
        let wanted = to.len().min(self.data_bytes);
        let offset = (at & (self.data_bytes as u64 - 1)) as usize;
        let first = wanted.min(self.data_bytes - offset);
        // SAFETY: the data are data_bytes from the second page on, mapped as long as self lives. The first part lies
        // between offset and their end, the second one, which is shorter than them, at their beginning; `to` has room
        // for both and is memory of Rust, so it does not overlap. The kernel does not write there: a ring that is
        // written forwards keeps what lies between tail and head, one that is overwritten is paused. If it did, the
        // copied bytes would be wrong, which the decoder expects.
        unsafe {
            let data = self.start.as_ptr().add(self.page_bytes);
            std::ptr::copy_nonoverlapping(data.add(offset), to.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(data, to.as_mut_ptr().add(first), wanted - first);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and no reference into it outlives self.
        let unmapped = unsafe {
            munmap(
                self.start.as_ptr().cast(),
                self.page_bytes + self.data_bytes,
            )
        };
        debug_assert!(unmapped.is_ok());
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("event", &self.event.as_raw_fd())
            .finish_non_exhaustive()
    }
}
