//! The exports of a guest and what happens around its handlers.

use std::cell::Cell;
use std::error::Error as StdError;

use crate::log::{self, Level};
use crate::subscription;

/// The version of the interface between host and guest.
pub const API_VERSION: u64 = 1;

/// What a handler or a callback may return: nothing, or a `Result` whose error can be shown.
///
/// Suitable errors are [`Error`](crate::Error), every other error type, `String` and `&str`.
pub trait Outcome {
    /// The text of a failure, with its causes.
    #[doc(hidden)]
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Into<Box<dyn StdError>>> Outcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        let error = self.err()?.into();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Some(text)
    }
}

/// What a callback may return: an [`Outcome`], or a `Flow`, or a `Result` with a `Flow`.
pub trait Verdict {
    /// Whether to discard the packet, and the text of a failure.
    #[doc(hidden)]
    fn verdict(self) -> (bool, Option<String>);
}

impl<O: Outcome> Verdict for O {
    fn verdict(self) -> (bool, Option<String>) {
        (false, self.failure())
    }
}

#[cfg(feature = "host-gizmo")]
pub use flow::Flow;

#[cfg(feature = "host-gizmo")]
mod flow {
    use super::*;

    /// What becomes of a packet after a callback. Upstream's runtime knows nothing but going on.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Flow {
        /// It goes on to the next subscriber.
        Continue,
        /// No later subscriber sees it. Where the callback received one element of an array, that element is removed and
        /// the others go on.
        Discard,
    }

    impl Verdict for Flow {
        fn verdict(self) -> (bool, Option<String>) {
            (self == Flow::Discard, None)
        }
    }

    impl<E: Into<Box<dyn StdError>>> Verdict for Result<Flow, E> {
        fn verdict(self) -> (bool, Option<String>) {
            match self {
                Ok(flow) => flow.verdict(),
                Err(error) => Err::<(), E>(error).verdict(),
            }
        }
    }
}

/// Runs the handler of a phase and returns what the host wants to hear: 0, or 1 for a failure.
pub fn run<O: Outcome>(handler: impl FnOnce() -> O) -> i32 {
    show_panics();
    match handler().failure() {
        None => 0,
        Some(text) => {
            explain(&text);
            1
        }
    }
}

/// Runs a callback for the host, and returns whether to discard the packet.
pub fn dispatch(callback: u64, handle: u32) -> bool {
    let (is_discarded, failure) = subscription::call(callback, handle);
    if let Some(text) = failure {
        log::write(Level::Error, format_args!("callback failed: {text}"));
    }
    is_discarded
}

/// Gives the host the cause of the failure that it is about to see.
#[cfg(all(feature = "host-gizmo", target_family = "wasm"))]
fn explain(text: &str) {
    crate::raw::fail(crate::abi::Input::text(text));
}

/// Without `gizmo.fail` the last line at level error is the cause.
#[cfg(not(all(feature = "host-gizmo", target_family = "wasm")))]
fn explain(text: &str) {
    log::write(Level::Error, format_args!("{text}"));
}

thread_local! {
    static ARE_PANICS_SHOWN: Cell<bool> = const { Cell::new(false) };
}

/// Makes a panic leave a line in the host's log; all that the host sees by itself is a trap.
fn show_panics() {
    // In native tests the panics belong to the test harness.
    if cfg!(target_family = "wasm") && !ARE_PANICS_SHOWN.replace(true) {
        std::panic::set_hook(Box::new(|panic| {
            let text = panic.payload_as_str().unwrap_or("no text");
            match panic.location() {
                Some(place) => log::write(
                    Level::Error,
                    format_args!("guest panicked at {place}: {text}"),
                ),
                None => log::write(Level::Error, format_args!("guest panicked: {text}")),
            }
        }));
    }
}

/// Exports a guest's handlers.
///
/// Takes any of `init`, `pre_start`, `start`, `pre_stop`, `stop` and `post_stop`, each with a function or closure without
/// parameters that returns an [`Outcome`]; see the [crate's documentation](crate) for when they are called. Guests that can
/// be looked at while they run also have any of `snapshot`, `forget`, `recordings` and `set_params` of that kind, and
/// `follow`, which is given a [`Follower`](crate::Follower). To be used once, in the root of the crate. Since exporting
/// counts as unsafe, the crate may `deny(unsafe_code)` but not forbid it.
///
/// ```
/// # use gizmo_guest::{Error, export};
/// export! {
///     init = init,
///     stop = || gizmo_guest::info!("good bye"),
/// }
///
/// fn init() -> Result<(), Error> {
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// gizmo_guest::export! { begin = || () }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($($phase:ident = $handler:expr),* $(,)?) => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the host finds the function by its name")]
        #[cfg_attr(target_family = "wasm", unsafe(export_name = "gadgetAPIVersion"))]
        pub extern "C" fn gizmo_export_api_version() -> u64 {
            $crate::private::API_VERSION
        }

        $crate::export_callback! {}

        $($crate::export_phase!($phase = $handler);)*
    };
}

/// Exports the callback, with a result: 1 discards the packet.
#[cfg(feature = "host-gizmo")]
#[doc(hidden)]
#[macro_export]
macro_rules! export_callback {
    () => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the host finds the function by its name")]
        #[cfg_attr(target_family = "wasm", unsafe(export_name = "dataSourceCallback"))]
        pub extern "C" fn gizmo_export_callback(callback: u64, _source: u32, data: u32) -> u32 {
            $crate::private::dispatch(callback, data) as u32
        }
    };
}

/// Exports the callback as every host knows it.
#[cfg(not(feature = "host-gizmo"))]
#[doc(hidden)]
#[macro_export]
macro_rules! export_callback {
    () => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the host finds the function by its name")]
        #[cfg_attr(target_family = "wasm", unsafe(export_name = "dataSourceCallback"))]
        pub extern "C" fn gizmo_export_callback(callback: u64, _source: u32, data: u32) {
            $crate::private::dispatch(callback, data);
        }
    };
}

/// Exports one handler.
#[doc(hidden)]
#[macro_export]
macro_rules! export_phase {
    (init = $handler:expr) => {
        $crate::export_phase!(gizmo_export_init, "gadgetInit", $handler);
    };
    (pre_start = $handler:expr) => {
        $crate::export_phase!(gizmo_export_pre_start, "gadgetPreStart", $handler);
    };
    (start = $handler:expr) => {
        $crate::export_phase!(gizmo_export_start, "gadgetStart", $handler);
    };
    (pre_stop = $handler:expr) => {
        $crate::export_phase!(gizmo_export_pre_stop, "gadgetPreStop", $handler);
    };
    (stop = $handler:expr) => {
        $crate::export_phase!(gizmo_export_stop, "gadgetStop", $handler);
    };
    (post_stop = $handler:expr) => {
        $crate::export_phase!(gizmo_export_post_stop, "gadgetPostStop", $handler);
    };
    (snapshot = $handler:expr) => {
        $crate::export_phase!(gizmo_export_snapshot, "gadgetSnapshot", $handler);
    };
    (forget = $handler:expr) => {
        $crate::export_phase!(gizmo_export_forget, "gadgetForget", $handler);
    };
    (recordings = $handler:expr) => {
        $crate::export_phase!(gizmo_export_recordings, "gadgetRecordings", $handler);
    };
    (set_params = $handler:expr) => {
        $crate::export_phase!(gizmo_export_set_params, "gadgetSetParams", $handler);
    };
    (follow = $handler:expr) => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the host finds the function by its name")]
        #[cfg_attr(target_family = "wasm", unsafe(export_name = "gadgetFollow"))]
        pub extern "C" fn gizmo_export_follow(number: u32, is_new: u32) -> i32 {
            $crate::private::run(|| $handler($crate::private::follower(number, is_new)))
        }
    };
    ($name:ident, $export:literal, $handler:expr) => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the host finds the function by its name")]
        #[cfg_attr(target_family = "wasm", unsafe(export_name = $export))]
        pub extern "C" fn $name() -> i32 {
            $crate::private::run($handler)
        }
    };
    ($phase:ident = $handler:expr) => {
        ::core::compile_error!(::core::concat!(
            "`",
            ::core::stringify!($phase),
            "` is no phase; there are init, pre_start, start, pre_stop, stop and post_stop, and for looking meanwhile ",
            "snapshot, follow, forget, recordings and set_params"
        ));
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the table")]
    struct Outer(#[source] Error);

    #[test]
    fn a_failure_names_all_causes() {
        let outcome: Result<(), Outer> = Err(Outer(Error::new("no such file")));
        assert_eq!(
            outcome.failure().as_deref(),
            Some("reading the table: no such file")
        );
        assert_eq!(
            Err::<(), _>("just text").failure().as_deref(),
            Some("just text")
        );
    }

    #[test]
    fn success_has_no_failure() {
        assert_eq!(().failure(), None);
        assert_eq!(Ok::<(), Error>(()).failure(), None);
    }

    #[cfg(feature = "host-gizmo")]
    #[test]
    fn only_a_flow_discards() {
        assert_eq!(().verdict(), (false, None));
        assert_eq!(Flow::Continue.verdict(), (false, None));
        assert_eq!(Ok::<_, Error>(Flow::Discard).verdict(), (true, None));
        let failed: (bool, Option<String>) = Err::<Flow, _>("no").verdict();
        assert_eq!(failed, (false, Some("no".to_owned())));
    }

    #[test]
    fn a_phase_returns_1_for_a_failure() {
        assert_eq!(run(|| ()), 0);
        assert_eq!(run(|| Err::<(), _>("on purpose")), 1);
    }
}
