//! Guests that end badly, in every phase and in a callback: the phase fails, the host goes on.

use std::time::Duration;

use gizmo_wasm::{Cause, Error, Guest, Module, Phase};

use crate::host::{collect, errors, init, myds, single, world};
use crate::support::{World, chain, logged};

const PHASES: [(&str, Option<Phase>); 4] = [
    ("init", None),
    ("pre-start", Some(Phase::PreStart)),
    ("start", Some(Phase::Start)),
    ("stop", Some(Phase::Stop)),
];

/// How long a looping guest may run here; the others need a fraction of a millisecond or of a second.
const LOOP: Duration = Duration::from_millis(200);

fn world_for(phase: &str) -> World {
    let mut world = world();
    world.params.insert("phase".into(), phase.into());
    world
}

#[track_caller]
fn trap(error: Error) -> String {
    match error {
        Error::Phase {
            cause: Cause::Trap(text),
            ..
        } => text,
        other => panic!("no trap: {}", chain(&other)),
    }
}

/// Has the guest misbehave in every phase and in a callback. `says` judges what a trap says and the log; `is_own` tells
/// the guest's own ERROR lines.
fn misbehaves(
    module: &Module,
    set_up: impl Fn(&mut World),
    says: impl Fn(&str, &[String]),
    is_own: impl Fn(&str) -> bool,
) {
    for (name, phase) in PHASES {
        let mut world = world_for(name);
        set_up(&mut world);
        let (error, lines) = logged(|| in_phase(module, &world, phase));
        says(&trap(error), &lines);
    }

    let mut world = world_for("callback");
    set_up(&mut world);
    let myds = myds(&world);
    let guest = init(module, world.context());
    let later = collect(&myds, |_| ());
    let ((), lines) =
        logged(|| (0..3).for_each(|_| myds.emit(single(myds.new_element())).unwrap()));
    assert_eq!(
        later.lock().unwrap().len(),
        3,
        "events ended with the guest"
    );
    let told = errors(&lines).iter().filter(|line| !is_own(line)).count();
    assert_eq!(told, 1, "{lines:?}");
    says(&guest.death().expect("the guest has ended"), &lines);
    let error = guest.call(Phase::Stop).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Phase {
                cause: Cause::Dead(_),
                ..
            }
        ),
        "{}",
        chain(&error)
    );
}

/// Everything up to the phase succeeds, the phase fails, and the guest stays dead.
fn in_phase(module: &Module, world: &World, phase: Option<Phase>) -> Error {
    let Some(phase) = phase else {
        return Guest::instantiate(module, world.context()).unwrap_err();
    };
    let guest = init(module, world.context());
    for (_, earlier) in PHASES {
        match earlier {
            Some(earlier) if earlier == phase => break,
            Some(earlier) => guest.call(earlier).unwrap(),
            None => {}
        }
    }
    let error = guest.call(phase).unwrap_err();
    assert!(guest.death().is_some());
    error
}

pub fn hostile_loop(module: &Module) {
    misbehaves(
        module,
        |world| {
            let limits = &mut world.deadlines;
            for limit in [
                &mut limits.init,
                &mut limits.pre_start,
                &mut limits.start,
                &mut limits.stop,
                &mut limits.callback,
            ] {
                *limit = LOOP;
            }
        },
        |trap, _| assert!(trap.contains("ran longer than 0.2 s"), "{trap}"),
        |_| false,
    );
}

pub fn hostile_memory(module: &Module) {
    misbehaves(
        module,
        |_| {},
        |_, lines| {
            let line = lines.iter().find_map(|line| {
                let rest = line.strip_prefix("INFO memory ended after ")?;
                rest.strip_suffix(" MiB")?.parse::<u64>().ok()
            });
            let taken = line.unwrap_or_else(|| panic!("no line about memory: {lines:?}"));
            assert!((8..=16).contains(&taken), "{taken} MiB of 16");
        },
        // The allocator's own last words, if it has any.
        |line| line.contains("memory allocation"),
    );
}

pub fn hostile_panic(module: &Module) {
    const WORDS: &str = "nobody expects this panic";
    misbehaves(
        module,
        |_| {},
        |_, lines| {
            let is_there = |line: &String| {
                line.starts_with("ERROR") && line.contains(WORDS) && line.contains("src/lib.rs:")
            };
            assert!(lines.iter().any(is_there), "{lines:?}");
        },
        |line| line.contains(WORDS) && line.contains("panicked"),
    );
}

pub fn hostile_trap(module: &Module) {
    misbehaves(
        module,
        |_| {},
        |trap, _| assert!(trap.contains("unreachable"), "{trap}"),
        |_| false,
    );
}

pub fn hostile_recursion(module: &Module) {
    let guest = init(module, world().context());
    guest.call(Phase::PreStart).unwrap();
    let (result, _) = logged(|| guest.call(Phase::Start));
    // Either is fine; that we are still here is the test.
    if let Err(error) = result {
        assert!(matches!(error, Error::Phase { .. }), "{}", chain(&error));
    }
    drop(guest);
    init(module, world().context());
}
