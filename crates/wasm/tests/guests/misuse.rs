//! Guests that fail, and guests that call the host with wrong arguments.

use gizmo_model::map::{BpfMap, kind};
use gizmo_wasm::{Cause, Error, Guest, Module, Phase};

use crate::host::{finish, init, world};
use crate::support::{FakeMap, chain, logged};

pub fn baderrptr(module: &Module) {
    let error = Guest::instantiate(module, world().context()).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Phase {
                export: "gadgetInit",
                cause: Cause::Trap(_)
            }
        ),
        "{}",
        chain(&error)
    );
}

pub fn badguest(module: &Module) {
    let world = world();
    let (guest, mut lines) = logged(|| init(module, world.context()));
    world
        .maps
        .add(FakeMap::new("test_map", kind::HASH, 12, 4, 1));
    let ((), more) = logged(|| finish(&guest));
    lines.extend(more);
    let warns = |text: &str| {
        lines
            .iter()
            .any(|line| line.starts_with("WARN") && line.contains(text))
    };
    assert!(warns(""), "{lines:?}");
    assert!(warns("a line of level 42"), "{lines:?}");
    assert_eq!(world.maps.open(), 0, "the guest's own map is still open");
}

pub fn failing(module: &Module) {
    let phases = ["init", "pre-start", "start", "stop", "post-stop"];
    let exports = [
        "gadgetInit",
        "gadgetPreStart",
        "gadgetStart",
        "gadgetStop",
        "gadgetPostStop",
    ];
    for (index, (phase, export)) in phases.into_iter().zip(exports).enumerate() {
        let mut world = world();
        world.params.insert("phase".into(), phase.into());
        let later = [Phase::PreStart, Phase::Start, Phase::Stop, Phase::PostStop];
        let error = match Guest::instantiate(module, world.context()) {
            Err(error) => error,
            Ok(guest) => {
                assert_ne!(index, 0, "init succeeded");
                for phase in &later[..index - 1] {
                    guest.call(*phase).unwrap();
                }
                let error = guest.call(later[index - 1]).unwrap_err();
                // A failure is no trap: the phases that clean up still run.
                for phase in &later[index..] {
                    guest.call(*phase).unwrap();
                }
                assert_eq!(guest.death(), None, "{phase}");
                error
            }
        };
        assert_eq!(
            chain(&error),
            format!("{export} failed: cannot watch: phase {phase} is not for me")
        );
    }
}

pub fn hostile_lies(module: &Module) {
    let world = world();
    // A map that can be lied about, although nothing depends on it.
    let innocent = FakeMap::new("innocent", kind::HASH, 4, 4, 1);
    innocent.update(&[0; 4], &[7; 4], 0).unwrap();
    world.maps.add(innocent.clone());
    let ((), lines) = logged(|| finish(&init(module, world.context())));
    let warnings = lines.iter().filter(|line| line.starts_with("WARN")).count();
    assert!((1..=1000).contains(&warnings), "{warnings} warnings");
    let mut value = [0; 4];
    assert!(innocent.lookup(&[0; 4], &mut value).unwrap() && value == [7; 4]);
}
