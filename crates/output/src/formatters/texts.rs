//! The texts of numbers of known types.

use std::fmt::Write;

use gizmo_syscalls::{Abi, signal, table};

use super::scratch::Scratch;

// Writing to the scratch text cannot fail, so the outcomes of `write!` are not looked at here.

/// `ENOENT`, nothing for success, or `error#4095`.
pub(super) fn errno(bits: u64, out: &mut Scratch) {
    let number = bits as u32;
    match gizmo_syscalls::errno::lookup(number) {
        _ if number == 0 => {}
        Some(errno) => out.push(errno.name),
        None => drop(write!(out, "error#{number}")),
    }
}

/// `SIGKILL`, or `signal#99`.
pub(super) fn signal(bits: u64, out: &mut Scratch) {
    match signal::name(bits) {
        Some(name) => out.push(name),
        None => drop(write!(out, "signal#{}", bits as i32)),
    }
}

/// `SYS_OPENAT`, or `SYS_UNKNOWN`.
pub(super) fn syscall(abi: Option<Abi>, bits: u64, out: &mut Scratch) {
    let number = u32::try_from(bits).ok();
    let name = abi
        .zip(number)
        .and_then(|(abi, number)| table::name(abi, number));
    out.push("SYS_");
    for character in name.unwrap_or("unknown").chars() {
        let _ = out.write_char(character.to_ascii_uppercase());
    }
}

/// `10 B`, `1.2 kB`: steps of 1000, one digit after the point below 10.
pub(super) fn bytes(bits: u64, out: &mut Scratch) {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bits < 10 {
        let _ = write!(out, "{bits} B");
        return;
    }
    let mut step = 0;
    let mut divisor = 1u64;
    while bits / divisor >= 1000 {
        divisor *= 1000;
        step += 1;
    }
    let rounded = (bits as f64 / divisor as f64 * 10.0 + 0.5).floor() / 10.0;
    let digits = usize::from(rounded < 10.0);
    let _ = write!(out, "{rounded:.digits$} {}", UNITS[step]);
}

/// `15ns`, `1.50µs`, `2.25ms`, and from a second on `1.5s` or `2m3s`.
pub(super) fn duration(ns: u64, out: &mut impl Write) {
    const MICRO: u64 = 1_000;
    const MILLI: u64 = 1_000_000;
    const SECOND: u64 = 1_000_000_000;
    let _ = match ns {
        ..MICRO => write!(out, "{ns}ns"),
        MICRO..MILLI => write!(out, "{:.2}µs", ns as f64 / MICRO as f64),
        MILLI..SECOND => write!(out, "{:.2}ms", ns as f64 / MILLI as f64),
        _ => {
            let (seconds, rest) = (ns / SECOND, ns % SECOND);
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            if hours > 0 {
                let _ = write!(out, "{hours}h");
            }
            if hours > 0 || minutes > 0 {
                let _ = write!(out, "{minutes}m");
            }
            let _ = write!(out, "{seconds}");
            write_fraction(rest, out);
            write!(out, "s")
        }
    };
}

fn write_fraction(mut ns: u64, out: &mut impl Write) {
    let mut digits = 9;
    if ns == 0 {
        return;
    }
    while ns.is_multiple_of(10) {
        ns /= 10;
        digits -= 1;
    }
    let _ = write!(out, ".{ns:0digits$}");
}

/// The text of Go's `os.FileMode`, such as `-rw-r--r--`.
pub(super) fn file_mode(bits: u64, out: &mut Scratch) {
    let before = out.as_bytes().len();
    for (position, letter) in "dalTLDpSugct?".chars().enumerate() {
        if bits & (1 << (31 - position)) != 0 {
            let _ = out.write_char(letter);
        }
    }
    if out.as_bytes().len() == before {
        out.push("-");
    }
    for (position, letter) in "rwxrwxrwx".chars().enumerate() {
        let set = bits & (1 << (8 - position)) != 0;
        let _ = out.write_char(if set { letter } else { '-' });
    }
}

/// `O_WRONLY|O_CREAT`: how the file is opened, then the other flags in the order of their bits.
pub(super) fn file_flags(bits: u64, out: &mut Scratch) {
    const FLAGS: [(u64, &str); 14] = [
        (0o100, "O_CREAT"),
        (0o200, "O_EXCL"),
        (0o400, "O_NOCTTY"),
        (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"),
        (0o4000, "O_NONBLOCK"),
        (0o10000, "O_DSYNC"),
        (0o20000, "O_FASYNC"),
        (0o40000, "O_DIRECT"),
        (0o100000, "O_LARGEFILE"),
        (0o200000, "O_DIRECTORY"),
        (0o400000, "O_NOFOLLOW"),
        (0o1000000, "O_NOATIME"),
        (0o2000000, "O_CLOEXEC"),
    ];
    out.push(match bits & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        _ => "O_RDWR",
    });
    for (flag, name) in FLAGS {
        if bits & flag != 0 {
            out.push("|");
            out.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl Fn(u64, &mut Scratch), bits: u64) -> String {
        let mut out = Scratch::default();
        write(bits, &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn numbers_of_errors_and_signals_get_names() {
        assert_eq!(text(errno, 0), "");
        assert_eq!(text(errno, 2), "ENOENT");
        assert_eq!(text(errno, 133), "EHWPOISON");
        assert_eq!(text(errno, 4000), "error#4000");
        assert_eq!(text(signal, 9), "SIGKILL");
        assert_eq!(text(signal, 99), "signal#99");
        assert_eq!(text(signal, u64::MAX), "signal#-1");
        let x86_64 = |bits, out: &mut Scratch| syscall(Abi::native("x86_64"), bits, out);
        assert_eq!(text(x86_64, 257), "SYS_OPENAT");
        assert_eq!(text(x86_64, u64::MAX), "SYS_UNKNOWN");
        assert_eq!(
            text(|bits, out| syscall(None, bits, out), 257),
            "SYS_UNKNOWN"
        );
    }

    #[test]
    fn sizes_are_rounded() {
        let cases = [
            (0, "0 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1234, "1.2 kB"),
            (9_960, "10 kB"),
            (3_400_000, "3.4 MB"),
            (u64::MAX, "18 EB"),
        ];
        for (bits, expected) in cases {
            assert_eq!(text(bytes, bits), expected);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let cases = [
            (0, "0ns"),
            (999, "999ns"),
            (1_500, "1.50µs"),
            (2_250_000, "2.25ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (123_000_000_000, "2m3s"),
            (3_600_000_000_001, "1h0m0.000000001s"),
        ];
        for (ns, expected) in cases {
            assert_eq!(text(duration, ns), expected);
        }
    }

    #[test]
    fn modes_and_flags_of_files_are_spelled_out() {
        assert_eq!(text(file_mode, 0), "----------");
        assert_eq!(text(file_mode, 0o100644), "-rw-r--r--");
        assert_eq!(text(file_mode, 1 << 31 | 0o755), "drwxr-xr-x");
        assert_eq!(text(file_flags, 0), "O_RDONLY");
        assert_eq!(text(file_flags, 0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert!(text(file_flags, u64::from(u32::MAX)).ends_with("|O_CLOEXEC"));
    }
}
