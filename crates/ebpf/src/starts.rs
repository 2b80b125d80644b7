//! Containers begin and end: seen in the kernel, before a container's first instruction, whatever its runtime.
//!
//! The program is `bpf/starts.bpf.c`, which says how a beginning is recognised. It takes part in every run that follows
//! containers; user space learns of each beginning within a moment and can take its time with names.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::map::BpfMap;
use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, Object, ObjectBuilder, RingBuffer, RingBufferBuilder,
};
use rustix::event::{PollFd, PollFlags, poll};

use crate::bpf_map::LoadedMap;
use crate::{Error, libbpf_log};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/starts.bpf.o"));

const FILTER_MAP: &str = "gadget_mntns_filter_map";

/// Bytes of a `struct start` before its path.
const HEAD_BYTES: usize = 32;

/// What the kernel has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A cgroup was made. Neither process nor mount namespace are known.
    Made(Seen),
    /// What looks like a container begins: its first program is about to run.
    Begun(Seen),
    /// A cgroup became empty before anything began in it: a service has ended, or a container's program could not be
    /// executed. Neither process nor mount namespace are known.
    NeverBegan(Seen),
    /// One that began, or that was told to be followed, has no process any more.
    Ended {
        /// Id of its cgroup.
        cgroup_id: u64,
    },
}

/// A cgroup, and who began in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Id of the cgroup; the kernel gives each once.
    pub cgroup_id: u64,
    /// Its path in the v2 hierarchy, cut at 511 bytes.
    pub cgroup_path: String,
    /// The process that executes the first program.
    pub pid: u32,
    /// Its mount namespace.
    pub mntns_id: u64,
    /// When, on the clock that goes on during suspend.
    pub boot_ns: u64,
}

/// The attached program. Detached when dropped.
pub struct Starts {
    followed: MapHandle,
    lost: MapHandle,
    events: Mutex<Option<StartEvents>>,
    _links: Vec<Link>,
    /// Owns the programs; dropped after the links.
    _object: Object,
}

impl Starts {
    /// Loads and attaches. With a filter, new containers are put into it before their first instruction.
    ///
    /// # Errors
    /// The kernel refuses, or the filter is no map of a loaded object.
    pub fn attach(filter: Option<&dyn BpfMap>) -> Result<Self, Error> {
        let (result, log) = libbpf_log::capture(|| load(filter));
        let object = result.map_err(|source| Error::Open { log, source })?;
        let handle = |name: &str| {
            let map = object
                .maps()
                .find(|map| map.name().to_string_lossy().ends_with(name));
            map.map_or_else(
                || {
                    Err(libbpf_rs::Error::from(io::Error::from(
                        io::ErrorKind::NotFound,
                    )))
                },
                |map| MapHandle::try_from(&map),
            )
        };
        let opened = (|| {
            Ok::<_, libbpf_rs::Error>((
                handle("followed")?,
                handle(".data.lost")?,
                handle("starts")?,
            ))
        })();
        let failed = |source| Error::Open {
            log: Vec::new(),
            source,
        };
        let (followed, lost, starts) = opened.map_err(failed)?;
        let events = StartEvents::new(&starts).map_err(failed)?;
        let mut links = Vec::new();
        for program in object.progs_mut() {
            links.push(program.attach().map_err(failed)?);
        }
        Ok(Self {
            followed,
            lost,
            events: Mutex::new(Some(events)),
            _links: links,
            _object: object,
        })
    }

    /// Wants to hear of the end of what began before.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn follow(&self, cgroup_id: u64) -> io::Result<()> {
        self.followed
            .update(&cgroup_id.to_ne_bytes(), &[1], MapFlags::ANY)
            .map_err(io::Error::other)
    }

    /// The events, once.
    pub fn take_events(&self) -> Option<StartEvents> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// How many events were lost because nobody took them in time.
    pub fn lost(&self) -> u64 {
        let value = self.lost.lookup(&0u32.to_ne_bytes(), MapFlags::ANY);
        let bytes = value.ok().flatten().and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    }
}

fn load(filter: Option<&dyn BpfMap>) -> libbpf_rs::Result<Object> {
    let mut builder = ObjectBuilder::default();
    builder.name("starts")?;
    let mut object = builder.open_memory(OBJECT)?;
    if let Some(filter) = filter {
        let own = filter.as_any().downcast_ref::<LoadedMap>();
        let own = own
            .ok_or_else(|| libbpf_rs::Error::from(io::Error::from(io::ErrorKind::InvalidInput)))?;
        for mut map in object.maps_mut() {
            if map.name() == FILTER_MAP {
                map.reuse_fd(own.fd())?;
            } else if map.name().to_string_lossy().ends_with(".rodata") {
                // The only constant of the program: whether the filter is to be filled.
                if let Some(first) = map.initial_value_mut().and_then(|bytes| bytes.first_mut()) {
                    *first = 1;
                }
            }
        }
    }
    object.load()
}

/// Where events come out.
pub struct StartEvents {
    ring: RingBuffer<'static>,
    seen: Arc<Mutex<Vec<Start>>>,
    epoll: std::os::fd::OwnedFd,
}

impl StartEvents {
    fn new(starts: &MapHandle) -> libbpf_rs::Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let mut builder = RingBufferBuilder::new();
        builder.add(starts, move |bytes| {
            if let Some(start) = parse(bytes) {
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(start);
            }
            0
        })?;
        let ring = builder.build()?;
        // SAFETY: the descriptor belongs to the ring buffer, which is borrowed while it is duplicated.
        let epoll = unsafe { BorrowedFd::borrow_raw(ring.epoll_fd()) }.try_clone_to_owned()?;
        Ok(Self { ring, seen, epoll })
    }

    /// Waits until there are events, or until `quit` can be read: then nothing is returned.
    ///
    /// # Errors
    /// Waiting fails.
    pub fn wait(&mut self, quit: impl AsFd) -> io::Result<Vec<Start>> {
        loop {
            let mut descriptors = [
                PollFd::new(&self.epoll, PollFlags::IN),
                PollFd::new(&quit, PollFlags::IN),
            ];
            match poll(&mut descriptors, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) if !descriptors[1].revents().is_empty() => return Ok(Vec::new()),
                Ok(_) => {}
            }
            let taken = self.take()?;
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// What is there already.
    ///
    /// # Errors
    /// The ring cannot be read.
    pub fn take(&mut self) -> io::Result<Vec<Start>> {
        self.ring.consume().map_err(io::Error::other)?;
        Ok(std::mem::take(
            &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

/// A `struct start` of the program.
fn parse(bytes: &[u8]) -> Option<Start> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let wide = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let path = bytes.get(HEAD_BYTES..)?;
    let end = path
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(path.len());
    let seen = Seen {
        cgroup_id: wide(8)?,
        cgroup_path: String::from_utf8_lossy(&path[..end]).into_owned(),
        pid: word(4)?,
        mntns_id: wide(16)?,
        boot_ns: wide(24)?,
    };
    Some(match word(0)? {
        1 => Start::Begun(seen),
        2 => Start::Ended {
            cgroup_id: seen.cgroup_id,
        },
        3 => Start::NeverBegan(seen),
        4 => Start::Made(seen),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u32, path: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(42u32.to_ne_bytes());
        for wide in [7u64, 8, 9] {
            bytes.extend(wide.to_ne_bytes());
        }
        bytes.extend(path);
        bytes
    }

    #[test]
    fn events_are_read_as_they_were_written() {
        let seen = Seen {
            cgroup_id: 7,
            cgroup_path: "/docker/a".into(),
            pid: 42,
            mntns_id: 8,
            boot_ns: 9,
        };
        assert_eq!(
            parse(&bytes(1, b"/docker/a\0rest")),
            Some(Start::Begun(seen.clone()))
        );
        assert_eq!(
            parse(&bytes(3, b"/docker/a")),
            Some(Start::NeverBegan(seen))
        );
        assert!(matches!(
            parse(&bytes(4, b"/docker/a")),
            Some(Start::Made(_))
        ));
        assert_eq!(parse(&bytes(2, b"\0")), Some(Start::Ended { cgroup_id: 7 }));
    }

    #[test]
    fn what_is_no_event_is_nothing() {
        assert_eq!(parse(&bytes(9, b"")), None);
        assert_eq!(parse(&bytes(1, b"")[..20]), None);
        assert_eq!(parse(&[]), None);
    }
}
