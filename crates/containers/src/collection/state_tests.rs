use std::sync::mpsc::{Receiver, sync_channel};

use super::*;

const ID: &str = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";

fn state() -> (State, Receiver<ContainerEvent>) {
    let mut state = State::new(Memory::default());
    let (sender, receiver) = sync_channel(100);
    state.subscribe(sender);
    (state, receiver)
}

fn found(id: &str, name: &str) -> Found {
    let container = Container {
        id: id.into(),
        name: name.into(),
        runtime_name: "docker".into(),
        ..Default::default()
    };
    Found {
        container,
        is_sandbox: false,
    }
}

fn event() -> EventId {
    EventId {
        id: ID.into(),
        name: "web".into(),
        ..Default::default()
    }
}

fn facts(pid: u32) -> Option<Facts> {
    Some(Facts {
        pid,
        start_ticks: u64::from(pid) * 10,
        ..Default::default()
    })
}

fn shown(mntns_id: u64) -> Container {
    Container {
        id: ID.into(),
        mntns_id,
        pid: 7,
        ..Default::default()
    }
}

/// What the subscriber was told, in short.
#[track_caller]
fn told(receiver: &Receiver<ContainerEvent>, expected: &[&str]) {
    let events: Vec<String> = receiver
        .try_iter()
        .map(|event| match event {
            ContainerEvent::Added(it) => format!("added {}", it.name),
            ContainerEvent::Named(it) => format!("named {}", it.name),
            ContainerEvent::Removed(it) => format!("removed {}", it.name),
            ContainerEvent::Lost(count) => format!("lost {count}"),
        })
        .collect();
    assert_eq!(events, expected);
}

#[test]
fn a_container_of_a_runtime_comes_and_goes() {
    let (mut state, events) = state();
    state.learn(found(ID, "web"), facts(7));
    state.learn(found(ID, "web"), facts(7));
    told(&events, &["added web"]);
    state.ended("", ID);
    state.ended("", ID);
    told(&events, &["removed web"]);
    assert_eq!(state.find("", ID).unwrap().name, "web");
    assert_eq!(state.live().count(), 0);
}

#[test]
fn what_the_kernel_shows_is_named_when_the_runtime_answers() {
    let (mut state, events) = state();
    assert_eq!(state.discover(shown(5), 70).unwrap().name, "");
    told(&events, &["added "]);
    assert!(!state.is_named("", ID));
    state.learn(found(ID, "web"), None);
    told(&events, &["named web"]);
    assert!(state.is_named("", ID));
    assert_eq!(state.find_mntns(5).unwrap().name, "web");
    // The same process, seen by the runtime.
    state.learn(found(ID, "web"), facts(7));
    told(&events, &[]);
}

#[test]
fn what_a_runtime_has_mentioned_is_named_at_once() {
    let (mut state, events) = state();
    state.note("docker", &event(), false);
    told(&events, &[]);
    assert_eq!(state.discover(shown(5), 70).unwrap().name, "web");
    told(&events, &["added web"]);
}

#[test]
fn a_name_arrives_after_the_end() {
    let (mut state, events) = state();
    state.discover(shown(5), 70);
    state.ended("", ID);
    state.learn(found(ID, "web"), None);
    told(&events, &["added ", "removed "]);
    assert_eq!(state.find("", ID).unwrap().name, "web");
    assert_eq!(state.find_mntns(5).unwrap().name, "web");
}

#[test]
fn a_container_that_was_too_short_is_told_all_the_same() {
    let (mut state, events) = state();
    state.note("docker", &event(), true);
    state.learn(found(ID, "web"), None);
    told(&events, &[]);
    state.passed("", ID);
    state.passed("", ID);
    state.ended("", ID);
    told(&events, &["added web", "removed web"]);
    // Once more, and this time the end is told before the runtime has answered.
    state.note("docker", &event(), true);
    state.ended("", ID);
    state.ended("", ID);
    state.passed("", ID);
    told(&events, &["added web", "removed web"]);
}

#[test]
fn a_container_that_was_only_made_is_not_told() {
    let (mut state, events) = state();
    state.note("docker", &event(), false);
    state.ended("", ID);
    told(&events, &[]);
}

#[test]
fn a_late_answer_does_not_raise_the_dead() {
    let (mut state, events) = state();
    state.learn(found(ID, "web"), facts(7));
    state.ended("", ID);
    state.learn(found(ID, "web"), facts(7));
    told(&events, &["added web", "removed web"]);
}

#[test]
fn a_restarted_container_is_another_one() {
    let (mut state, events) = state();
    state.learn(found(ID, "web"), facts(7));
    state.ended("", ID);
    state.learn(found(ID, "web"), facts(8));
    told(&events, &["added web", "removed web", "added web"]);
    // Its end was missed.
    state.learn(found(ID, "web"), facts(9));
    told(&events, &["removed web", "added web"]);
    assert_eq!(state.find("", ID).unwrap().pid, 9);
    // The kernel shows a third one.
    state.discover(
        Container {
            pid: 10,
            ..shown(6)
        },
        100,
    );
    told(&events, &["removed web", "added web"]);
    assert_eq!(state.find("", ID).unwrap().mntns_id, 6);
}

#[test]
fn a_sandbox_is_nobodys_business() {
    let (mut state, events) = state();
    let sandbox = Found {
        is_sandbox: true,
        ..found(ID, "pause")
    };
    state.discover(shown(5), 70);
    state.learn(sandbox.clone(), None);
    told(&events, &["added ", "removed "]);
    assert!(state.find("", ID).is_none());
    assert!(state.discover(shown(5), 70).is_none());
    state.learn(sandbox, facts(7));
    state.learn(found(ID, "x"), facts(7));
    told(&events, &[]);
    assert!(state.is_named("", ID));
}

#[test]
fn processes_that_are_gone_end_their_containers() {
    let (mut state, events) = state();
    state.learn(found(ID, "web"), facts(7));
    state.sweep(|pid, ticks| (pid, ticks) == (7, 70));
    told(&events, &["added web"]);
    state.sweep(|_, _| false);
    told(&events, &["removed web"]);
}

#[test]
fn a_list_ends_only_what_has_no_process() {
    let (mut state, events) = state();
    state.learn(found(ID, "web"), facts(7));
    state.learn(found("0a", "db"), None);
    state.discover(
        Container {
            id: "0a".into(),
            ..Default::default()
        },
        0,
    );
    told(&events, &["added web", "added db"]);
    state.reconcile("docker", &HashSet::new());
    told(&events, &["removed db"]);
    state.reconcile("podman", &HashSet::new());
    told(&events, &[]);
}

#[test]
fn memory_has_an_end() {
    let memory = Memory {
        duration: Duration::from_secs(60),
        entries: 3,
    };
    let mut state = State::new(memory);
    for number in 0..100 {
        let id = format!("c{number}");
        state.learn(found(&id, &id), facts(7));
        state.ended("", &id);
    }
    state.prune(Instant::now());
    assert_eq!(state.entries.len(), 3);
    assert!(state.find("", "c99").is_some() && state.find("", "c0").is_none());
    state.prune(Instant::now() + Duration::from_secs(61));
    assert!(state.entries.is_empty() && state.mntns.is_empty() && state.memorised.is_empty());
}

#[test]
fn what_runs_is_never_forgotten() {
    let mut state = State::new(Memory {
        duration: Duration::ZERO,
        entries: 0,
    });
    state.learn(found(ID, "web"), facts(7));
    state.prune(Instant::now() + Duration::from_secs(9));
    assert_eq!(state.live().count(), 1);
}

#[test]
fn a_slow_subscriber_is_told_how_much_it_lost() {
    let mut state = State::new(Memory::default());
    let (sender, events) = sync_channel(2);
    state.subscribe(sender);
    for number in 0..4 {
        state.learn(found(&format!("c{number}"), "x"), facts(7));
    }
    told(&events, &["added x", "added x"]);
    state.learn(found("c4", "y"), facts(7));
    told(&events, &["lost 2", "added y"]);
}

#[test]
fn a_late_subscriber_is_told_what_runs() {
    let (mut state, _events) = state();
    state.learn(found(ID, "web"), facts(7));
    let (sender, late) = sync_channel(2);
    state.subscribe(sender);
    told(&late, &["added web"]);
}

#[test]
fn odd_ids_are_not_taken() {
    let (mut state, events) = state();
    state.learn(found("../x", "x"), facts(7));
    assert!(
        state
            .discover(
                Container {
                    id: "a/b".into(),
                    ..Default::default()
                },
                0
            )
            .is_none()
    );
    told(&events, &[]);
    assert!(state.entries.is_empty());
}
