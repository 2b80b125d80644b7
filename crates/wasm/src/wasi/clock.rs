//! Clocks, and waiting for them.
//!
//! A guest that waits uses up its own time: a sleep longer than the deadline ends the guest as a loop would.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, Linker};

use crate::host::memory;
use crate::limits::MAX_WASI_ENTRIES;
use crate::state::State;
use crate::wasi::{MODULE, epoch, errno, store};

const REALTIME: u32 = 0;

/// `clockid` of the last clock: monotonic, and the CPU times, which we do not tell apart from it.
const LAST_CLOCK: u32 = 3;

/// Layout of `subscription` and `event` (witx).
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "clock_res_get",
        |mut caller: Caller<'_, State>, clock: u32, at: u32| {
            if clock > LAST_CLOCK {
                return errno::INVAL;
            }
            store(&mut caller, at, &1u64.to_le_bytes())
        },
    )?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut caller: Caller<'_, State>, clock: u32, _: u64, at: u32| {
            if clock > LAST_CLOCK {
                return errno::INVAL;
            }
            store(&mut caller, at, &now(clock).to_le_bytes())
        },
    )?;
    linker.func_wrap(MODULE, "sched_yield", || errno::SUCCESS)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll)?;
    Ok(())
}

fn now(clock: u32) -> u64 {
    let time = if clock == REALTIME {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    } else {
        epoch().elapsed()
    };
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One thing a guest waits for.
struct Wish {
    user_data: [u8; 8],
    kind: u8,
    /// How long from now; `None` for a descriptor, which is always ready.
    wait: Option<Duration>,
}

impl Wish {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let kind = *bytes.get(8)?;
        let wait = if kind == 0 {
            let clock = word(16)? as u32;
            let timeout = word(24)?;
            let absolute = word(40)? & 1 == 1;
            let left = if absolute {
                timeout.saturating_sub(now(clock))
            } else {
                timeout
            };
            Some(Duration::from_nanos(left))
        } else {
            None
        };
        Some(Self {
            user_data: bytes.get(..8)?.try_into().ok()?,
            kind,
            wait,
        })
    }
}

fn poll(
    mut caller: Caller<'_, State>,
    wishes_at: u32,
    events_at: u32,
    count: u32,
    stored_at: u32,
) -> i32 {
    if count == 0 || count > MAX_WASI_ENTRIES {
        return errno::INVAL;
    }
    let (memory, state) = memory::view(&mut caller);
    let start = wishes_at as usize;
    let Some(bytes) = memory.get(start..start + count as usize * SUBSCRIPTION_BYTES) else {
        return errno::FAULT;
    };
    let wishes: Option<Vec<Wish>> = bytes.chunks(SUBSCRIPTION_BYTES).map(Wish::parse).collect();
    let Some(wishes) = wishes else {
        return errno::FAULT;
    };
    let shortest = wishes
        .iter()
        .map(|wish| wish.wait.unwrap_or_default())
        .min()
        .unwrap_or_default();
    // With nothing left, the next tick that finds the guest running ends it.
    let slept = shortest.min(state.budget.left());
    std::thread::sleep(slept);
    state.budget.spend(slept);
    let ready = wishes
        .iter()
        .filter(|wish| wish.wait.unwrap_or_default() <= shortest);
    let mut events = Vec::with_capacity(wishes.len() * EVENT_BYTES);
    for wish in ready {
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&wish.user_data);
        event[10] = wish.kind;
        events.extend_from_slice(&event);
    }
    let stored = (events.len() / EVENT_BYTES) as u32;
    store(&mut caller, events_at, &events).max(store(&mut caller, stored_at, &stored.to_le_bytes()))
}
