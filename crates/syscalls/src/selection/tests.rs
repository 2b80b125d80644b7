//! Tests of selections: what items select, and what is said about those that select nothing.

use std::collections::HashSet;

use super::*;
use crate::expression::Expression;
use crate::list::join_items;
use proptest::prelude::*;

fn run(list: &str, native: Abi) -> Result<Vec<Selected>, SelectError> {
    select(list, native, |name| table::number(native, name))
}

fn select(
    list: &str,
    native: Abi,
    resolve: impl FnMut(&str) -> Option<u32>,
) -> Result<Vec<Selected>, SelectError> {
    let expression = Expression::parse(list).unwrap();
    Selection::resolve(&expression, native, resolve).map(|selection| selection.calls)
}

#[track_caller]
fn pairs(list: &str, native: Abi) -> Vec<(Abi, u32)> {
    let selection = run(list, native).unwrap_or_else(|error| panic!("`{list}`: {error}"));
    selection
        .iter()
        .map(|call| (call.abi, call.number))
        .collect()
}

#[track_caller]
fn message(list: &str, native: Abi) -> String {
    run(list, native).unwrap_err().to_string()
}

#[test]
fn a_plain_name_selects_in_every_abi_of_the_kernel() {
    assert_eq!(
        pairs("openat", Abi::X86_64),
        [(Abi::X86_64, 257), (Abi::I386, 295), (Abi::X32, 257)]
    );
    assert_eq!(
        pairs("openat", Abi::Aarch64),
        [(Abi::Aarch64, 56), (Abi::Arm, 322)]
    );
    assert_eq!(
        pairs("arch_prctl,uprobe", Abi::X86_64),
        [
            (Abi::X86_64, 158),
            (Abi::I386, 384),
            (Abi::X32, 158),
            (Abi::X86_64, 336)
        ]
    );
}

#[test]
fn a_name_with_an_abi_selects_in_that_one() {
    assert_eq!(pairs("i386:openat", Abi::X86_64), [(Abi::I386, 295)]);
    assert_eq!(pairs("amd64:openat", Abi::X86_64), [(Abi::X86_64, 257)]);
    assert_eq!(pairs("x32:ioctl", Abi::X86_64), [(Abi::X32, 514)]);
    assert_eq!(pairs("arm:open", Abi::Aarch64), [(Abi::Arm, 5)]);
    assert_eq!(pairs("ppc64el:openat", Abi::Ppc64le), [(Abi::Ppc64le, 286)]);
}

#[test]
fn kernels_without_further_known_abis_select_natively() {
    for (native, number) in [
        (Abi::Riscv64, 56),
        (Abi::S390x, 288),
        (Abi::Ppc64le, 286),
        (Abi::LoongArch64, 56),
    ] {
        assert_eq!(pairs("openat", native), [(native, number)]);
        assert_eq!(abis_of_kernel(native), [native]);
    }
}

#[test]
fn no_kernel_serves_an_abi_of_another() {
    for native in Abi::ALL {
        assert_eq!(abis_of_kernel(native)[0], native);
    }
    let with_programs = [Abi::X86_64, Abi::Aarch64].map(abis_of_kernel).concat();
    assert_eq!(with_programs, Abi::ALL[..5]);
}

#[test]
fn a_name_selects_the_operation_of_socketcall_too() {
    let found = run("connect", Abi::X86_64).unwrap();
    let shown: Vec<_> = found
        .iter()
        .map(|call| (call.abi, call.number, call.socket_operation()))
        .collect();
    assert_eq!(
        shown,
        [
            (Abi::X86_64, 42, None),
            (Abi::I386, 362, None),
            (Abi::I386, 102, Some(3)),
            (Abi::X32, 42, None)
        ]
    );
    // i386 has no calls of these names.
    assert_eq!(
        pairs("accept", Abi::X86_64)[1..],
        [(Abi::I386, 102), (Abi::X32, 43)]
    );
    assert_eq!(pairs("i386:send", Abi::X86_64), [(Abi::I386, 102)]);
    assert_eq!(
        pairs("i386:connect,i386:bind,i386:connect", Abi::X86_64).len(),
        4
    );
    let all = run("i386:socketcall", Abi::X86_64).unwrap();
    assert_eq!((all.len(), all[0].socket_operation()), (1, None));
    assert!(message("send", Abi::X86_64).contains("i386:send"));
}

#[test]
fn numbers_are_native_unless_an_abi_is_given() {
    let selection = run("257,0x539,i386:1,4294967295", Abi::X86_64).unwrap();
    let shown: Vec<(Abi, u32, &str)> = selection
        .iter()
        .map(|call| (call.abi, call.number, call.name.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (Abi::X86_64, 257, "openat"),
            (Abi::X86_64, 1337, "syscall_539"),
            (Abi::I386, 1, "exit"),
            (Abi::X86_64, u32::MAX, "syscall_ffffffff")
        ]
    );
    assert_eq!(pairs("x32:0x40000101", Abi::X86_64), [(Abi::X32, 257)]);
}

#[test]
fn names_of_the_native_abi_are_resolved_by_the_host() {
    let mut asked = Vec::new();
    let selection = select("brand_new_call,x86_64:another", Abi::X86_64, |name| {
        asked.push(name.to_owned());
        Some(470)
    });
    assert_eq!(asked, ["brand_new_call", "another"]);
    let only = Selected {
        abi: Abi::X86_64,
        number: 470,
        name: "brand_new_call".to_owned(),
    };
    assert_eq!(selection.unwrap(), [only]);
}

#[test]
fn a_list_is_a_set_in_order_of_first_appearance() {
    assert_eq!(
        pairs("write,257,openat,write,x32:write", Abi::X86_64),
        [
            (Abi::X86_64, 1),
            (Abi::I386, 4),
            (Abi::X32, 1),
            (Abi::X86_64, 257),
            (Abi::I386, 295),
            (Abi::X32, 257)
        ]
    );
    assert!(pairs("", Abi::X86_64).is_empty());
}

#[test]
fn a_misspelt_name_is_reported_with_its_place_and_a_suggestion() {
    assert_eq!(
        message("write, opnat", Abi::X86_64),
        "item 2 of the list, `opnat` (column 8), is not a system call of x86_64; did you mean `openat`?"
    );
    assert!(message("newstat", Abi::X86_64).contains("did you mean `stat`"));
    assert!(message("OPENAT", Abi::X86_64).contains("did you mean `openat`"));
    assert_eq!(
        message("frobnicate_it_all", Abi::X86_64),
        "item 1 of the list, `frobnicate_it_all` (column 1), is not a system call of x86_64"
    );
}

#[test]
fn a_call_of_another_architecture_is_reported_as_such() {
    assert_eq!(
        message("open", Abi::Aarch64),
        "item 1 of the list, `open` (column 1), exists on arm, x86_64, i386 (and 3 more) but not on arm64 \
         (`arm:open` selects it for arm tasks); did you mean `openat`?"
    );
    let error = run("socketcall", Abi::X86_64).unwrap_err();
    let SelectError::UnknownCall {
        elsewhere,
        selectable,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (elsewhere, selectable),
        (vec![Abi::I386, Abi::S390x, Abi::Ppc64le], Some(Abi::I386))
    );
    assert_eq!(
        message("riscv_hwprobe", Abi::S390x),
        "item 1 of the list, `riscv_hwprobe` (column 1), exists on riscv64 but not on s390x"
    );
}

#[test]
fn abis_that_the_kernel_lacks_are_refused() {
    assert_eq!(
        message("arm64:openat", Abi::X86_64),
        "item 1 of the list, `arm64:openat` (column 1), names the abi `arm64`, which tasks of this kernel cannot \
         use (it has x86_64, i386, x32)"
    );
    assert_eq!(
        message("mips:1", Abi::Aarch64),
        "item 1 of the list, `mips:1` (column 1), names the unknown abi `mips` (this kernel has arm64, arm)"
    );
}

#[test]
fn broken_numbers_are_refused() {
    for list in ["4294967296", "0x", "0xfg", "0x+1", "12ab", "x32:9x", "1 2"] {
        let error = run(list, Abi::X86_64).unwrap_err();
        assert!(
            matches!(error, SelectError::BadNumber { .. }),
            "`{list}`: {error}"
        );
    }
    assert!(run("-1", Abi::X86_64).is_err());
    assert!(run("i386:", Abi::X86_64).is_err());
}

#[test]
fn messages_stay_short_and_on_one_line() {
    let text = message(
        &format!("a\u{1b}[31m\nb{}", "x".repeat(1_000_000)),
        Abi::X86_64,
    );
    assert!(text.len() < 300, "{text}");
    assert!(!text.contains(char::is_control), "{text}");
}

fn call_name() -> impl Strategy<Value = &'static str> {
    let names: Vec<&str> = table::entries(Abi::X86_64).map(|entry| entry.1).collect();
    prop::sample::select(names)
}

proptest! {
    #[test]
    fn selecting_is_the_union_of_selecting_each(names in prop::collection::vec(call_name(), 0..20)) {
        let calls = |list: &str| -> Vec<_> {
            let selection = run(list, Abi::X86_64).unwrap();
            selection.iter().map(|call| (call.abi, call.number, call.socket_operation())).collect()
        };
        let selection = calls(&join_items(&names));
        let set: HashSet<_> = selection.iter().copied().collect();
        prop_assert_eq!(set.len(), selection.len());
        let union: HashSet<_> = names.iter().flat_map(|name| calls(name)).collect();
        prop_assert_eq!(set, union);
    }

    #[test]
    fn order_of_names_does_not_change_the_set(names in prop::collection::vec(call_name(), 0..9)) {
        let mut reversed = names.clone();
        reversed.reverse();
        let set = |names: &[&str]| -> HashSet<_> { pairs(&join_items(names), Abi::X86_64).into_iter().collect() };
        prop_assert_eq!(set(&names), set(&reversed));
    }

    #[test]
    fn arbitrary_lists_never_panic(list in "(\\PC|[,\"':\\\\x0-9a-z ]|i386:|0x|openat){0,30}") {
        if Expression::parse(&list).is_ok() {
            for native in [Abi::X86_64, Abi::Aarch64] {
                if let Err(error) = select(&list, native, |name| table::number(native, name)) {
                    prop_assert!(error.to_string().starts_with("item "));
                }
            }
        }
    }
}
