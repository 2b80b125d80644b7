//! The guest that can be looked at while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use gizmo_model::DataSource;
use gizmo_wasm::{Guest, Module, Phase, Question, Recording, Selection};

use crate::host::{collect, init, source, world};
use crate::support::chain;

const ALL: Question = Question::Snapshot;

fn everything() -> Selection {
    Arc::new(|_, _, _| true)
}

/// The numbers that an answer has brought, with the cgroup before them.
#[track_caller]
fn ask(
    guest: &Guest,
    held: &Arc<DataSource>,
    question: Question,
    selection: &Selection,
) -> Vec<(u64, u64)> {
    let fields = [held.field("cgroup").unwrap(), held.field("number").unwrap()];
    let seen = collect(held, move |element| {
        let value = |at: usize| fields[at].value(element).unwrap();
        (value(0), value(1))
    });
    let reported = guest.ask(question, selection).unwrap();
    assert_eq!(reported, []);
    seen.lock().unwrap().concat()
}

fn follow(follower: u32, is_new: bool) -> Question {
    Question::Follow { follower, is_new }
}

pub fn looking(module: &Module) {
    let mut world = world();
    world.params = [("count".to_owned(), "3".to_owned())].into();
    let guest = init(module, world.context());
    guest.call(Phase::Start).unwrap();
    let held = source(&world, "held");
    for question in [ALL, follow(0, true), Question::Forget, Question::Recordings] {
        assert!(guest.answers(question), "{question:?}");
    }

    let (one, two) = ([(1, 1), (1, 2), (1, 3)], [(2, 1), (2, 2), (2, 3)]);
    let both = [one, two].concat();
    assert_eq!(ask(&guest, &held, ALL, &everything()), both);
    let named: Selection = Arc::new(|_, _, name| name == "two");
    assert_eq!(ask(&guest, &held, ALL, &named), two);
    let placed: Selection = Arc::new(|cgroup, mntns, _| (cgroup, mntns) == (1, 10));
    assert_eq!(ask(&guest, &held, ALL, &placed), one);

    // Two followers, one of them followed by another one.
    assert_eq!(ask(&guest, &held, follow(0, true), &everything()), both);
    assert_eq!(ask(&guest, &held, follow(1, true), &named), two);
    guest.set_params(&count("4")).unwrap();
    assert_eq!(
        ask(&guest, &held, follow(0, false), &everything()),
        [(1, 4), (2, 4)]
    );
    assert_eq!(ask(&guest, &held, follow(0, false), &everything()), []);
    assert_eq!(ask(&guest, &held, follow(1, false), &named), [(2, 4)]);
    assert_eq!(ask(&guest, &held, follow(1, true), &named).len(), 4);

    params(&guest);
    guest.ask(Question::Forget, &named).unwrap();
    assert_eq!(ask(&guest, &held, ALL, &named), []);
    assert_eq!(ask(&guest, &held, ALL, &placed).len(), 4);
    let one = Recording {
        name: "one".into(),
        cgroup_id: 1,
        mntns_id: 10,
        recorded: 4,
        held: 4,
        lost: 0,
    };
    let two = Recording {
        name: "two".into(),
        cgroup_id: 2,
        mntns_id: 0,
        held: 0,
        ..one.clone()
    };
    let recordings = guest.ask(Question::Recordings, &everything()).unwrap();
    assert_eq!(recordings, [one, two]);
    assert_eq!(guest.death(), None);
}

fn count(value: &str) -> BTreeMap<String, String> {
    [("COUNT".to_owned(), value.to_owned())].into()
}

/// What the guest does not take is as it was.
#[track_caller]
fn params(guest: &Guest) {
    let error = guest.set_params(&count("many")).unwrap_err();
    let text = chain(&error);
    assert!(text.contains("`many` is no number"), "{text}");
    guest.set_params(&BTreeMap::new()).unwrap();
}
