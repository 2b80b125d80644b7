//! Headers shared with eBPF programs and the Rust types generated from them.
//!
//! `include/gizmo` is the truth: programs include the headers, [`recorder`] is made from them by bindgen, and both sides
//! assert the sizes. Nothing here reads or writes anything.

#![forbid(unsafe_code)]

/// The recorder's records, from `include/gizmo/recorder.h`; what each member means is said there.
#[allow(
    missing_docs,
    non_camel_case_types,
    clippy::allow_attributes_without_reason,
    reason = "generated from C, where the names and their meanings come from"
)]
pub mod recorder {
    include!(concat!(env!("OUT_DIR"), "/recorder.rs"));
}

#[cfg(test)]
mod tests {
    use super::recorder::*;

    #[test]
    fn sizes_are_those_that_the_programs_assert() {
        assert_eq!(size_of::<segment>(), SEGMENT_BYTES as usize);
        assert_eq!(size_of::<record>(), 24);
        assert_eq!(size_of::<capture>(), 4);
        assert_eq!(size_of::<rule>(), 104);
        assert_eq!(size_of::<in_flight>(), 112);
        assert_eq!(
            size_of::<selection>(),
            (1 + 2 * ABI_COUNT as usize) * NUMBERS_PER_ABI as usize / 8 + 8
        );
        assert_eq!(
            size_of::<call_stats>(),
            48 + 8 * (STATS_BUCKETS + STATS_ERRORS) as usize
        );
    }
}
