//! A run that is kept as a file: everything that the gadget emits and the run would show, before any filter of the output.
//!
//! Whoever emits puts packets into columns; a thread beside compresses and writes them, a full block at once and a
//! part of one after a second. Where the disk is slower than the gadget, the gadget waits, and its rings count what they lose.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gizmo_containers::Resolved;
use gizmo_model::{DataSource, Flow, Packet, Payload, Subscription};
use gizmo_output::{Detour, Mode, Output, is_shown};
use gizmo_recording::{Block, Header, Host, Packer, Writer};
use tracing::{debug, error, warn};

use crate::Error;
use crate::error::chain;
use crate::operators::PRIORITY;
use crate::wait::spawn_joinable;

/// How long a packet waits for its block to be full, and what a crash may cost.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Complete blocks that wait for the disk; each has some 256 KiB.
const MAX_READY: usize = 16;

/// Where a run is saved.
pub struct SaveOptions {
    /// Gets one write per block.
    pub writer: Box<dyn Write + Send>,
    /// Digest of the image.
    pub digest: String,
}

/// What the run knows of itself.
pub(crate) struct Facts<'r> {
    pub(crate) gadget: &'r str,
    pub(crate) image: &'r str,
    pub(crate) command: Option<&'r Resolved>,
    /// By full name.
    pub(crate) params: BTreeMap<String, String>,
}

/// A file that grows while a gadget runs.
pub(crate) struct Saver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    /// There is something to write, or to wait for.
    work: Condvar,
    /// Something was written.
    room: Condvar,
}

#[derive(Default)]
struct Desk {
    /// `None` when nothing more is taken.
    packer: Option<Packer>,
    ready: Vec<Block>,
    /// Since when packets wait for their block to be full.
    waiting_since: Option<Instant>,
    is_over: bool,
    has_failed: bool,
}

impl Saver {
    /// Writes the beginning of the file and subscribes to the data sources.
    ///
    /// # Errors
    /// The file cannot be written, or a data source is beyond what a file can hold.
    pub(crate) fn start(
        sources: &[Arc<DataSource>],
        detour: &Detour,
        output: &Output,
        options: SaveOptions,
        facts: Facts<'_>,
    ) -> Result<Self, Error> {
        let header = header(facts, options.digest);
        let is_wanted = |source: &&Arc<DataSource>| {
            let mut modes = output.modes().iter();
            let asked = modes.any(|(name, mode)| name == source.name() && *mode != Mode::None);
            asked || is_shown(source)
        };
        let sources: Vec<_> = sources.iter().filter(is_wanted).collect();
        let mut packer = Packer::new(sources.iter().map(|source| source.as_ref()))?;
        let writer = Writer::begin(options.writer, &header)?;
        let shared = Arc::new(Shared::default());
        {
            let mut desk = shared.lock();
            packer.flush(&mut desk.ready);
            desk.packer = Some(packer);
        }
        for (position, source) in sources.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let is_for_another = detour.watch();
            let keep = move |source: &DataSource, payload: Payload<'_>| {
                if let Payload::Packet(packet) = payload
                    && !is_for_another()
                {
                    shared.push(position, source, packet);
                }
                Flow::Continue
            };
            source.subscribe(Subscription::Packet, PRIORITY, keep)?;
        }
        let own = Arc::clone(&shared);
        let thread = spawn_joinable("recording", move || own.write(writer))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Writes what waits, and the end. `false` when not everything could be saved, which was said then.
    pub(crate) fn finish(mut self) -> bool {
        self.close();
        !self.shared.lock().has_failed
    }

    fn close(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.shared.fail("its thread has ended");
        }
    }
}

impl Drop for Saver {
    /// A run that fails ends its file, too.
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a packet, and waits while there is no room.
    fn push(&self, position: usize, source: &DataSource, packet: &Packet) {
        let mut desk = self.lock();
        while desk.ready.len() >= MAX_READY && desk.packer.is_some() {
            desk = self.room.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        let Desk { packer, ready, .. } = &mut *desk;
        let Some(packer) = packer else {
            return;
        };
        let pushed = packer.push(position, source, packet, ready);
        let is_waiting = !packer.is_empty();
        if let Err(error) = pushed {
            drop(desk);
            return self.fail(&chain(&error));
        }
        let was_waiting = desk.waiting_since.is_some();
        if !is_waiting {
            desk.waiting_since = None;
        } else if !was_waiting {
            desk.waiting_since = Some(Instant::now());
        }
        if !desk.ready.is_empty() || is_waiting != was_waiting {
            self.work.notify_one();
        }
    }

    /// What the thread does.
    fn write(&self, mut writer: Writer<Box<dyn Write + Send>>) {
        while let Some(blocks) = self.next() {
            for block in blocks {
                if let Err(error) = writer.write(&block) {
                    return self.fail(&chain(&error));
                }
            }
        }
    }

    /// Waits for blocks; `None` when the last were taken.
    fn next(&self) -> Option<Vec<Block>> {
        let mut desk = self.lock();
        loop {
            let waited = desk.waiting_since.map(|since| since.elapsed());
            let is_due = waited.is_some_and(|waited| waited >= LONGEST_WAIT);
            if desk.is_over {
                if let Some(packer) = desk.packer.take() {
                    say_left_out(packer.left_out());
                    desk.ready.extend(packer.end(unix_ns()));
                }
            } else if is_due {
                desk.flush();
            }
            if !desk.ready.is_empty() {
                self.room.notify_all();
                return Some(std::mem::take(&mut desk.ready));
            }
            if desk.is_over {
                return None;
            }
            let rest = waited.map(|waited| LONGEST_WAIT.saturating_sub(waited));
            desk = match rest {
                None => self.work.wait(desk).unwrap_or_else(PoisonError::into_inner),
                Some(rest) => {
                    let woken = self.work.wait_timeout(desk, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Nothing more is saved; said once.
    fn fail(&self, why: &str) {
        let mut desk = self.lock();
        desk.packer = None;
        desk.ready.clear();
        desk.waiting_since = None;
        let has_failed = std::mem::replace(&mut desk.has_failed, true);
        drop(desk);
        self.room.notify_all();
        if !has_failed {
            error!(error = why, "the run is not saved any further; it goes on");
        }
    }
}

impl Desk {
    fn flush(&mut self) {
        if let Some(packer) = &mut self.packer {
            packer.flush(&mut self.ready);
        }
        self.waiting_since = None;
    }
}

fn say_left_out(packets: u64) {
    if packets > 0 {
        warn!(packets, "events were too large to be saved");
    }
}

fn header(facts: Facts<'_>, digest: String) -> Header {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let words = facts.command.map_or(&[][..], |command| &command.args);
    let header = Header {
        gizmo: env!("CARGO_PKG_VERSION").to_owned(),
        gadget: facts.gadget.to_owned(),
        image: facts.image.to_owned(),
        digest,
        started_unix_ns: unix_ns(),
        host: Host {
            name: text(uname.nodename()),
            kernel: text(uname.release()),
            architecture: text(uname.machine()),
            boot_id: boot_id(),
        },
        command: words
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
        params: facts.params,
    };
    debug!(?header, "the run is saved");
    header
}

/// The kernel's name of this boot (random(4)); empty where /proc is not to be had.
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
