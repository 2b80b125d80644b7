//! What old kernels refuse even where no program gets to, and how it is put out of the way.
//!
//! A program asks for a feature with a constant that libbpf takes from the kernel's BTF, and has another way without it. The
//! verifier follows only the way that is taken, but before that it reads every instruction, function and map of the object. So:
//!
//! - an instruction that the kernel does not know becomes the call of a helper that does not exist, as libbpf does it with
//!   relocations that fail: the verifier refuses it where a program gets to it, and nowhere else;
//! - a map of a type that the kernel does not know is not made, and libbpf does the same to what refers to it;
//! - a global function that takes pointers becomes a static one, which is verified wherever it is called.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::OnceLock;

use gizmo_model::map::kind;
use libbpf_rs::{AsRawLibbpf, OpenObject};
use libbpf_sys as sys;
use tracing::debug;

use crate::probe;

/// Bytes of an instruction.
const STEP: usize = 8;
/// The first instruction of two: 64 bits are loaded into a register.
const LOAD_WIDE: u8 = 0x18;
/// Class, mode, and operations without an answer (Documentation/bpf/standardization/instruction-set.rst).
const CLASS_MASK: u8 = 0x07;
const STORE_CLASS: u8 = 0x03;
const MODE_MASK: u8 = 0xe0;
const ATOMIC_MODE: u8 = 0xc0;
const PLAIN_ADD: [u8; 4] = [0; 4];
/// The call of a helper with a number that no kernel has, and that says what happened in the verifier's log.
const POISON: [u8; STEP] = {
    let [a, b, c, d] = 201_205_012_i32.to_le_bytes();
    [0x85, 0, 0, 0, a, b, c, d]
};

/// Whether this kernel is older than 5.12, which brought atomic operations that answer and global functions that take pointers. The
/// first is tried.
pub(crate) fn is_before_5_12() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(probe::refuses_exchange)
}

/// The object with its atomic operations that answer poisoned, if the kernel does not know them.
pub(crate) fn without_unknown_instructions(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_before_5_12() {
        Cow::Owned(poison_atomics(bytes))
    } else {
        Cow::Borrowed(bytes)
    }
}

fn poison_atomics(bytes: &[u8]) -> Vec<u8> {
    let mut poisoned = bytes.to_vec();
    for section in code_sections(bytes) {
        let Some(code) = poisoned.get_mut(section) else {
            continue; // libbpf says what is wrong with it.
        };
        let mut steps = code.chunks_exact_mut(STEP);
        while let Some(step) = steps.next() {
            let code = step[0];
            if code == LOAD_WIDE {
                steps.next();
            } else if code & CLASS_MASK == STORE_CLASS
                && code & MODE_MASK == ATOMIC_MODE
                && step[4..] != PLAIN_ADD
            {
                step.copy_from_slice(&POISON);
            }
        }
    }
    poisoned
}

/// Where the instructions are in an ELF file of 64 bits.
fn code_sections(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    const HEADER_BYTES: usize = 64;
    const PROGBITS: u64 = 1;
    const EXECUTABLE: u64 = 4;
    let number = |at: usize, length: usize| -> Option<u64> {
        let mut wide = [0; 8];
        wide[..length].copy_from_slice(bytes.get(at..at.checked_add(length)?)?);
        Some(u64::from_le_bytes(wide))
    };
    let section = |at: usize| -> Option<std::ops::Range<usize>> {
        let is_code = number(at + 4, 4)? == PROGBITS && number(at + 8, 8)? & EXECUTABLE != 0;
        let start = usize::try_from(number(at + 24, 8)?).ok()?;
        let length = usize::try_from(number(at + 32, 8)?).ok()?;
        is_code.then_some(start..start.checked_add(length)?)
    };
    let table = number(40, 8).and_then(|start| usize::try_from(start).ok());
    let count = number(60, 2).and_then(|count| usize::try_from(count).ok());
    let (Some(table), Some(count)) = (table, count) else {
        return Vec::new();
    };
    let headers = (0..count).map_while(|index| {
        let at = table.checked_add(index * HEADER_BYTES)?;
        at.checked_add(HEADER_BYTES).map(|_| at)
    });
    headers.filter_map(section).collect()
}

/// Puts the rest out of the way, in an object that is open.
pub(crate) fn adapt(object: &mut OpenObject) {
    skip_unknown_maps(object);
    if is_before_5_12() {
        make_functions_static(object);
    }
}

fn skip_unknown_maps(object: &mut OpenObject) {
    // SAFETY: the function takes a number and, for later use, no options.
    let makes = |kind: u32| unsafe { sys::libbpf_probe_bpf_map_type(kind, std::ptr::null()) } == 1;
    // Without the right to make any map nothing is known, and loading says so better.
    if !makes(kind::ARRAY) {
        return;
    }
    let mut known = HashMap::new();
    for mut map in object.maps_mut() {
        let kind = u32::from(map.map_type());
        if *known.entry(kind).or_insert_with(|| makes(kind)) {
            continue;
        }
        debug!(map = ?map.name(), kind, "not made: the kernel does not know maps of this type");
        if let Err(error) = map.set_autocreate(false) {
            debug!(%error, "libbpf would make it nevertheless");
        }
    }
}

fn make_functions_static(object: &mut OpenObject) {
    let programs: Vec<_> = object
        .progs()
        .map(|program| program.name().to_owned())
        .collect();
    // SAFETY: the object is open and borrowed mutably for as long as its BTF is used.
    let btf = unsafe { sys::bpf_object__btf(object.as_libbpf_object().as_ptr()) };
    if btf.is_null() {
        return;
    }
    // SAFETY: the BTF is that of the borrowed object; so in the following.
    let count = unsafe { sys::btf__type_cnt(btf) };
    for id in 1..count {
        // SAFETY: see above; ids below the count exist, and nobody else looks at the type meanwhile. libbpf writes the same into it
        // for functions that are hidden (bpf_object__sanitize_and_load_btf). Names end with a zero byte.
        unsafe {
            let function = sys::btf__type_by_id(btf, id).cast_mut();
            if !is_global_function(&*function)
                || !takes_pointer(btf, (*function).__bindgen_anon_1.type_)
            {
                continue;
            }
            let name = CStr::from_ptr(sys::btf__name_by_offset(btf, (*function).name_off));
            if !programs
                .iter()
                .any(|program| program.as_encoded_bytes() == name.to_bytes())
            {
                debug!(
                    ?name,
                    "verified wherever it is called: the kernel knows no such functions"
                );
                (*function).info = (*function).info & !0xffff | sys::BTF_FUNC_STATIC;
            }
        }
    }
}

fn kind_of(ty: &sys::btf_type) -> u32 {
    ty.info >> 24 & 0x1f
}

fn is_global_function(ty: &sys::btf_type) -> bool {
    kind_of(ty) == sys::BTF_KIND_FUNC && ty.info & 0xffff == sys::BTF_FUNC_GLOBAL
}

/// Whether one of the parameters of a function's prototype is a pointer.
///
/// # Safety
/// The BTF is alive.
unsafe fn takes_pointer(btf: *const sys::btf, prototype: u32) -> bool {
    // SAFETY: the BTF is alive; behind a prototype, which libbpf has checked, as many parameters follow as it says.
    unsafe {
        let prototype = sys::btf__type_by_id(btf, prototype);
        if prototype.is_null() || kind_of(&*prototype) != sys::BTF_KIND_FUNC_PROTO {
            return false;
        }
        let count = (*prototype).info as usize & 0xffff;
        let params = std::slice::from_raw_parts(prototype.add(1).cast::<sys::btf_param>(), count);
        params.iter().any(|param| {
            let ty = sys::btf__type_by_id(btf, param.type_);
            !ty.is_null() && kind_of(&*ty) == sys::BTF_KIND_PTR
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one section of code.
    fn file(code: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[40..48].copy_from_slice(&64u64.to_le_bytes());
        bytes[60] = 1;
        let mut section = [0; 64];
        section[4] = 1;
        section[8] = 6;
        section[24..32].copy_from_slice(&128u64.to_le_bytes());
        section[32..40].copy_from_slice(&(code.len() as u64).to_le_bytes());
        bytes.extend(section);
        bytes.extend(code);
        bytes
    }

    #[test]
    fn only_atomics_that_answer_are_poisoned() {
        let plain = [0xdb, 0x01, 0, 0, 0, 0, 0, 0];
        let exchange = [0xdb, 0x01, 0, 0, 0xe1, 0, 0, 0];
        let narrow = [0xc3, 0x01, 0, 0, 0xf1, 0, 0, 0];
        let store = [0x7b, 0x01, 0, 0, 0, 0, 0, 0];
        let wide = [LOAD_WIDE, 1, 0, 0, 5, 0, 0, 0];
        // The second half of a wide load is a number, whatever it looks like.
        let before = [plain, exchange, store, wide, exchange, narrow].concat();
        let after = [plain, POISON, store, wide, exchange, POISON].concat();
        assert_eq!(poison_atomics(&file(&before)), file(&after));
    }

    #[test]
    fn a_file_that_lies_is_left_as_it_is() {
        let mut bytes = file(&[0xdb, 0x01, 0, 0, 0xe1, 0, 0, 0]);
        bytes[64 + 24..64 + 32].fill(0xff);
        assert_eq!(poison_atomics(&bytes), bytes);
        bytes[40..48].fill(0xff);
        assert_eq!(poison_atomics(&bytes), bytes);
        assert_eq!(poison_atomics(b"short"), b"short");
    }
}
