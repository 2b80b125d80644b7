//! What the store of a guest holds besides the guest: handles, time, log limits and counters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Weak;
use std::time::{Duration, Instant};

use gizmo_model::params::Param;
use wasmtime::{AsContextMut, Caller, Memory, StoreLimits, StoreLimitsBuilder, UpdateDeadline};

use crate::context::HostContext;
use crate::engine::WasmEngine;
use crate::error::DeadlineExceeded;
use crate::exports::Exports;
use crate::guest::Shared;
use crate::handles::Handles;
use crate::limits::{self, LOG_LINES_PER_SECOND, WARNINGS_PER_SECOND};
use crate::look::Look;
use crate::ticker::TICK;
use crate::wasi::Wasi;

/// What a host call that may block costs the guest. It bounds loops of such calls, whose time is not the guest's: ten
/// seconds are ten million calls.
const CALL_FEE: Duration = Duration::from_micros(1);

/// What an event of a batch costs the guest, beside the time it takes to write it down: a batch can be emitted again and
/// again. Ten seconds are a hundred million events.
pub(crate) const ROW_FEE: Duration = Duration::from_nanos(100);

pub(crate) struct State {
    pub(crate) host: HostContext,
    pub(crate) guest: Weak<Shared>,
    pub(crate) id: u64,
    pub(crate) memory: Option<Memory>,
    pub(crate) exports: Exports,
    pub(crate) handles: Handles,
    /// Values of all parameters, declared and given.
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) limits: StoreLimits,
    pub(crate) budget: Budget,
    pub(crate) report: Report,
    /// What is looked at, as long as the guest is asked.
    pub(crate) look: Option<Look>,
    pub(crate) log_rate: RateLimit,
    pub(crate) warning_rate: RateLimit,
    pub(crate) counts: Counts,
    /// Bytes that one perf reader may have.
    pub(crate) max_perf_reader_bytes: u64,
    pub(crate) wasi: Wasi,
    /// Why the guest is dead.
    pub(crate) dead: Option<String>,
    /// `gadgetStop` is over: no more callbacks.
    pub(crate) stopped: bool,
}

/// What the guest has asked for so far, against the caps of `limits.rs`.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) nesting: usize,
    pub(crate) data_sources: usize,
    pub(crate) fields: usize,
    pub(crate) tags: usize,
    pub(crate) subscriptions: usize,
    pub(crate) config_calls: usize,
    pub(crate) created_maps: usize,
    pub(crate) map_bytes: u64,
    pub(crate) perf_readers: usize,
    pub(crate) perf_bytes: u64,
    pub(crate) iterators: usize,
}

/// What the guest says about itself during a call.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) fail: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) stderr: VecDeque<String>,
}

impl State {
    pub(crate) fn new(
        host: HostContext,
        guest: Weak<Shared>,
        id: u64,
        engine: &WasmEngine,
    ) -> Self {
        let params = param_values(&host);
        let memory = usize::try_from(engine.max_memory_bytes()).unwrap_or(usize::MAX);
        Self {
            host,
            guest,
            id,
            memory: None,
            exports: Exports::default(),
            handles: Handles::default(),
            params,
            limits: StoreLimitsBuilder::new()
                .memory_size(memory)
                .memories(1)
                .instances(1)
                .tables(limits::MAX_TABLES)
                .table_elements(limits::MAX_TABLE_ELEMENTS)
                .build(),
            budget: Budget::default(),
            report: Report::default(),
            look: None,
            log_rate: RateLimit::new(LOG_LINES_PER_SECOND),
            warning_rate: RateLimit::new(WARNINGS_PER_SECOND),
            counts: Counts::default(),
            max_perf_reader_bytes: engine.max_perf_reader_bytes(),
            wasi: Wasi::default(),
            dead: None,
            stopped: false,
        }
    }

    /// Logs what is left of the guest's output at the end of a call.
    pub(crate) fn flush_output(&mut self) {
        crate::wasi::flush(self);
        let swallowed = self.log_rate.take_swallowed();
        if swallowed > 0 {
            let gadget = self.host.gadget.as_str();
            tracing::warn!(gadget, swallowed, "log lines of the guest were dropped");
        }
    }

    /// Logs what the guest did wrong, unless it does so all the time.
    pub(crate) fn warn(&mut self, function: &str, problem: &str) {
        if let Some(swallowed) = self.warning_rate.admit() {
            let gadget = self.host.gadget.as_str();
            if swallowed > 0 {
                tracing::warn!(
                    gadget,
                    swallowed,
                    "warnings about the guest's calls were dropped"
                );
            }
            tracing::warn!(gadget, "{function}: {problem}");
        }
    }
}

/// The client's values over the defaults of `params.wasm` (H12).
fn param_values(host: &HostContext) -> BTreeMap<String, String> {
    let config = host
        .config
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let declared = Param::from_config(&config, "params.wasm", "");
    let mut values: BTreeMap<String, String> = declared
        .into_iter()
        .map(|param| (param.key.to_lowercase(), param.default_value))
        .collect();
    let given = host.params.iter();
    values.extend(given.map(|(key, value)| (key.to_lowercase(), value.clone())));
    values
}

/// The run time left in the outermost call; calls inside it share it, so nesting cannot multiply time.
#[derive(Default)]
pub(crate) struct Budget {
    left: Duration,
    allowed: Duration,
}

impl Budget {
    pub(crate) fn start(&mut self, allowed: Duration) {
        *self = Self {
            left: allowed,
            allowed,
        };
    }

    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    /// Called for every tick that finds the guest running its own code.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.spend(TICK);
        if self.left.is_zero() {
            return Err(DeadlineExceeded {
                allowed: self.allowed,
            }
            .into());
        }
        Ok(UpdateDeadline::Continue(1))
    }
}

/// Forgets the ticks that passed in a host function, which are not the guest's. A guest without time left is ended by
/// the next tick all the same.
pub(crate) fn resume_clock(caller: &mut Caller<'_, State>) {
    let budget = &mut caller.data_mut().budget;
    budget.spend(CALL_FEE);
    if !budget.left.is_zero() {
        caller.as_context_mut().set_epoch_deadline(1);
    }
}

/// So many per second; the rest is counted.
pub(crate) struct RateLimit {
    per_second: u32,
    since: Instant,
    used: u32,
    swallowed: u64,
}

impl RateLimit {
    fn new(per_second: u32) -> Self {
        Self {
            per_second,
            since: Instant::now(),
            used: 0,
            swallowed: 0,
        }
    }

    /// How many were swallowed since the last one admitted; `None` swallows this one.
    pub(crate) fn admit(&mut self) -> Option<u64> {
        if self.used >= self.per_second && self.since.elapsed() >= Duration::from_secs(1) {
            self.used = 0;
        }
        if self.used >= self.per_second {
            self.swallowed += 1;
            return None;
        }
        if self.used == 0 {
            self.since = Instant::now();
        }
        self.used += 1;
        Some(std::mem::take(&mut self.swallowed))
    }

    /// What was swallowed and not yet told.
    pub(crate) fn take_swallowed(&mut self) -> u64 {
        std::mem::take(&mut self.swallowed)
    }
}
