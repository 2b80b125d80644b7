//! Where packets become text: on the thread that emits them, and on one beside it while many come at once.
//!
//! A dump emits millions of packets in batches, and to lay one out takes as long as to decode it. So full sheets of a batch
//! are printed by a helper, on another CPU if there is one, while the next are made. Order stays: whoever prints himself
//! waits for the helper first. Small batches and single packets never see it.

mod helper;

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gizmo_model::{DataSource, Packet};

use crate::SharedWriter;
use crate::printer::Printer;
use helper::Helper;

/// So many packets are printed at once: enough that waking somebody is nothing beside it, and no more than caches hold.
const SHEET: usize = 100;

/// The printers of a run's data sources, which share a writer.
#[derive(Debug)]
pub(crate) struct Press {
    printers: Arc<Printers>,
    desk: Mutex<Desk>,
}

#[derive(Debug)]
struct Printers {
    list: Vec<(Weak<DataSource>, Mutex<Printer>)>,
    writer: SharedWriter,
}

/// What waits, and who helps.
#[derive(Debug, Default)]
struct Desk {
    /// How many batches are under way.
    batches: usize,
    sheet: Vec<Job>,
    helper: Option<Helper>,
}

#[derive(Debug)]
struct Job {
    /// Its place in the list.
    printer: usize,
    packet: Packet,
}

impl Press {
    pub(crate) fn new(
        printers: impl IntoIterator<Item = (Arc<DataSource>, Printer)>,
        writer: SharedWriter,
    ) -> Self {
        let list = printers
            .into_iter()
            .map(|(source, printer)| (Arc::downgrade(&source), Mutex::new(printer)))
            .collect();
        Self {
            printers: Arc::new(Printers { list, writer }),
            desk: Mutex::default(),
        }
    }

    /// Prints a packet, at once or, within a batch, together with others. What is taken comes back to the data source.
    pub(crate) fn print(&self, printer: usize, source: &DataSource, packet: &mut Packet) {
        let mut desk = self.desk();
        if desk.batches == 0 {
            desk.settle(&self.printers);
            self.printers.print(printer, source, packet);
            return;
        }
        let packet = mem::replace(packet, Packet::Array(Vec::new()));
        desk.sheet.push(Job { printer, packet });
        if desk.sheet.len() >= SHEET {
            desk.hand_over(&self.printers);
        }
    }

    /// More will follow at once, until [`Press::end`].
    pub(crate) fn begin(&self) {
        self.desk().batches += 1;
    }

    /// That was all: nothing is held back any more.
    pub(crate) fn end(&self) {
        let mut desk = self.desk();
        desk.batches = desk.batches.saturating_sub(1);
        if desk.batches > 0 || desk.sheet.is_empty() {
            return;
        }
        // In the midst of many the helper prints the last ones, too; a few are printed sooner than somebody is woken.
        if desk.is_helped() || desk.sheet.len() >= SHEET / 2 {
            desk.hand_over(&self.printers);
        } else {
            desk.print(&self.printers);
        }
    }

    /// Calls a function for every printer when everything before is printed.
    pub(crate) fn each(&self, mut act: impl FnMut(&DataSource, &mut Printer, &SharedWriter)) {
        let mut desk = self.desk();
        desk.settle(&self.printers);
        let Printers { list, writer } = &*self.printers;
        for (source, printer) in list {
            if let Some(source) = source.upgrade() {
                act(&source, &mut lock(printer), writer);
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }
}

impl Printers {
    fn print(&self, printer: usize, source: &DataSource, packet: &Packet) {
        if self.writer.is_closed() {
            self.writer.count_dropped();
        } else if let Some((_, printer)) = self.list.get(printer) {
            lock(printer).print(source, packet, &self.writer);
        }
    }

    fn print_all(&self, sheet: &[Job]) {
        self.writer.hold();
        for job in sheet {
            if let Some(source) = self.source(job) {
                self.print(job.printer, &source, &job.packet);
            }
        }
        self.writer.release();
    }

    /// Gives the packets of a printed sheet back, where those who emit find them.
    fn recycle(&self, sheet: &mut Vec<Job>) {
        for job in sheet.drain(..) {
            if let Some(source) = self.source(&job) {
                source.recycle(job.packet);
            }
        }
    }

    fn source(&self, job: &Job) -> Option<Arc<DataSource>> {
        self.list.get(job.printer)?.0.upgrade()
    }
}

impl Desk {
    /// Whether something was handed over that may not be printed yet.
    fn is_helped(&self) -> bool {
        self.helper.as_ref().is_some_and(Helper::is_busy)
    }

    /// Prints the sheet at once.
    fn print(&mut self, printers: &Printers) {
        self.settle(printers);
        printers.print_all(&self.sheet);
        printers.recycle(&mut self.sheet);
    }

    /// Gives the sheet to the helper, and waits while that one has enough.
    fn hand_over(&mut self, printers: &Arc<Printers>) {
        if self.helper.is_none() {
            // Where there can be no more threads, a dump takes longer.
            self.helper = Helper::start(printers).ok();
        }
        let Some(helper) = &mut self.helper else {
            return self.print(printers);
        };
        let mut printed = helper.print(mem::take(&mut self.sheet));
        printers.recycle(&mut printed);
        self.sheet = printed;
    }

    /// Waits until everything is printed that was handed over.
    fn settle(&mut self, printers: &Printers) {
        let printed = self.helper.iter_mut().flat_map(Helper::settle);
        printed.for_each(|mut sheet| printers.recycle(&mut sheet));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
