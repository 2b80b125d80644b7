//! Test guest: looked at while it runs.
//!
//! Host provides in `params.wasm`: `count` = `3`.
//!
//! Expect: for each of the containers `one` (cgroup 1, mount namespace 10) and `two` (cgroup 2, without one) the numbers from 1
//! to `count` are held. A snapshot emits those of the containers that are wanted into the data source `held`, as `cgroup` and
//! `number`; a follower gets each once. What is forgotten is not held any more. `count` may be changed to another number, and
//! more numbers are held then. Nobody is wanted in `gadgetStart`, nor can recordings be reported there (the guest checks).

use std::cell::RefCell;
use std::collections::BTreeMap;

use gizmo_guest::{DataSource, DataSourceKind, Error, Field, Follower, Recording};
use gizmo_guest::{ensure, export, is_wanted, params};

export! {
    init = init,
    start = start,
    snapshot = || show(|_, from| from),
    follow = follow,
    forget = forget,
    recordings = recordings,
    set_params = set_params,
}

/// Name, cgroup and mount namespace.
const CONTAINERS: [(&str, u64, u64); 2] = [("one", 1, 10), ("two", 2, 0)];

struct Held {
    source: DataSource,
    cgroup: Field<u64>,
    number: Field<u32>,
    count: u32,
    /// The last number that was forgotten, by cgroup.
    forgotten: BTreeMap<u64, u32>,
    /// The last number that was shown, by follower and cgroup.
    shown: BTreeMap<(u32, u64), u32>,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

fn with<R>(act: impl FnOnce(&mut Held) -> Result<R, Error>) -> Result<R, Error> {
    HELD.with_borrow_mut(|held| {
        held.as_mut()
            .map_or_else(|| Err(Error::new("no init")), act)
    })
}

fn wanted() -> impl Iterator<Item = (&'static str, u64, u64)> {
    let is_wanted = |(name, cgroup, mntns): &(&str, u64, u64)| is_wanted(*cgroup, *mntns, name);
    CONTAINERS.into_iter().filter(is_wanted)
}

fn count() -> Result<u32, Error> {
    let count = params::get("count")?;
    count
        .parse()
        .map_err(|_| Error::new(format!("`{count}` is no number")))
}

fn init() -> Result<(), Error> {
    let source = DataSource::new("held", DataSourceKind::Single)?;
    HELD.set(Some(Held {
        cgroup: source.add_field("cgroup")?,
        number: source.add_field("number")?,
        source,
        count: count()?,
        forgotten: BTreeMap::new(),
        shown: BTreeMap::new(),
    }));
    Ok(())
}

fn start() -> Result<(), Error> {
    ensure!(wanted().next().is_none(), "somebody is wanted");
    ensure!(
        Recording::default().report().is_err(),
        "a recording was reported to nobody"
    );
    Ok(())
}

/// Emits what comes after the number that `from` gives for a cgroup and the last forgotten one.
fn show(from: impl Fn(u64, u32) -> u32) -> Result<(), Error> {
    with(|held| {
        for (_, cgroup, _) in wanted() {
            let forgotten = held.forgotten.get(&cgroup).copied().unwrap_or(0);
            for number in from(cgroup, forgotten) + 1..=held.count {
                let packet = held.source.new_packet()?;
                held.cgroup.set(packet.data(), cgroup)?;
                held.number.set(packet.data(), number)?;
                packet.emit()?;
            }
        }
        Ok(())
    })
}

fn follow(follower: Follower) -> Result<(), Error> {
    let shown = with(|held| {
        if follower.is_new {
            held.shown
                .retain(|(number, _), _| *number != follower.number);
        }
        Ok(held.shown.clone())
    })?;
    show(|cgroup, forgotten| {
        let shown = shown.get(&(follower.number, cgroup)).copied();
        shown.unwrap_or(0).max(forgotten)
    })?;
    with(|held| {
        for (_, cgroup, _) in wanted() {
            held.shown.insert((follower.number, cgroup), held.count);
        }
        Ok(())
    })
}

fn forget() -> Result<(), Error> {
    with(|held| {
        let count = held.count;
        held.forgotten
            .extend(wanted().map(|(_, cgroup, _)| (cgroup, count)));
        Ok(())
    })
}

fn recordings() -> Result<(), Error> {
    with(|held| {
        for (name, cgroup_id, mntns_id) in wanted() {
            let forgotten = held.forgotten.get(&cgroup_id).copied().unwrap_or(0);
            Recording {
                name,
                cgroup_id,
                mntns_id,
                recorded: u64::from(held.count),
                held: u64::from(held.count - forgotten),
                lost: 0,
            }
            .report()?;
        }
        Ok(())
    })
}

fn set_params() -> Result<(), Error> {
    let count = count()?;
    with(|held| {
        held.count = count;
        Ok(())
    })
}
