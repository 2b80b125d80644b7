//! Where the programs stand: at all system calls of the host, or at the kernel's functions of the selected ones.
//!
//! At functions, the calls that are not selected cost nothing at all. What is never seen there: calls that seccomp denies, and
//! numbers that are no calls, since no function is reached.

use gizmo_guest::{
    Error, debug, info, params, program_misses, set_config, set_constant, symbol_exists,
    syscall_function,
};
use gizmo_syscalls::selection::abis_of_kernel;
use gizmo_syscalls::{capture, table};

use crate::filter::Filter;

/// Pairs of programs for functions in the object (`bpf/functions.h`).
const SLOTS: usize = 16;

/// Programs that can be preempted need operations that older kernels do not have; this function came with them in 5.13, by which
/// the programs know such kernels, too (`HAS_5_13`).
const SINCE_5_13: &str = "bpf_for_each_map_elem";

/// A function of the kernel that implements selected calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    name: String,
    /// A program looks at its beginning.
    begins: bool,
    /// A program looks at its end.
    returns: bool,
}

/// Where the programs stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// At all calls.
    Tracepoints,
    /// At these functions.
    Functions(Vec<Function>),
}

/// The functions of selected calls, and the calls that have none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    functions: Vec<Function>,
    without: Vec<String>,
}

impl Found {
    fn add(&mut self, function: Function) {
        if !self.functions.contains(&function) {
            self.functions.push(function);
        }
    }
}

impl Attached {
    /// Decides by the parameter `attach`, and says so to the kernel side before it is loaded.
    pub fn choose(filter: &Filter) -> Result<Self, Error> {
        let attached = match params::get("attach")?.trim() {
            "tracepoint" => Self::Tracepoints,
            "function" => Self::Functions(all_functions(filter)?),
            "auto" | "" => functions_if_cheaper(filter)?,
            other => {
                return Err(Error::new(format!(
                    "--attach {other}: auto, tracepoint or function is needed"
                )));
            }
        };
        attached.apply(!filter.plan.kernel.is_of_failures())?;
        Ok(attached)
    }

    fn apply(&self, at_beginnings: bool) -> Result<(), Error> {
        let Self::Functions(functions) = self else {
            attach("record_exit", "sys_exit")?;
            return match at_beginnings {
                true => attach("record_enter", "sys_enter"),
                false => Ok(()),
            };
        };
        for (slot, function) in functions.iter().enumerate() {
            if function.begins {
                attach(&begins(slot), &function.name)?;
            }
            if function.returns {
                attach(&returns(slot), &function.name)?;
            }
        }
        let said = format!(
            "recording at the kernel's {} (calls that seccomp denies are not seen there; --attach tracepoint sees them)",
            names(functions)
        );
        // What a command does is shown where this would be said.
        if gizmo_guest::follows_command()? {
            debug!("{said}");
        } else {
            info!("{said}");
        }
        // Programs at functions can be preempted by others.
        set_constant("preemptible", 1u8)
    }

    /// Whether the calls of another filter can be seen from here.
    pub fn check(&self, filter: &Filter) -> Result<(), Error> {
        let Self::Functions(here) = self else {
            return Ok(());
        };
        if filter.selection.is_complement {
            return Err(Error::new(
                "this run stands at the functions of the calls that it was started with; a filter for all others needs a run with `--attach tracepoint`",
            ));
        }
        let found = find(filter)?;
        let missing = found
            .functions
            .into_iter()
            .filter(|one| !here.iter().any(|seen| seen.name == one.name));
        let missing: Vec<String> = missing.map(|one| one.name).chain(found.without).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(format!(
            "this run stands at the functions of the calls that it was started with; `{}` needs a run with `--attach tracepoint`",
            missing.join("`, `")
        )))
    }

    /// How many runs of the programs the kernel has left out, because the same program was in the middle of a run that it had
    /// interrupted. Each is a call that is missing or, if it was to note the call's beginning, lacks its duration.
    pub fn misses(&self) -> Result<u64, Error> {
        let Self::Functions(functions) = self else {
            return Ok(0);
        };
        let mut misses = 0;
        for (slot, function) in functions.iter().enumerate() {
            if function.begins {
                misses += program_misses(&begins(slot))?;
            }
            if function.returns {
                misses += program_misses(&returns(slot))?;
            }
        }
        Ok(misses)
    }
}

fn attach(program: &str, target: &str) -> Result<(), Error> {
    set_config(&format!("programs.{program}.attach_to"), target)
}

fn begins(slot: usize) -> String {
    format!("function_begins_{slot}")
}

fn returns(slot: usize) -> String {
    format!("function_returns_{slot}")
}

fn names(functions: &[Function]) -> String {
    let names: Vec<&str> = functions.iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

/// The functions that were asked for.
fn all_functions(filter: &Filter) -> Result<Vec<Function>, Error> {
    let refused = |why: &str| Err(Error::new(format!("--attach function: {why}")));
    if filter.selection.is_complement {
        return refused("it is for a few calls; select them with `--syscall-filters`");
    }
    if !symbol_exists(SINCE_5_13) {
        return refused("it needs Linux 5.13 or later");
    }
    let found = find(filter)?;
    match found.functions.len() {
        0 => refused(
            "this kernel lets no program stand at the functions of these calls; `gizmo doctor` says more",
        ),
        1..=SLOTS => {
            if !found.without.is_empty() {
                info!(
                    "not seen, for want of a function: {}",
                    found.without.join(", ")
                );
            }
            Ok(found.functions)
        }
        many => refused(&format!(
            "there are programs for {SLOTS} functions of the kernel, and the selected calls have {many}"
        )),
    }
}

/// For short lists, where everything that is selected can be seen at functions.
fn functions_if_cheaper(filter: &Filter) -> Result<Attached, Error> {
    // A function serves one call, in each ABI at most. Longer lists need not be looked up.
    let most = SLOTS * abis_of_kernel(filter.native).len();
    let is_possible =
        (1..=most).contains(&filter.selection.calls.len()) && !filter.selection.is_complement;
    if !is_possible || !symbol_exists(SINCE_5_13) {
        return Ok(Attached::Tracepoints);
    }
    let found = find(filter)?;
    let is_short = (1..=SLOTS).contains(&found.functions.len());
    Ok(if is_short && found.without.is_empty() {
        Attached::Functions(found.functions)
    } else {
        Attached::Tracepoints
    })
}

fn find(filter: &Filter) -> Result<Found, Error> {
    let mut found = Found::default();
    for call in &filter.selection.calls {
        match syscall_function(call.abi, call.number)? {
            Some(name) => {
                let returns = table::name(call.abi, call.number)
                    .is_none_or(|name| !capture::behaviour(name).never_returns);
                found.add(Function {
                    name,
                    begins: !filter.plan.kernel.is_of_failures(),
                    returns,
                });
            }
            // Another ABI may be switched off, or lack the call; who selects a call by its name means those that exist.
            None if call.abi == filter.native || table::name(call.abi, call.number).is_none() => {
                found.without.push(call.name.clone());
            }
            None => {}
        }
    }
    Ok(found)
}
