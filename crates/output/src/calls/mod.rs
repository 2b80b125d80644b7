//! System calls among events: what the fields of a data source say of a call, and the forms in which only calls can be shown.

pub(crate) mod page;
pub(crate) mod perfetto;
mod remark;
pub(crate) mod strace;

pub use remark::Remark;

use std::borrow::Cow;
use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field};
use gizmo_syscalls::decode::Outcome;
use gizmo_syscalls::errno;
use gizmo_syscalls::expression::Duration;
use serde::Deserialize;

use crate::value;

/// The name of a container, in data sources that know one.
pub const CONTAINER_FIELD: &str = "runtime.containerName";

/// The fields of a call, as traceloop has them.
pub struct Fields {
    /// When it began, ns of the clock that the formatters have turned it to.
    pub timestamp: Arc<Field>,
    /// Name of the ABI.
    pub abi: Arc<Field>,
    /// Name of the call.
    pub syscall: Arc<Field>,
    /// Arguments as `name=value`.
    pub parameters: Arc<Field>,
    /// Result as a text; [`Fields::outcome`] reads it.
    pub ret: Arc<Field>,
    /// Name of the error; empty on success.
    pub error: Arc<Field>,
    /// Arguments as a list in JSON; [`arguments`] reads it.
    pub args: Arc<Field>,
    /// Name of the thread.
    pub comm: Arc<Field>,
    /// Process, as the host numbers it.
    pub pid: Arc<Field>,
    /// Thread, as the host numbers it.
    pub tid: Arc<Field>,
    /// User of the thread.
    pub uid: Option<Arc<Field>>,
    /// CPU.
    pub cpu: Option<Arc<Field>>,
    /// Name of the container.
    pub container: Option<Arc<Field>>,
    /// ns; 0 where nobody knows.
    pub duration: Option<Arc<Field>>,
    /// Whether the call had not returned.
    pub unfinished: Option<Arc<Field>>,
    /// Whether its beginning was not seen.
    pub at_least: Option<Arc<Field>>,
}

impl Fields {
    /// Those of a data source; `None` if its events are no calls.
    pub fn find(source: &DataSource) -> Option<Self> {
        Some(Self {
            timestamp: source.field("timestamp_raw")?,
            abi: source.field("abi")?,
            syscall: source.field("syscall")?,
            parameters: source.field("parameters")?,
            ret: source.field("ret")?,
            error: source.field("error")?,
            args: source.field("args")?,
            comm: source.field("comm")?,
            pid: source.field("pid")?,
            tid: source.field("tid")?,
            uid: source.field("uid"),
            cpu: source.field("cpu"),
            container: source.field(CONTAINER_FIELD),
            duration: source.field("duration_raw"),
            unfinished: source.field("unfinished"),
            at_least: source.field("at_least"),
        })
    }

    /// How a call ended.
    pub fn outcome(&self, element: &Element) -> Outcome {
        let text = |field: &Arc<Field>| field.text(element).unwrap_or_default();
        outcome(
            text(&self.ret),
            text(&self.error),
            self.is_unfinished(element),
        )
    }

    /// How long it took, if that is known.
    pub fn duration(&self, element: &Element) -> Option<Duration> {
        let ns = self.duration.as_ref()?.value(element).ok()?;
        // No call takes no time: 0 stands for what nobody knows.
        (ns > 0).then(|| match self.is_unfinished(element) {
            true => Duration::AtLeast(ns),
            false => Duration::Exactly(ns),
        })
    }

    fn is_unfinished(&self, element: &Element) -> bool {
        is_set(self.unfinished.as_ref(), element)
    }

    fn number(field: Option<&Arc<Field>>, element: &Element) -> u64 {
        field.map_or(0, |field| value::bits(field, element))
    }
}

fn is_set(field: Option<&Arc<Field>>, element: &Element) -> bool {
    Fields::number(field, element) != 0
}

/// An argument, as it stands in the field `args`.
#[derive(Deserialize)]
pub struct Argument<'a> {
    /// Its name in the declaration.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The register, decimal or hexadecimal behind `0x`.
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    /// What it means, where that is more.
    #[serde(borrow)]
    pub text: Option<Cow<'a, str>>,
}

impl Argument<'_> {
    /// The bits of the register.
    pub fn register(&self) -> u64 {
        match self.value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).unwrap_or_default(),
            None => self.value.parse::<i128>().map_or(0, |number| number as u64),
        }
    }

    /// What a person wants to read.
    pub fn shown(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.value)
    }
}

/// The arguments of a call; none if the text is not such a list.
pub fn arguments(args: &[u8]) -> Vec<Argument<'_>> {
    serde_json::from_slice(args).unwrap_or_default()
}

/// How a call ended, by its texts.
fn outcome(ret: &[u8], error: &[u8], is_unfinished: bool) -> Outcome {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    if is_unfinished {
        return Outcome::Unfinished;
    }
    if let Some(error) = errno::number(text(error)) {
        return Outcome::Returned(-i64::from(error));
    }
    match text(ret) {
        "X" => Outcome::NeverReturns,
        "killed" => Outcome::Killed,
        number => {
            let number = number.split(' ').next().unwrap_or_default();
            let parsed = match number.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok().map(|bits| bits as i64),
                None => number.parse().ok(),
            };
            parsed.map_or(Outcome::Unfinished, Outcome::Returned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_their_texts() {
        let result = |ret: &str, error: &str| outcome(ret.as_bytes(), error.as_bytes(), false);
        assert_eq!(result("3", ""), Outcome::Returned(3));
        assert_eq!(result("0x7f00", ""), Outcome::Returned(0x7f00));
        assert_eq!(
            result("-1 ENOENT (No such file or directory)", "ENOENT"),
            Outcome::Returned(-2)
        );
        assert_eq!(
            result("? ERESTARTSYS (To be restarted)", "ERESTARTSYS"),
            Outcome::Returned(-512)
        );
        assert_eq!(result("X", ""), Outcome::NeverReturns);
        assert_eq!(result("killed", ""), Outcome::Killed);
    }
}
