//! Timestamps: from nanoseconds since boot to the wall clock, and from there to text.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ClockOffset;
use super::scratch::Scratch;

/// Turns the boot clock of events into wall-clock times.
pub(super) struct Clock {
    offset_ns: i64,
    zone: TimeZone,
    /// A format for `strftime` when the metadata asks for one.
    format: Option<String>,
}

impl Clock {
    /// `layout` is a layout of Go's package `time`.
    pub(super) fn new(offset: ClockOffset, zone: TimeZone, layout: Option<&str>) -> Self {
        Self {
            offset_ns: offset.0,
            zone,
            format: layout.filter(|layout| !layout.is_empty()).map(strftime),
        }
    }

    /// Wall-clock nanoseconds of a boot time; an event without a time gets the present.
    pub(super) fn wall_ns(&self, boot_ns: u64) -> u64 {
        if boot_ns == 0 {
            return u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
        }
        boot_ns.saturating_add_signed(self.offset_ns)
    }

    /// Appends the time; the default form is RFC 3339 with nine digits.
    pub(super) fn write(&self, wall_ns: u64, out: &mut Scratch) {
        let Ok(time) = Timestamp::from_nanosecond(i128::from(wall_ns)) else {
            return;
        };
        if let Some(format) = &self.format {
            // A format that cannot be used leaves the text as far as it came.
            let _ = write!(out, "{}", time.to_zoned(self.zone.clone()).strftime(format));
            return;
        }
        let offset = self.zone.to_offset(time);
        let local = offset.to_datetime(time);
        let mut text = *b"0000-00-00T00:00:00.000000000";
        // Each number, and where its digits end.
        let parts = [
            (local.year().unsigned_abs().into(), 4),
            (local.month().unsigned_abs().into(), 7),
            (local.day().unsigned_abs().into(), 10),
            (local.hour().unsigned_abs().into(), 13),
            (local.minute().unsigned_abs().into(), 16),
            (local.second().unsigned_abs().into(), 19),
            (local.subsec_nanosecond().unsigned_abs(), 29),
        ];
        for (number, end) in parts {
            put_digits(number, &mut text[..end]);
        }
        out.push(std::str::from_utf8(&text).unwrap_or_default());
        let minutes = offset.seconds() / 60;
        // Writing to the scratch text cannot fail.
        let _ = match minutes {
            0 => out.write_str("Z"),
            _ => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        };
    }
}

/// Puts the digits of a number in the place of zeros at the end of a text; the machinery of `write!` takes several times as
/// long, and this is done for every event.
fn put_digits(mut number: u32, text: &mut [u8]) {
    for place in text.iter_mut().rev() {
        if number == 0 {
            return;
        }
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The elements of Go's layouts, longer ones before those they start with.
const ELEMENTS: [(&str, &str); 31] = [
    (".000000000", "%.9f"),
    (".000000", "%.6f"),
    (".000", "%.3f"),
    (".999999999", "%.f"),
    (".999999", "%.f"),
    (".999", "%.f"),
    ("January", "%B"),
    ("Monday", "%A"),
    ("Z07:00", "%:z"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("2006", "%Y"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    ("%", "%%"),
];

fn strftime(layout: &str) -> String {
    let mut format = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some((element, directive)) = ELEMENTS.iter().find(|(e, _)| rest.starts_with(e)) {
            format.push_str(directive);
            rest = &rest[element.len()..];
        } else {
            format.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    format
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(zone: TimeZone, layout: Option<&str>, boot_ns: u64, offset: i64) -> String {
        let clock = Clock::new(ClockOffset(offset), zone, layout);
        let mut out = Scratch::default();
        clock.write(clock.wall_ns(boot_ns), &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn times_have_nine_digits_and_a_zone() {
        let offset = 1_767_323_045_000_000_000;
        assert_eq!(
            text(TimeZone::UTC, None, 6, offset),
            "2026-01-02T03:04:05.000000006Z"
        );
        let india = TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap());
        assert_eq!(
            text(india, None, 6, offset),
            "2026-01-02T08:34:05.000000006+05:30"
        );
        let west = TimeZone::fixed(jiff::tz::Offset::from_seconds(-9_000).unwrap());
        assert_eq!(
            text(west, None, 6, offset),
            "2026-01-02T00:34:05.000000006-02:30"
        );
    }

    #[test]
    fn layouts_of_go_are_understood() {
        let layout = "Mon Jan _2 15:04:05.000 2006 (%)";
        assert_eq!(
            text(TimeZone::UTC, Some(layout), 6, 1_767_323_045_000_000_000),
            "Fri Jan  2 03:04:05.000 2026 (%)"
        );
    }

    #[test]
    fn any_time_is_fine() {
        assert!(!text(TimeZone::UTC, None, u64::MAX, i64::MAX).is_empty());
        assert!(!text(TimeZone::UTC, None, 1, i64::MIN).is_empty());
        assert!(!text(TimeZone::UTC, None, 0, 0).starts_with("1970"));
    }
}
