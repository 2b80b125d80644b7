//! The calls of a recording in memory, for those who go back and forth among them.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::{Element, Field};
use gizmo_output::calls::{Fields, Remark};
use gizmo_output::escape;
use gizmo_recording::Recording;
use gizmo_syscalls::errno;
use gizmo_syscalls::expression::Duration;

use crate::wanted::{Wanted, emit_all};
use crate::{Error, operators};

/// More calls than this are left out: with their texts they take a gigabyte.
const MOST_CALLS: usize = 5_000_000;

/// And those behind so many bytes of texts. A file of a few megabytes can hold more of them than there is memory.
const MOST_BYTES: usize = 1 << 30;

/// Calls, and what is said about them, in the order in which they began. No text has anything that a terminal would act on.
#[derive(Debug, Default)]
pub struct Calls {
    /// Calls and notices.
    pub rows: Vec<Row>,
    texts: Vec<Arc<str>>,
    /// Calls that were left out, being more than fit.
    pub left_out: u64,
    /// Parts of the file that could not be read.
    pub damaged_parts: u64,
}

/// A text of [`Calls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextId(u32);

/// A call or a notice.
#[derive(Debug, Clone)]
pub struct Row {
    /// When it began, ns since 1970.
    pub start_ns: u64,
    /// How long it took, or has taken, if that is known.
    pub duration: Option<Duration>,
    /// Whether it failed.
    pub has_failed: bool,
    /// What it is.
    pub what: RowKind,
}

/// What a row is.
#[derive(Debug, Clone)]
pub enum RowKind {
    /// A call.
    Call(CallRow),
    /// Something that is said about the calls, such as that some are missing.
    Notice(TextId),
}

/// What is known of a call beside its times.
#[derive(Debug, Clone)]
pub struct CallRow {
    /// Process, as the host numbers it.
    pub pid: u32,
    /// Thread, as the host numbers it.
    pub tid: u32,
    /// User.
    pub uid: u32,
    /// CPU.
    pub cpu: u16,
    /// Name of the thread.
    pub comm: TextId,
    /// Name of the container; empty without one.
    pub container: TextId,
    /// ABI.
    pub abi: TextId,
    /// Name.
    pub syscall: TextId,
    /// Arguments as `name=value`.
    pub parameters: TextId,
    /// Result.
    pub ret: TextId,
}

impl Calls {
    /// Loads what is wanted of a recording. What is wrong with the file is said as by [`show`](crate::show).
    ///
    /// # Errors
    /// The file is no recording or has no calls, or what is wanted makes no sense.
    pub fn load(input: impl Read, wanted: &Wanted) -> Result<Self, Error> {
        let mut recording = Recording::open(input)?;
        let sources = recording.sources();
        wanted.keep(&recording, &sources)?;
        let loader = Arc::<Mutex<Loader>>::default();
        let mut has_calls = false;
        for source in &sources {
            if let Some(fields) = Fields::find(source) {
                has_calls = true;
                operators::consume(source, &loader, move |loader, element| {
                    loader.take(|loader| loader.call(&fields, element));
                })?;
            } else if let Some(remark) = Remark::find(source) {
                operators::consume(source, &loader, move |loader, element| {
                    loader.take(|loader| loader.notice(&remark, element));
                })?;
            }
        }
        if !has_calls {
            return Err(Error::NoCalls);
        }
        let damaged_parts = emit_all(&mut recording)?;
        let mut loader = loader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = std::mem::take(&mut loader.calls);
        calls.damaged_parts = damaged_parts;
        // Those that began together stay in the order in which they returned.
        calls.rows.sort_by_key(|row| row.start_ns);
        Ok(calls)
    }

    /// A text.
    pub fn text(&self, id: TextId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| text)
    }
}

#[derive(Default)]
struct Loader {
    calls: Calls,
    /// Texts that are there, since most come again and again.
    known: HashMap<Arc<str>, TextId>,
    /// Of all texts.
    bytes: usize,
    scratch: String,
}

impl Loader {
    fn take(&mut self, make: impl FnOnce(&mut Self) -> Row) {
        if self.calls.rows.len() >= MOST_CALLS || self.bytes >= MOST_BYTES {
            self.calls.left_out += 1;
            return;
        }
        let row = make(self);
        self.calls.rows.push(row);
    }

    fn call(&mut self, fields: &Fields, element: &Element) -> Row {
        let number = |field: &Arc<Field>| field.value(element).unwrap_or_default();
        let optional = |field: &Option<Arc<Field>>| field.as_ref().map_or(0, number);
        let mut text = |field: &Arc<Field>| self.text(field.text(element).unwrap_or_default());
        let what = CallRow {
            pid: number(&fields.pid) as u32,
            tid: number(&fields.tid) as u32,
            uid: optional(&fields.uid) as u32,
            cpu: optional(&fields.cpu) as u16,
            comm: text(&fields.comm),
            abi: text(&fields.abi),
            syscall: text(&fields.syscall),
            parameters: text(&fields.parameters),
            ret: text(&fields.ret),
            container: match &fields.container {
                Some(container) => text(container),
                None => self.text(b""),
            },
        };
        let result = fields.outcome(element).result();
        Row {
            start_ns: number(&fields.timestamp),
            duration: fields.duration(element),
            has_failed: result.and_then(errno::from_return).is_some(),
            what: RowKind::Call(what),
        }
    }

    fn notice(&mut self, remark: &Remark, element: &Element) -> Row {
        let text = remark.text(element);
        // What is about no time is about what comes next.
        let last = self.calls.rows.last().map_or(0, |row| row.start_ns);
        Row {
            start_ns: remark.timestamp(element).unwrap_or(last),
            duration: None,
            has_failed: false,
            what: RowKind::Notice(self.text(text.as_bytes())),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> TextId {
        self.scratch.clear();
        escape(bytes, &mut self.scratch);
        if let Some(id) = self.known.get(self.scratch.as_str()) {
            return *id;
        }
        let text: Arc<str> = self.scratch.as_str().into();
        self.bytes += text.len();
        // There are fewer texts than 6 for each of MOST_CALLS.
        let id = TextId(self.calls.texts.len() as u32);
        self.calls.texts.push(Arc::clone(&text));
        self.known.insert(text, id);
        id
    }
}
