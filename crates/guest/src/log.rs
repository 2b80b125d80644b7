//! The log, and what the logging macros call.
//!
//! The macros [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!), [`debug!`](crate::debug!) and
//! [`trace!`](crate::trace!) take what `format!` takes. Nothing is evaluated unless the host wants the line.

use std::cell::Cell;
use std::fmt;
use std::fmt::Write;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Level {
    /// Something asked for was given up.
    Error = 0,
    /// Something works less well than it should.
    Warn = 1,
    /// Beginning and end of something large.
    Info = 2,
    /// Decisions.
    Debug = 3,
    /// Single events.
    Trace = 4,
}

/// A longer line's buffer is not kept.
const KEPT_BYTES: usize = 16 << 10;

thread_local! {
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// Whether the host would show a line of this level.
pub fn is_enabled(level: Level) -> bool {
    sink::is_enabled(level)
}

/// Writes a line without asking whether the host wants it.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if let Some(literal) = message.as_str() {
        return sink::write(level, literal);
    }
    // Taken, not borrowed: what is formatted may log something itself.
    let mut line = LINE.take();
    line.clear();
    // An error comes from a `Display` of the guest; what was written until then is still worth showing.
    let _ = line.write_fmt(message);
    sink::write(level, &line);
    if line.capacity() <= KEPT_BYTES {
        LINE.set(line);
    }
}

#[cfg(target_family = "wasm")]
mod sink {
    use super::Level;
    use crate::abi::Input;
    use crate::raw;

    pub(super) fn is_enabled(level: Level) -> bool {
        raw::gadget_should_log(level as u32) == 1
    }

    pub(super) fn write(level: Level, line: &str) {
        raw::gadget_log(level as u32, Input::text(line));
    }
}

/// Without a host, in unit tests of guests, everything goes to standard error.
#[cfg(not(target_family = "wasm"))]
mod sink {
    use super::Level;

    pub(super) fn is_enabled(_level: Level) -> bool {
        true
    }

    pub(super) fn write(level: Level, line: &str) {
        eprintln!("{level:?}: {line}");
    }
}

/// Writes a line at the given [`Level`](crate::log::Level) if the host wants it.
#[macro_export]
macro_rules! log {
    ($level:expr, $($message:tt)+) => {{
        let level = $level;
        if $crate::log::is_enabled(level) {
            $crate::log::write(level, ::core::format_args!($($message)+));
        }
    }};
}

/// Writes a line at level error: something asked for was given up.
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log!($crate::log::Level::Error, $($message)+) };
}

/// Writes a line at level warn: something works less well than it should.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log!($crate::log::Level::Warn, $($message)+) };
}

/// Writes a line at level info: beginning and end of something large.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log!($crate::log::Level::Info, $($message)+) };
}

/// Writes a line at level debug: decisions.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log!($crate::log::Level::Debug, $($message)+) };
}

/// Writes a line at level trace: single events.
#[macro_export]
macro_rules! trace {
    ($($message:tt)+) => { $crate::log!($crate::log::Level::Trace, $($message)+) };
}

#[cfg(test)]
mod tests {
    struct Talkative;

    impl std::fmt::Display for Talkative {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            crate::info!("formatting {}", "inside");
            f.write_str("outside")
        }
    }

    #[test]
    fn formatting_may_log() {
        crate::warn!("formatted {Talkative}");
        assert_eq!(super::LINE.take(), "formatted outside");
    }
}
