//! System calls among the events of a recording: what its fields say of a call.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field};
use gizmo_syscalls::decode::Outcome;
use gizmo_syscalls::errno;
use gizmo_syscalls::expression::Duration;

/// The fields of a call, as traceloop has them.
pub(crate) struct Fields {
    pub(crate) abi: Arc<Field>,
    pub(crate) syscall: Arc<Field>,
    pub(crate) ret: Arc<Field>,
    pub(crate) error: Arc<Field>,
    pub(crate) args: Arc<Field>,
    pub(crate) comm: Arc<Field>,
    pub(crate) pid: Arc<Field>,
    pub(crate) tid: Arc<Field>,
    pub(crate) uid: Option<Arc<Field>>,
    pub(crate) duration: Option<Arc<Field>>,
    pub(crate) unfinished: Option<Arc<Field>>,
}

impl Fields {
    /// Those of a data source; `None` if its events are no calls.
    pub(crate) fn find(source: &DataSource) -> Option<Self> {
        Some(Self {
            abi: source.field("abi")?,
            syscall: source.field("syscall")?,
            ret: source.field("ret")?,
            error: source.field("error")?,
            args: source.field("args")?,
            comm: source.field("comm")?,
            pid: source.field("pid")?,
            tid: source.field("tid")?,
            uid: source.field("uid"),
            duration: source.field("duration_raw"),
            unfinished: source.field("unfinished"),
        })
    }

    /// How a call ended.
    pub(crate) fn outcome(&self, element: &Element) -> Outcome {
        let text = |field: &Arc<Field>| field.text(element).unwrap_or_default();
        outcome(
            text(&self.ret),
            text(&self.error),
            self.is_unfinished(element),
        )
    }

    /// How long it took, if that is known.
    pub(crate) fn duration(&self, element: &Element) -> Option<Duration> {
        let ns = self.duration.as_ref()?.value(element).ok()?;
        // No call takes no time: 0 stands for what nobody knows.
        (ns > 0).then(|| match self.is_unfinished(element) {
            true => Duration::AtLeast(ns),
            false => Duration::Exactly(ns),
        })
    }

    fn is_unfinished(&self, element: &Element) -> bool {
        let field = self.unfinished.as_ref();
        field.is_some_and(|field| field.value(element).is_ok_and(|value| value != 0))
    }
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
