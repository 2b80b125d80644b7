//! The filter language on events that were recorded: the same expression that selects calls in the kernel selects them in a file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gizmo_model::{DataSource, Element, Field};
use gizmo_output::calls::{self, Argument, Fields};
use gizmo_syscalls::decode::{Call, Capture, unquote};
use gizmo_syscalls::expression::{Checks, Facts, Meaning, point};
use gizmo_syscalls::selection::Selected;
use gizmo_syscalls::{Abi, fallback, socketcall, table};

use crate::{Error, operators};

/// Shows only the calls that an expression selects. Data sources without calls are left as they are.
///
/// # Errors
/// The text is no expression, or there are no calls.
pub(crate) fn keep_calls(
    sources: &[Arc<DataSource>],
    text: &str,
    architecture: &str,
) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Ok(());
    }
    let unusable = |reason: String| Error::Filter(reason);
    let native = Abi::native(architecture)
        .ok_or_else(|| unusable(format!("the architecture `{architecture}` is not known")))?;
    let meaning =
        Meaning::of(text, native, |name| table::number(native, name)).map_err(|error| {
            let point = point(text, &error).replace('\n', "\n  ");
            unusable(format!("{error}\n  {point}"))
        })?;
    let mut is_used = false;
    for source in sources {
        let Some(fields) = Fields::find(source) else {
            continue;
        };
        is_used = true;
        let judge = Mutex::new(Judge {
            meaning: meaning.clone(),
            fields,
            kinds: HashMap::new(),
        });
        operators::keep_only(source, move |element| {
            let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
            judge.is_meant(element)
        })?;
    }
    match is_used {
        true => Ok(()),
        false => Err(Error::NoCalls),
    }
}

/// What is known of calls of one kind.
struct Kind {
    is_selected: bool,
    checks: Checks,
    /// Whether checks look at arguments.
    needs_args: bool,
}

/// Kinds are few, unless a file lies.
const MOST_KINDS: usize = 4096;

struct Judge {
    meaning: Meaning,
    fields: Fields,
    kinds: HashMap<(Vec<u8>, Vec<u8>), Kind>,
}

impl Judge {
    fn is_meant(&mut self, element: &Element) -> bool {
        let text = |field: &Arc<Field>| field.text(element).unwrap_or_default();
        let number = |field: &Arc<Field>| field.value(element).unwrap_or_default();
        let fields = &self.fields;
        let key = (text(&fields.abi).to_vec(), text(&fields.syscall).to_vec());
        if self.kinds.len() >= MOST_KINDS && !self.kinds.contains_key(&key) {
            self.kinds.clear();
        }
        let meaning = &self.meaning;
        let kind = self
            .kinds
            .entry(key)
            .or_insert_with_key(|(abi, name)| Kind::new(meaning, abi, name));
        if !kind.is_selected || kind.checks.is_empty() {
            return kind.is_selected;
        }
        let (args, texts) = match kind.needs_args {
            true => arguments(text(&fields.args)),
            false => Default::default(),
        };
        let captures: Vec<Capture<'_>> = (0..)
            .zip(&texts)
            .filter_map(|(arg, text)| {
                Some(Capture {
                    arg,
                    part: 0,
                    bytes: text.as_deref()?,
                    true_len: None,
                    fault: false,
                })
            })
            .collect();
        let mut values = [0; 6];
        for (place, value) in values.iter_mut().zip(&args) {
            *place = *value;
        }
        let call = Call {
            args: values,
            arg_count: args.len().min(6) as u8,
            outcome: fields.outcome(element),
            captures: &captures,
            args_known: kind.needs_args,
            files: [None; 6],
        };
        kind.checks.pass(&Facts {
            call: &call,
            duration: fields.duration(element),
            pid: number(&fields.pid) as u32,
            tid: number(&fields.tid) as u32,
            uid: fields.uid.as_ref().map(|uid| number(uid) as u32),
            comm: text(&fields.comm),
        })
    }
}

impl Kind {
    fn new(meaning: &Meaning, abi: &[u8], name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(name);
        let abi = std::str::from_utf8(abi)
            .ok()
            .and_then(|abi| abi.parse().ok());
        let abi: Abi = abi.unwrap_or(meaning.native);
        let operation = socketcall::operation(&name).filter(|_| abi == Abi::I386);
        let number = table::number(abi, &name)
            // Numbers that no table knows are named so.
            .or_else(|| u32::from_str_radix(name.strip_prefix("syscall_")?, 16).ok())
            .or(operation.map(|_| socketcall::NUMBER));
        let call = number.map(|number| Selected {
            abi,
            number,
            name: name.clone().into_owned(),
        });
        let declaration = match call.as_ref().and_then(Selected::socket_operation) {
            Some(_) => socketcall::declaration(&name),
            None => fallback::declaration(abi, &name),
        };
        let checks = Checks::new(&meaning.predicates, abi, &name, declaration);
        Self {
            is_selected: call.is_some_and(|call| meaning.selection.has(&call)),
            needs_args: meaning.tests_arguments(),
            checks,
        }
    }
}

/// Registers and texts of the arguments.
fn arguments(json: &[u8]) -> (Vec<u64>, Vec<Option<Vec<u8>>>) {
    let args = calls::arguments(json);
    let text = |arg: &Argument<'_>| arg.text.as_deref().and_then(unquote);
    (
        args.iter().map(Argument::register).collect(),
        args.iter().map(text).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read_from_json() {
        let json =
            br#"[{"name":"dfd","value":"-100","text":"AT_FDCWD","len":null,"truncated":false},
            {"name":"filename","value":"0x10","text":"\"/e\\\"tc\"","len":4,"truncated":false}]"#;
        let (values, texts) = arguments(json);
        assert_eq!(values, [(-100i64) as u64, 16]);
        assert_eq!(texts, [None, Some(b"/e\"tc".to_vec())]);
        assert_eq!(arguments(b"[{").0, Vec::<u64>::new());
    }
}
