//! The parameter `syscall-filters`: a text by a person becomes what is recorded and shown.

use gizmo_guest::{Error, architecture, debug, params, symbol_exists, syscall_id, warn};
use gizmo_syscalls::expression::{Expression, KernelTests, Meaning, Plan, needs_captures, point};
use gizmo_syscalls::selection::Selected;
use gizmo_syscalls::{Abi, table, tracefs};

use crate::statistics::Summary;
use crate::{options, statistics};

/// The parameter.
const KEY: &str = "syscall-filters";

/// Which calls are recorded, and which of these are shown.
#[derive(Debug, Clone)]
pub struct Filter(Meaning);

impl std::ops::Deref for Filter {
    type Target = Meaning;

    fn deref(&self) -> &Meaning {
        &self.0
    }
}

/// Whether only failures are asked for, so that nobody looks at calls when they begin. False also for a filter that is none: that is
/// said later.
pub fn is_of_failures() -> Result<bool, Error> {
    let expression = Expression::parse(&params::get(KEY)?);
    let plan = expression.and_then(|expression| Plan::new(&expression.predicates));
    Ok(plan.is_ok_and(|plan| plan.kernel.is_of_failures()))
}

impl Filter {
    /// Reads, parses and resolves the parameter.
    pub fn from_param() -> Result<Self, Error> {
        let native = Abi::native(&architecture()?)
            .or_else(|| architecture().ok()?.parse().ok())
            .ok_or_else(|| Error::new("this architecture is not supported"))?;
        let text = params::get(KEY)?;
        let meaning = Meaning::of(&text, native, syscall_id)
            .map_err(|error| Error::new(format!("--{KEY}: {error}\n{}", point(&text, &error))))?;
        check_options(&meaning)?;
        warn_of_missing(&meaning);
        if meaning.is_given {
            meaning
                .to_string()
                .lines()
                .for_each(|line| debug!("{line}"));
        }
        Ok(Self(meaning))
    }

    /// The same in programs that were loaded for another filter.
    pub fn within(self, loaded: &KernelTests) -> Self {
        Self(self.0.within(loaded))
    }
}

/// What is tested must be recorded, and what is counted must be tested before.
fn check_options(meaning: &Meaning) -> Result<(), Error> {
    if meaning.plan.kernel.duration.is_some() && !options::has_durations()? {
        return Err(Error::new(format!(
            "--{KEY} tests how long calls take, which --no-duration does not measure"
        )));
    }
    let is_counted = statistics::summary()? == Some(Summary::Container);
    if is_counted && let Some(test) = meaning.rest().first() {
        return Err(Error::new(format!(
            "--{KEY} tests `{}` when records are shown, and --summary=container counts in the kernel; --summary=process counts records",
            test.text
        )));
    }
    if needs_captures(&meaning.predicates) && options::capture_bytes()? == 0 {
        return Err(Error::new(format!(
            "--{KEY} tests texts, which --capture-length 0 does not read"
        )));
    }
    Ok(())
}

/// Says which calls the person has named in vain.
fn warn_of_missing(meaning: &Meaning) {
    let native = meaning.native;
    for call in &meaning.selection.calls {
        if call.abi != native || !meaning.names(call) || meaning.selection.is_complement {
            continue;
        }
        // A number that no table knows has a name made from it.
        let is_known = table::number(native, &call.name) == Some(call.number);
        if (!is_known || !is_implemented(call)) && symbol_exists(ALWAYS_THERE) {
            let name = if is_known {
                call.name.clone()
            } else {
                call.number.to_string()
            };
            warn!("this kernel does not implement `{name}`; it is selected all the same");
        }
    }
}

/// A function that every kernel has; without it the symbol table is closed to us and says nothing.
const ALWAYS_THERE: &str = "vfs_read";

/// Whether the kernel has a function for the call: tracefs lacks some calls that exist, the symbol table does not.
fn is_implemented(call: &Selected) -> bool {
    let name = tracefs::tracepoint_name(&call.name, call.abi);
    let prefix = match call.abi {
        Abi::Aarch64 => "__arm64_sys_",
        _ => "__x64_sys_",
    };
    [name, call.name.as_str()].iter().any(|name| {
        symbol_exists(&format!("{prefix}{name}")) || symbol_exists(&format!("sys_{name}"))
    })
}
