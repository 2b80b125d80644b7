//! The selected calls as the programs test them: bits by number, and a hash for numbers beyond the bits.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode};
use gizmo_syscalls::selection::{Selected, abis_of_kernel};
use gizmo_syscalls::{Abi, capture, socketcall, table};

use crate::filter::Filter;

const SELECTION_BYTES: usize = size_of::<abi::selection>();

/// Writes both.
pub fn fill(filter: &Filter) -> Result<(), Error> {
    if filter.selected.is_empty() {
        return Ok(());
    }
    let hash = Map::get("syscall_filters")?;
    for call in &filter.selected {
        hash.update(&key(call), &1u8, UpdateMode::Any)?;
    }
    Map::get(".data.selection")?.update(&0u32, &selection_bits(filter), UpdateMode::Any)
}

/// Makes `old` into `new` while the programs test them: there is no moment in which what both select is not selected.
pub fn change(old: &Filter, new: &Filter) -> Result<(), Error> {
    fill(new)?;
    let hash = Map::get("syscall_filters")?;
    let is_gone = |call: &&Selected| !new.selects(call.abi, call.number);
    for call in old.selected.iter().filter(is_gone) {
        hash.delete(&key(call))?;
    }
    Ok(())
}

fn key(call: &Selected) -> u64 {
    (call.abi as u64) << 32 | u64::from(call.number)
}

/// Bytes of the bits of one ABI, and of all ABIs.
const ABI_BYTES: usize = abi::NUMBERS_PER_ABI as usize / 8;
const ALL_BYTES: usize = ABI_BYTES * abi::ABI_COUNT as usize;

/// The bytes of a `struct selection`.
fn selection_bits(filter: &Filter) -> [u8; SELECTION_BYTES] {
    let mut bits = [0; SELECTION_BYTES];
    let (any, both) = bits.split_at_mut(ABI_BYTES);
    let (enter, exit) = both.split_at_mut(ALL_BYTES);
    for call in &filter.selected {
        set_bit(enter, call.abi, call.number);
        set_bit(exit, call.abi, call.number);
        if call.abi == Abi::I386 && call.number == socketcall::NUMBER {
            // All of them, those that do not exist too, or one.
            let all = 0..=abi::SUBCALLS;
            let one = call.socket_operation();
            for operation in one.map_or(all, |one| one..=one) {
                set_bit(enter, call.abi, abi::SUBCALL_RULES + operation);
            }
        }
    }
    // An exec may return in another ABI than it was called in. Some kernels keep the number it was called with; x86 puts
    // that of the new ABI's execve in its place, for an execveat, too (arch/x86/kernel/process_64.c).
    let is_exec = |call: &&Selected| {
        table::name(call.abi, call.number).is_some_and(|name| capture::behaviour(name).execs)
    };
    for call in filter.selected.iter().filter(is_exec) {
        for &abi in abis_of_kernel(filter.native) {
            set_bit(exit, abi, call.number);
            if let Some(execve) = table::number(abi, "execve") {
                set_bit(exit, abi, execve);
            }
        }
    }
    // Programs that are started begin containers, whether they are recorded or not.
    for call_abi in abis_of_kernel(filter.native) {
        for (number, _) in
            table::entries(*call_abi).filter(|(_, name)| capture::behaviour(name).execs)
        {
            set_bit(enter, *call_abi, number);
        }
    }
    for of_one_abi in enter
        .chunks_exact(ABI_BYTES)
        .chain(exit.chunks_exact(ABI_BYTES))
    {
        any.iter_mut()
            .zip(of_one_abi)
            .for_each(|(any, one)| *any |= one);
    }
    bits
}

/// Numbers without a bit are left to the hash. The programs know fewer ABIs than the tables; the others have no bits.
fn set_bit(bits: &mut [u8], call_abi: Abi, number: u32) {
    if (call_abi as u32) < abi::ABI_COUNT && number < abi::NUMBERS_PER_ABI {
        let bit = call_abi as usize * abi::NUMBERS_PER_ABI as usize + number as usize;
        bits[bit / 8] |= 1 << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    const PER_ABI: usize = abi::NUMBERS_PER_ABI as usize;

    fn filter(calls: &[(Abi, u32)]) -> Filter {
        let selected = |&(abi, number): &(Abi, u32)| Selected {
            abi,
            number,
            name: String::new(),
        };
        Filter {
            native: Abi::X86_64,
            selected: calls.iter().map(selected).collect(),
        }
    }

    fn is_set(bits: &[u8], at: usize) -> bool {
        bits[at / 8] & (1 << (at % 8)) != 0
    }

    #[test]
    fn bits_are_numbers_by_abi() {
        let bits = selection_bits(&filter(&[
            (Abi::X86_64, 257),
            (Abi::I386, 295),
            (Abi::X86_64, 9999),
        ]));
        // The calls that begin containers are always looked at.
        let always = selection_bits(&filter(&[(Abi::X86_64, 9999)]));
        let set: Vec<usize> = (0..SELECTION_BYTES * 8)
            .filter(|&at| is_set(&bits, at) && !is_set(&always, at))
            .collect();
        let (enter, exit) = (PER_ABI, PER_ABI + ALL_BYTES * 8);
        let i386 = PER_ABI + 295;
        assert_eq!(
            set,
            [257, 295, enter + 257, enter + i386, exit + 257, exit + i386]
        );
    }

    #[test]
    fn an_operation_of_socketcall_has_a_bit_of_its_own() {
        let operations = |name: &str| {
            let mut filter = filter(&[(Abi::I386, socketcall::NUMBER)]);
            filter.selected[0].name = name.to_owned();
            let bits = selection_bits(&filter);
            let first = 2 * PER_ABI + abi::SUBCALL_RULES as usize;
            assert!(is_set(&bits, 2 * PER_ABI + socketcall::NUMBER as usize));
            (first..first + 21)
                .filter(|at| is_set(&bits, *at))
                .map(|at| at - first)
                .collect::<Vec<_>>()
        };
        assert_eq!(operations("connect"), [3]);
        assert_eq!(operations("socketcall"), (0..21).collect::<Vec<_>>());
    }

    #[test]
    fn an_exec_may_return_as_the_execve_of_any_abi() {
        let bits = selection_bits(&filter(&[(Abi::X86_64, 322)]));
        let (enter, exit) = (PER_ABI, PER_ABI + ALL_BYTES * 8);
        assert!(is_set(&bits, enter + 322));
        for (abi, number) in [
            (Abi::X86_64, 322),
            (Abi::X86_64, 59),
            (Abi::I386, 11),
            (Abi::X32, 520),
        ] {
            assert!(is_set(&bits, exit + abi as usize * PER_ABI + number));
            assert!(is_set(&bits, number));
        }
    }

    #[test]
    fn abis_that_the_programs_do_not_know_have_no_bits() {
        for native in Abi::ALL {
            let execve = table::number(native, "execve").unwrap();
            let filter = Filter {
                native,
                ..filter(&[(native, execve)])
            };
            let is_known = (native as u32) < abi::ABI_COUNT;
            let has_bits = selection_bits(&filter).iter().any(|byte| *byte != 0);
            assert_eq!(has_bits, is_known, "{native}");
        }
    }

    #[test]
    fn a_selection_lies_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::selection, enter), ABI_BYTES);
        assert_eq!(offset_of!(abi::selection, exit), ABI_BYTES + ALL_BYTES);
    }
}
