//! The selected calls as the programs test them: bits by number, and a hash for numbers beyond the bits.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode};
use gizmo_syscalls::selection::{Selected, Selection, abis_of_kernel};
use gizmo_syscalls::{Abi, capture, table};

const SELECTION_BYTES: usize = size_of::<abi::selection>();

/// What some selections select together.
#[derive(Debug, Clone, Copy)]
pub struct Union<'a>(pub &'a [&'a Selection]);

impl Union<'_> {
    /// Whether a call is selected.
    pub fn selects(&self, abi: Abi, number: u32) -> bool {
        self.0.iter().any(|one| one.selects(abi, number))
    }

    fn selects_operation(&self, operation: u32) -> bool {
        self.0.iter().any(|one| one.selects_operation(operation))
    }

    /// Whether calls are selected that nobody has named.
    fn selects_others(&self) -> bool {
        self.0.iter().any(|one| one.is_complement)
    }

    /// The calls that are named in any of them.
    fn named(&self) -> impl Iterator<Item = &Selected> {
        self.0.iter().flat_map(|one| &one.calls)
    }
}

/// Writes both.
pub fn fill(native: Abi, selected: Union<'_>) -> Result<(), Error> {
    let hash = Map::get("syscall_filters")?;
    for call in selected.named() {
        let is_selected = selected.selects(call.abi, call.number);
        hash.update(&key(call), &u8::from(is_selected), UpdateMode::Any)?;
    }
    Map::get(".data.selection")?.update(&0u32, &selection_bytes(native, selected), UpdateMode::Any)
}

/// Makes `old` into `new` while the programs test them: there is no moment in which what both select is not selected.
pub fn change(native: Abi, old: &Selection, new: &Selection) -> Result<(), Error> {
    fill(native, Union(&[old, new]))?;
    fill(native, Union(&[new]))?;
    let hash = Map::get("syscall_filters")?;
    // Those that nobody names any more are like all others.
    let is_named = |call: &Selected| {
        let mut named = new.calls.iter();
        named.any(|other| (other.abi, other.number) == (call.abi, call.number))
    };
    for call in old.calls.iter().filter(|call| !is_named(call)) {
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
fn selection_bytes(native: Abi, selected: Union<'_>) -> [u8; SELECTION_BYTES] {
    let mut bytes = [0; SELECTION_BYTES];
    let (any, rest) = bytes.split_at_mut(ABI_BYTES);
    let (enter, rest) = rest.split_at_mut(ALL_BYTES);
    let (exit, others) = rest.split_at_mut(ALL_BYTES);
    others[0] = selected.selects_others().into();
    for &call_abi in abis_of_kernel(native) {
        for number in (0..abi::NUMBERS_PER_ABI).filter(|&one| selected.selects(call_abi, one)) {
            set_bit(enter, call_abi, number);
            set_bit(exit, call_abi, number);
        }
    }
    if abis_of_kernel(native).contains(&Abi::I386) {
        // Their bits lie where i386 has no calls.
        for operation in 0..=abi::SUBCALLS {
            let is_selected = selected.selects_operation(operation);
            put_bit(
                enter,
                Abi::I386,
                abi::SUBCALL_RULES + operation,
                is_selected,
            );
        }
    }
    for &call_abi in abis_of_kernel(native) {
        for (number, name) in table::entries(call_abi) {
            if !capture::behaviour(name).execs {
                continue;
            }
            // Programs that are started begin containers, whether they are recorded or not.
            set_bit(enter, call_abi, number);
            // An exec may return in another ABI than it was called in. Some kernels keep the number it was called with; x86
            // puts that of the new ABI's execve in its place, for an execveat, too (arch/x86/kernel/process_64.c).
            if selected.selects(call_abi, number) {
                for &other in abis_of_kernel(native) {
                    set_bit(exit, other, number);
                    if let Some(execve) = table::number(other, "execve") {
                        set_bit(exit, other, execve);
                    }
                }
            }
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
    bytes
}

fn set_bit(bits: &mut [u8], call_abi: Abi, number: u32) {
    put_bit(bits, call_abi, number, true);
}

/// Numbers without a bit are left to the hash. The programs know fewer ABIs than the tables; the others have no bits.
fn put_bit(bits: &mut [u8], call_abi: Abi, number: u32, is_set: bool) {
    if (call_abi as u32) < abi::ABI_COUNT && number < abi::NUMBERS_PER_ABI {
        let bit = call_abi as usize * abi::NUMBERS_PER_ABI as usize + number as usize;
        bits[bit / 8] &= !(1 << (bit % 8));
        bits[bit / 8] |= u8::from(is_set) << (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use gizmo_syscalls::socketcall;

    use super::*;

    const PER_ABI: usize = abi::NUMBERS_PER_ABI as usize;

    fn selection(is_complement: bool, calls: &[(Abi, u32)]) -> Selection {
        let selected = |&(abi, number): &(Abi, u32)| Selected {
            abi,
            number,
            name: String::new(),
        };
        Selection {
            is_complement,
            calls: calls.iter().map(selected).collect(),
        }
    }

    fn bytes_of(calls: &[(Abi, u32)]) -> [u8; SELECTION_BYTES] {
        selection_bytes(Abi::X86_64, Union(&[&selection(false, calls)]))
    }

    fn is_set(bits: &[u8], at: usize) -> bool {
        bits[at / 8] & (1 << (at % 8)) != 0
    }

    #[test]
    fn bits_are_numbers_by_abi() {
        let bits = bytes_of(&[(Abi::X86_64, 257), (Abi::I386, 295), (Abi::X86_64, 9999)]);
        // The calls that begin containers are always looked at.
        let always = bytes_of(&[(Abi::X86_64, 9999)]);
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
            let mut selection = selection(false, &[(Abi::I386, socketcall::NUMBER)]);
            selection.calls[0].name = name.to_owned();
            let bits = selection_bytes(Abi::X86_64, Union(&[&selection]));
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
    fn what_a_set_leaves_has_all_other_bits() {
        let calls = [
            (Abi::X86_64, 257),
            (Abi::I386, 295),
            (Abi::I386, 9999),
            (Abi::I386, socketcall::NUMBER),
        ];
        let with = bytes_of(&calls);
        let without = selection_bytes(Abi::X86_64, Union(&[&selection(true, &calls)]));
        let starts: Vec<(Abi, u32)> = abis_of_kernel(Abi::X86_64)
            .iter()
            .flat_map(|&abi| table::entries(abi).map(move |(number, name)| (abi, number, name)))
            .filter(|(_, _, name)| capture::behaviour(name).execs)
            .map(|(abi, number, _)| (abi, number))
            .collect();
        for &call_abi in abis_of_kernel(Abi::X86_64) {
            for number in 0..abi::NUMBERS_PER_ABI {
                let bit = call_abi as usize * PER_ABI + number as usize;
                let enter = PER_ABI + bit;
                let is_start = starts.contains(&(call_abi, number));
                let is_in = is_set(&with, enter) && !is_start;
                assert_eq!(is_set(&without, enter), !is_in, "{call_abi} {number}");
            }
        }
        // Numbers beyond the bits.
        let others = SELECTION_BYTES - 8;
        assert_eq!((with[others], without[others]), (0, 1));
    }

    #[test]
    fn both_of_two_selections_are_selected() {
        let one = selection(false, &[(Abi::X86_64, 1)]);
        let other = selection(true, &[(Abi::X86_64, 1), (Abi::X86_64, 2)]);
        let bits = selection_bytes(Abi::X86_64, Union(&[&one, &other]));
        let is_selected = |number| is_set(&bits, PER_ABI + number);
        assert!(is_selected(1) && !is_selected(2) && is_selected(3));
    }

    #[test]
    fn an_exec_may_return_as_the_execve_of_any_abi() {
        let bits = bytes_of(&[(Abi::X86_64, 322)]);
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
            let selection = selection(false, &[(native, execve)]);
            let is_known = (native as u32) < abi::ABI_COUNT;
            let bytes = selection_bytes(native, Union(&[&selection]));
            let has_bits = bytes.iter().any(|byte| *byte != 0);
            assert_eq!(has_bits, is_known, "{native}");
        }
    }

    #[test]
    fn a_selection_lies_as_in_the_header_file() {
        assert_eq!(offset_of!(abi::selection, enter), ABI_BYTES);
        assert_eq!(offset_of!(abi::selection, exit), ABI_BYTES + ALL_BYTES);
        assert_eq!(
            offset_of!(abi::selection, others),
            ABI_BYTES + 2 * ALL_BYTES
        );
        assert_eq!(SELECTION_BYTES, ABI_BYTES + 2 * ALL_BYTES + 8);
    }
}
