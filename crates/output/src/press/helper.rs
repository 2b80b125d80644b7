//! The thread that prints beside those that emit.

use std::io;
use std::iter;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::{Job, Printers};

/// Sheets that are being printed or wait for that; so much is under way at most when a run is killed.
const UNDER_WAY: usize = 2;

/// Prints sheets in the order in which they are given. It has printed all of them when it is dropped.
#[derive(Debug)]
pub(super) struct Helper {
    /// None when there will be no more.
    sheets: Option<SyncSender<Vec<Job>>>,
    printed: Receiver<Vec<Job>>,
    thread: Option<JoinHandle<()>>,
    under_way: usize,
}

impl Helper {
    /// # Errors
    /// The process may have no more threads.
    pub(super) fn start(printers: &Arc<Printers>) -> io::Result<Self> {
        let (sheets, given) = sync_channel::<Vec<Job>>(UNDER_WAY);
        let (done, printed) = sync_channel(UNDER_WAY);
        let printers = Arc::clone(printers);
        let work = move || {
            for sheet in given {
                printers.print_all(&sheet);
                // Whoever does not listen any more does not want it back.
                let _ = done.send(sheet);
            }
        };
        Ok(Self {
            sheets: Some(sheets),
            printed,
            thread: Some(
                Builder::new()
                    .name("gizmo-printer".to_owned())
                    .spawn(work)?,
            ),
            under_way: 0,
        })
    }

    /// Whether something has not been taken back.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way > 0
    }

    /// Lets a sheet be printed, and returns a printed one or, at first, an empty one.
    pub(super) fn print(&mut self, sheet: Vec<Job>) -> Vec<Job> {
        let printed = (self.under_way == UNDER_WAY).then(|| self.take_back());
        let given = self.sheets.as_ref().map(|sheets| sheets.send(sheet));
        if !matches!(given, Some(Ok(()))) {
            self.fail();
        }
        self.under_way += 1;
        printed.unwrap_or_default()
    }

    /// Waits for everything that was given, and returns it.
    pub(super) fn settle(&mut self) -> impl Iterator<Item = Vec<Job>> + '_ {
        iter::from_fn(|| (self.under_way > 0).then(|| self.take_back()))
    }

    fn take_back(&mut self) -> Vec<Job> {
        let Ok(sheet) = self.printed.recv() else {
            self.fail();
        };
        self.under_way -= 1;
        sheet
    }

    /// The thread has ended, which it does in a panic only: that goes on where the packets come from.
    fn fail(&mut self) -> ! {
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Err(panic)) => resume_unwind(panic),
            _ => unreachable!("the thread prints until it is told to end"),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.sheets = None;
        if let Some(thread) = self.thread.take() {
            // A panic was shown when it happened.
            let _ = thread.join();
        }
    }
}
