use std::collections::BTreeSet;

use super::*;
use proptest::prelude::*;

fn run(text: &str, native: Abi) -> Result<Selection, SelectError> {
    let expression = Expression::parse(text).unwrap();
    Selection::resolve(&expression, native, |name| table::number(native, name))
}

#[track_caller]
fn set(text: &str) -> Selection {
    run(text, Abi::X86_64).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// The calls with a name that are in the set: ABI, number and, of socketcall's operations, which.
fn members(selection: &Selection) -> BTreeSet<(u32, u32, Option<u32>)> {
    known_calls(Abi::X86_64)
        .filter(|call| selection.has(call))
        .map(|call| (call.abi as u32, call.number, call.socket_operation()))
        .collect()
}

#[test]
fn no_selector_selects_all_calls() {
    for text in ["", " ", "failed", "duration>1ms, pid=1"] {
        assert!(set(text).is_everything(), "{text}");
    }
}

#[test]
fn a_class_selects_in_every_abi() {
    let network = set("%network");
    assert!(network.selects(Abi::X86_64, 42) && network.selects(Abi::I386, 362));
    assert!(network.selects(Abi::X32, 42) && network.selects(Abi::I386, socketcall::NUMBER));
    assert!(!network.selects(Abi::X86_64, 0));
    let of_one = set("i386:%network");
    assert!(of_one.selects(Abi::I386, 362) && !of_one.selects(Abi::X86_64, 42));
    assert_eq!(members(&set("%net")), members(&network));
}

#[test]
fn a_pattern_selects_names_that_it_is_found_in() {
    let epoll = set("/^epoll_/");
    let names: BTreeSet<&str> = epoll.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.contains("epoll_wait_old"));
    assert!(
        set("x32:/^ioctl$/")
            .calls
            .iter()
            .all(|call| call.number == 514)
    );
    assert_eq!(
        members(&set("/^(read|write)$/")),
        members(&set("read, write"))
    );
}

#[test]
fn what_is_removed_is_not_in_the_set_wherever_it_stands() {
    for text in ["%file, !openat", "!openat, %file"] {
        let set = set(text);
        assert!(
            set.selects(Abi::X86_64, 2) && !set.selects(Abi::X86_64, 257),
            "{text}"
        );
        assert!(!set.is_complement);
    }
    let rest = set("!openat, !%network");
    assert!(rest.is_complement && rest.selects(Abi::X86_64, 0));
    assert!(!rest.selects(Abi::X86_64, 257) && !rest.selects(Abi::X86_64, 42));
    // Numbers that no table has are among what is left.
    assert!(rest.selects(Abi::X86_64, 99_999));
}

#[test]
fn a_class_and_its_complement_share_nothing_and_are_everything() {
    let all: BTreeSet<_> = members(&Selection::everything());
    for class in crate::classes::all() {
        let name = class.name;
        let plain = members(&set(&format!("%{name}")));
        for text in [format!("!%{name}"), format!("! %{name}")] {
            let rest = members(&set(&text));
            assert!(plain.is_disjoint(&rest), "{text}");
            assert_eq!(
                plain.union(&rest).copied().collect::<BTreeSet<_>>(),
                all,
                "{text}"
            );
        }
    }
}

#[test]
fn operations_of_socketcall_are_removed_one_by_one() {
    let rest = set("!connect");
    assert!(rest.selects(Abi::I386, socketcall::NUMBER));
    assert!(!rest.selects_operation(3) && rest.selects_operation(1) && rest.selects_operation(0));
    let some = set("i386:socketcall, !connect");
    assert!(!some.selects_operation(3) && some.selects_operation(1));
    let none = set("!i386:socketcall");
    assert!(!none.selects(Abi::I386, socketcall::NUMBER) && !none.selects_operation(1));
    let all = set("%network, !i386:socketcall");
    assert!(!all.selects_operation(3) && all.selects(Abi::I386, 362));
}

#[test]
fn a_set_that_is_empty_is_an_error() {
    assert_eq!(
        run("openat, !%file", Abi::X86_64).unwrap_err().to_string(),
        "nothing is left of the selected calls"
    );
    let message = run("read, /^nothing$/", Abi::X86_64)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("item 2") && message.contains("matches no system call"),
        "{message}"
    );
    let message = run("arm:%file", Abi::X86_64).unwrap_err().to_string();
    assert!(message.contains("cannot use"), "{message}");
    let message = run("!opnat", Abi::X86_64).unwrap_err().to_string();
    assert!(message.contains("did you mean `openat`"), "{message}");
}

proptest! {
    #[test]
    fn the_complement_of_a_list_is_exact(
        names in proptest::collection::vec(0usize..400, 1..8),
        removed in proptest::collection::vec(0usize..400, 0..8),
    ) {
        let known: Vec<&str> = table::entries(Abi::X86_64).map(|entry| entry.1).collect();
        let name = |index: &usize| known[index % known.len()];
        let list: Vec<String> = names.iter().map(|index| name(index).to_owned())
            .chain(removed.iter().map(|index| format!("!{}", name(index)))).collect();
        let list = list.join(",");
        let Ok(plain) = run(&list, Abi::X86_64) else { return Ok(()) };
        let rest = set(&format!("! {list}"));
        // One number for many operations can be in both; its operations are in one.
        let is_whole = |call: &Selected| call.number == socketcall::NUMBER && call.socket_operation().is_none();
        for call in known_calls(Abi::X86_64).filter(|call| !(call.abi == Abi::I386 && is_whole(call))) {
            prop_assert!(plain.has(&call) != rest.has(&call), "{} {}", call.abi, call.name);
            let is_in = names.iter().any(|index| name(index) == call.name) && !removed.iter().any(|index| name(index) == call.name);
            if call.number != socketcall::NUMBER {
                prop_assert_eq!(plain.has(&call), is_in, "{} {}", call.abi, call.name);
            }
        }
    }
}
