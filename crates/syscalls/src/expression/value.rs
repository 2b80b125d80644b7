//! Values: numbers, times, errors.

use super::error::Reason;
use crate::{errno, suggest};

/// Longest name of a thread (`TASK_COMM_LEN` in the kernel's include/linux/sched.h, without the NUL).
pub(super) const COMM_BYTES: usize = 15;

/// A number as C writes it: decimal, hexadecimal behind `0x`, octal behind `0`, perhaps with a sign.
pub(super) fn number(text: &str) -> Option<i128> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    // The library would take another sign.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    Some(if is_negative { -number } else { number })
}

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A time in ns, from `1.5ms`. Digits below a nanosecond do not count.
pub(super) fn duration_ns(text: &str) -> Option<i128> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = UNITS
        .iter()
        .find(|(name, _)| *name == unit.trim())
        .map(|(_, unit)| i128::from(*unit))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || fraction.is_empty() || !is_number(fraction) {
        return None;
    }
    let whole = i128::from(whole.parse::<u64>().ok()?).checked_mul(unit)?;
    let mut part = unit;
    let fraction = fraction.bytes().map(|digit| {
        part /= 10;
        i128::from(digit - b'0') * part
    });
    Some(whole + fraction.sum::<i128>())
}

/// The number of an error, by its name or as it is.
pub(super) fn error(text: &str) -> Result<i128, Reason> {
    let by_number = number(text).filter(|number| (1..=errno::MAX_ERRNO.into()).contains(number));
    errno::number(text)
        .map(i128::from)
        .or(by_number)
        .ok_or_else(|| Reason::UnknownError {
            value: text.to_owned(),
            nearest: suggest::nearest_of(&text.to_ascii_uppercase(), errno::names()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4096),
            ("-1", -1),
            ("0x10", 16),
            ("0644", 420),
            ("-0x8", -8),
            ("18446744073709551615", u64::MAX.into()),
        ] {
            assert_eq!(number(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "0x",
            "+1",
            "--1",
            "1a",
            "089",
            "99999999999999999999",
            "0x+1",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [
            ("10ms", 10_000_000),
            ("1.5s", 1_500_000_000),
            ("250us", 250_000),
            ("7 ns", 7),
            ("0.0000000019s", 1),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(duration_ns(text), Some(expected), "{text}");
        }
        for text in [
            "", "10", "ms", "-1ms", "1.ms", ".5s", "1.2.3s", "1d", "1e3s",
        ] {
            assert_eq!(duration_ns(text), None, "{text}");
        }
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(error("ENOENT"), Ok(2));
        assert_eq!(error("EWOULDBLOCK"), Ok(11));
        assert_eq!(error("2"), Ok(2));
        assert!(error("0").is_err() && error("4096").is_err() && error("-2").is_err());
        let Err(Reason::UnknownError { nearest, .. }) = error("enoent") else {
            panic!()
        };
        assert_eq!(nearest.as_deref(), Some("ENOENT"));
    }
}
