//! What must hold of a call besides its number, as the programs test it.
//!
//! Which tests there are is a constant of the programs. Their values can be changed while the programs run.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, Map, UpdateMode, set_constant};
use gizmo_syscalls::expression::{COMM_TESTS, CommTest, KernelTests, NUMBER_TESTS, Ranges};

const _: () = assert!(NUMBER_TESTS == abi::TEST_VALUES as usize && COMM_TESTS == NUMBER_TESTS);

/// Says to the programs, before they are loaded, which tests to make.
pub fn apply(tests: &KernelTests) -> Result<(), Error> {
    for (name, is_made) in [
        ("only_ends", tests.is_of_failures()),
        ("tests_result", tests.result.is_some()),
        ("tests_duration", tests.duration.is_some()),
        ("tests_pid", tests.pid.is_some()),
        ("tests_tid", tests.tid.is_some()),
        ("tests_uid", tests.uid.is_some()),
        ("tests_comm", tests.comm.is_some()),
    ] {
        set_constant(name, u8::from(is_made))?;
    }
    Ok(())
}

/// Writes the values. Of tests that are in the programs but not wanted everything passes.
pub fn fill(tests: &KernelTests) -> Result<(), Error> {
    Map::get(".data.tests")?.update(&0u32, encode(tests).as_slice(), UpdateMode::Any)
}

/// The bytes of a `struct tests`.
fn encode(tests: &KernelTests) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of::<abi::tests>());
    for numbers in [
        &tests.result,
        &tests.duration,
        &tests.pid,
        &tests.tid,
        &tests.uid,
    ] {
        let all = Ranges::all();
        encode_ranges(numbers.as_ref().unwrap_or(&all), &mut bytes);
    }
    let (is_wanted, names) = tests.comm.clone().unwrap_or_else(|| {
        let any = CommTest {
            bytes: Vec::new(),
            is_prefix: true,
        };
        (true, vec![any])
    });
    let last = names.len().saturating_sub(1);
    for place in 0..COMM_TESTS {
        if let Some(name) = names.get(place.min(last)) {
            encode_name(name, &mut bytes);
        }
    }
    for flag in [
        tests.result.is_some(),
        tests.duration.is_some(),
        !is_wanted,
        false,
    ] {
        bytes.extend(u32::from(flag).to_ne_bytes());
    }
    bytes
}

/// Ranges of numbers that the programs compare as signed ones.
fn encode_ranges(numbers: &Ranges, bytes: &mut Vec<u8>) {
    let end = |number: i128| number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    let ranges = numbers.ranges();
    let last = ranges.len().saturating_sub(1);
    for place in 0..NUMBER_TESTS {
        // Nothing lies in a range that ends before it begins.
        let (least, most) = ranges.get(place.min(last)).copied().unwrap_or((1, 0));
        bytes.extend(end(least).to_ne_bytes());
        bytes.extend(end(most).to_ne_bytes());
    }
}

fn encode_name(name: &CommTest, bytes: &mut Vec<u8>) {
    let mut value = [0; 16];
    let mut mask = [0; 16];
    // What is behind the NUL was there before.
    let compared = name.bytes.len() + usize::from(!name.is_prefix);
    for (place, byte) in value.iter_mut().zip(&name.bytes) {
        *place = *byte;
    }
    mask.iter_mut()
        .take(compared)
        .for_each(|place| *place = 0xff);
    bytes.extend(value);
    bytes.extend(mask);
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use gizmo_syscalls::Abi;
    use gizmo_syscalls::expression::Meaning;
    use gizmo_syscalls::table;

    use super::*;

    fn encoded(text: &str) -> Vec<u8> {
        let native = Abi::X86_64;
        let meaning = Meaning::of(text, native, |name| table::number(native, name)).unwrap();
        encode(&meaning.plan.kernel)
    }

    fn numbers(bytes: &[u8], offset: usize) -> Vec<i64> {
        let numbers = bytes[offset..offset + 64].chunks_exact(8);
        numbers
            .map(|number| i64::from_ne_bytes(number.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn ranges_repeat_the_last_one() {
        let bytes = encoded("ret=1|2|5, ret!=2");
        assert_eq!(bytes.len(), size_of::<abi::tests>());
        let result = numbers(&bytes, offset_of!(abi::tests, result));
        assert_eq!(result, [1, 1, 5, 5, 5, 5, 5, 5]);
        let duration = numbers(&bytes, offset_of!(abi::tests, duration));
        assert_eq!(duration[..2], [i64::MIN, i64::MAX]);
        assert_eq!(bytes[offset_of!(abi::tests, needs_result)], 1);
        assert_eq!(bytes[offset_of!(abi::tests, needs_duration)], 0);
    }

    #[test]
    fn a_whole_name_is_compared_with_its_end() {
        let bytes = encoded("comm!~sh|ngin*");
        let comm = &bytes[offset_of!(abi::tests, comm)..];
        assert_eq!(&comm[..4], b"sh\0\0");
        assert_eq!(comm[16..32], [[0xff; 3].as_slice(), &[0; 13]].concat());
        assert_eq!(&comm[32..37], b"ngin\0");
        assert_eq!(comm[48..64], [[0xff; 4].as_slice(), &[0; 12]].concat());
        assert_eq!(bytes[offset_of!(abi::tests, excludes_comm)], 1);
        // Nothing is compared where any name will do.
        let bytes = encoded("failed");
        let comm = &bytes[offset_of!(abi::tests, comm)..];
        assert_eq!(comm[..128], [0; 128]);
    }
}
