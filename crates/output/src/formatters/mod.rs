//! Formatters: fields of known types get a readable text beside them (runtime-and-cli.md 2.7).
//!
//! A formatter is found by the tag `type:<type>` of a field. Its text goes to a new field whose name is the annotation
//! `formatters.<formatter>.target` or the field's own name without `_raw`; a field with neither stays as it is. The
//! annotation `formatters.<formatter>.at-least` names a boolean field of the same data source: where it is true the
//! number is only a lower bound, and `≥` stands before the text. With `formatters.<formatter>.zero-is-unknown: true` the text of
//! 0 is empty. To add a formatter, add a row to `FORMATTERS`. Structures
//! (network endpoints) need members and are not among them yet.

mod scratch;
mod texts;
mod time;

use std::sync::Arc;

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Element, Field, Flow, Kind, Payload, Subscription};
use gizmo_syscalls::Abi;
use jiff::tz::TimeZone;

use crate::Error;
use scratch::Scratch;

/// Priority of the subscriptions.
pub const PRIORITY: i32 = 0;

/// Nanoseconds between the boot clock and the wall clock: `CLOCK_REALTIME` minus `CLOCK_BOOTTIME`, measured by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset(pub i64);

/// What formatters need to know about the host.
#[derive(Debug, Clone)]
pub struct Context {
    clock_offset: ClockOffset,
    zone: TimeZone,
    abi: Option<Abi>,
}

impl Context {
    /// A context with the time zone of the system and the system calls of this machine.
    pub fn new(clock_offset: ClockOffset) -> Self {
        Self {
            clock_offset,
            zone: TimeZone::system(),
            abi: Abi::native(std::env::consts::ARCH),
        }
    }

    /// With another time zone than the system's.
    #[must_use]
    pub fn with_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// With the system calls of another ABI.
    #[must_use]
    pub fn with_abi(mut self, abi: Abi) -> Self {
        self.abi = Some(abi);
        self
    }

    /// For events of another machine, whose architecture is called so by `uname -m`; system calls of an unknown one stay
    /// numbers.
    #[must_use]
    pub fn with_architecture(mut self, architecture: &str) -> Self {
        self.abi = Abi::native(architecture);
        self
    }
}

/// One row of the list of formatters.
struct Formatter {
    /// Part of the annotations' names; the type is `gadget_` and this.
    name: &'static str,
    /// Bytes of the field.
    width: usize,
    /// Template of the field with the text, empty for none.
    template: &'static str,
    write: Write,
}

#[derive(Clone, Copy)]
enum Write {
    Plain(fn(u64, &mut Scratch)),
    Timestamp,
    Syscall,
}

const FORMATTERS: [Formatter; 8] = [
    row("timestamp", 8, "timestamp", Write::Timestamp),
    row("duration", 8, "duration", Write::Plain(texts::duration)),
    row("errno", 4, "errorString", Write::Plain(texts::errno)),
    row("signal", 4, "", Write::Plain(texts::signal)),
    row("syscall", 8, "syscall", Write::Syscall),
    row("bytes", 8, "bytes", Write::Plain(texts::bytes)),
    row("file_mode", 4, "", Write::Plain(texts::file_mode)),
    row("file_flags", 4, "", Write::Plain(texts::file_flags)),
];

const fn row(name: &'static str, width: usize, template: &'static str, write: Write) -> Formatter {
    Formatter {
        name,
        width,
        template,
        write,
    }
}

/// A formatter at work on one field.
struct Job {
    source: Arc<Field>,
    target: Arc<Field>,
    /// Says whether the number is a lower bound.
    at_least: Option<Arc<Field>>,
    zero_is_unknown: bool,
    write: JobWrite,
}

enum JobWrite {
    Plain(fn(u64, &mut Scratch)),
    Timestamp(time::Clock),
    Syscall(Option<Abi>),
}

/// A duration as the field `duration` shows it: with the unit that fits.
pub fn duration(ns: u64) -> String {
    let mut text = String::new();
    texts::duration(ns, &mut text);
    text
}

/// Adds the texts of all fields of known types and subscribes once when there are any.
///
/// # Errors
/// The name of a text's field is taken, or there are too many fields.
pub fn attach(source: &Arc<DataSource>, context: &Context) -> Result<(), Error> {
    let mut jobs = Vec::new();
    for formatter in &FORMATTERS {
        for field in source.fields_tagged(&format!("type:gadget_{}", formatter.name)) {
            jobs.extend(job(source, &field, formatter, context)?);
        }
    }
    if jobs.is_empty() {
        return Ok(());
    }
    source
        .subscribe(Subscription::Element, PRIORITY, move |_, payload| {
            if let Payload::Element(element) = payload {
                let mut scratch = Scratch::default();
                for job in &jobs {
                    job.run(element, &mut scratch);
                }
            }
            Flow::Continue
        })
        .map_err(Error::data_source(source.name()))
}

fn job(
    source: &Arc<DataSource>,
    field: &Arc<Field>,
    formatter: &Formatter,
    context: &Context,
) -> Result<Option<Job>, Error> {
    let kind = field.kind();
    let fits = kind.is_integer() && !field.is_array() && kind.width() == Some(formatter.width);
    let Some(name) = target_name(field, formatter.name).filter(|_| fits) else {
        return Ok(None);
    };
    let write = match formatter.write {
        Write::Plain(write) => JobWrite::Plain(write),
        Write::Timestamp => JobWrite::Timestamp(time::Clock::new(
            context.clock_offset,
            context.zone.clone(),
            field.annotation("formatters.timestamp.format").as_deref(),
        )),
        Write::Syscall => JobWrite::Syscall(context.abi),
    };
    let mut spec = FieldSpec::new(name, Kind::String).at(field.meta().order);
    if !formatter.template.is_empty() {
        spec = spec.annotated("template", formatter.template);
    }
    if let Some(parent) = field.parent() {
        spec.parent = source.fields().get(parent).cloned();
    }
    let target = source
        .add_field(spec)
        .map_err(Error::data_source(source.name()))?;
    target.update_meta(|meta| meta.derived = true);
    field.update_meta(|meta| {
        if !meta.annotations.contains_key("columns.hidden") {
            meta.hidden = true;
        }
    });
    Ok(Some(Job {
        source: Arc::clone(field),
        target,
        at_least: at_least(source, field, formatter.name),
        zero_is_unknown: field
            .annotation(&format!("formatters.{}.zero-is-unknown", formatter.name))
            .is_some_and(|value| value == "true"),
        write,
    }))
}

fn target_name(field: &Field, formatter: &str) -> Option<String> {
    let annotated = field.annotation(&format!("formatters.{formatter}.target"));
    annotated
        .filter(|name| !name.is_empty())
        .or_else(|| {
            let name = field.name().strip_suffix("_raw")?;
            Some(name.to_owned())
        })
        .filter(|name| !name.is_empty())
}

/// The field that says whether the numbers of another are lower bounds.
fn at_least(source: &DataSource, field: &Field, formatter: &str) -> Option<Arc<Field>> {
    let name = field.annotation(&format!("formatters.{formatter}.at-least"))?;
    source
        .field(&name)
        .filter(|flag| flag.kind() == Kind::Bool && !flag.is_array())
}

impl Job {
    fn run(&self, element: &mut Element, scratch: &mut Scratch) {
        // An element made before the text's field was added has no place for it, and nothing is lost by leaving it.
        let Ok(bits) = self.source.value(element) else {
            return;
        };
        scratch.clear();
        if bits == 0 && self.zero_is_unknown {
            let _ = self.target.set_bytes(element, scratch.as_bytes());
            return;
        }
        let is_set = |flag: &Arc<Field>| flag.value(element).is_ok_and(|bits| bits != 0);
        if self.at_least.as_ref().is_some_and(is_set) {
            scratch.push("≥");
        }
        match &self.write {
            JobWrite::Plain(write) => write(bits, scratch),
            JobWrite::Timestamp(clock) => {
                let wall_ns = clock.wall_ns(bits);
                let _ = self.source.set_value(element, wall_ns);
                clock.write(wall_ns, scratch);
            }
            JobWrite::Syscall(abi) => texts::syscall(*abi, bits, scratch),
        }
        let _ = self.target.set_bytes(element, scratch.as_bytes());
    }
}
