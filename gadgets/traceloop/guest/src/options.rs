//! The parameters that say how much is kept of each call, and for how many calls there is room.

use gizmo_bpf_abi::recorder as abi;
use gizmo_guest::{Error, params, set_constant};

use crate::{filter, statistics};

/// Memory of the rings, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Of all rings.
    pub budget: u64,
    /// Whether somebody has asked for this budget.
    pub is_budget_given: bool,
    /// Of one ring, all CPUs together, where somebody has asked for it.
    pub ring: Option<u64>,
}

/// Enough for 128 containers on two CPUs, and little beside what a host has that runs as many.
const USUAL_BUDGET: u64 = 64 << 20;

/// An array of the kernel's, which all rings are, has less than 4 GiB on every kernel.
const LARGEST_BUDGET: u64 = 3 << 30;

impl Default for Memory {
    fn default() -> Self {
        Self {
            budget: USUAL_BUDGET,
            is_budget_given: false,
            ring: None,
        }
    }
}

impl Memory {
    /// Reads the parameters `memory-budget` and `ring-size`.
    pub fn from_params() -> Result<Self, Error> {
        let budget = size_param("memory-budget")?.unwrap_or(USUAL_BUDGET);
        Ok(Self {
            budget,
            is_budget_given: budget != USUAL_BUDGET,
            ring: size_param("ring-size")?,
        })
    }

    /// Whether rings of so many segments per CPU are possible, of which there is room for `affordable`.
    pub fn check(&self, segments: u32, affordable: u32, cpus: u32) -> Result<(), Error> {
        let bytes =
            |segments: u32| u64::from(segments) * u64::from(cpus) * u64::from(abi::SEGMENT_BYTES);
        if segments > affordable || segments < 2 {
            return Err(Error::new(format!(
                "a ring of {} does not fit --memory-budget {}; on {cpus} CPUs the smallest ring has {}",
                size_text(bytes(segments.max(2))),
                size_text(self.budget),
                size_text(bytes(2)),
            )));
        }
        Ok(())
    }
}

/// Whether it is measured how long calls take.
pub fn has_durations() -> Result<bool, Error> {
    Ok(params::get("no-duration")? != "true" && !filter::is_of_failures()?)
}

/// How many bytes are kept of what is read or written; 0 for no contents at all.
pub fn capture_bytes() -> Result<u32, Error> {
    let text = params::get("capture-length")?;
    text.trim()
        .parse()
        .ok()
        .filter(|bytes| *bytes <= abi::CAPTURE_BYTES)
        .ok_or_else(|| {
            Error::new(format!(
                "--capture-length {text}: a number of bytes from 0 to {} is needed",
                abi::CAPTURE_BYTES
            ))
        })
}

/// Sets what the programs must know before they are loaded.
pub fn apply() -> Result<(), Error> {
    // Nobody sees what would be captured.
    let captured = match statistics::has_records()? {
        true => capture_bytes()?,
        false => 0,
    };
    set_constant("capture_bytes", captured)?;
    set_constant("durations", u8::from(has_durations()?))
}

fn size_param(key: &str) -> Result<Option<u64>, Error> {
    let text = params::get(key)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    match parse_size(text.trim()) {
        Some(bytes) if (1..=LARGEST_BUDGET).contains(&bytes) => Ok(Some(bytes)),
        Some(_) => Err(Error::new(format!(
            "--{key} {text}: the largest possible size is {}",
            size_text(LARGEST_BUDGET)
        ))),
        None => Err(Error::new(format!(
            "--{key} {text}: a size such as 512K, 64M or 1G is needed"
        ))),
    }
}

/// `64M`, `64MB` or `64MiB`, all in powers of 1024; a number alone is bytes.
fn parse_size(text: &str) -> Option<u64> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn size_text(bytes: u64) -> String {
    for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] {
        if bytes >> shift > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("4096", 4096),
            ("512k", 512 << 10),
            ("64M", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1GB", 1 << 30),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "1.5M",
            "-1",
            "64T",
            "99999999999999999999",
            "18446744073709551615K",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_said_as_they_are_given() {
        for text in ["64M", "1G", "192K", "1000"] {
            assert_eq!(size_text(parse_size(text).unwrap()), text);
        }
    }
}
