//! Names of signals, as on all our ABIs (`asm-generic/signal.h`; MIPS, SPARC and a few others differ).

/// The name of a signal; real-time signals have none.
pub fn name(number: u64) -> Option<&'static str> {
    let name = SIGNALS.get(usize::try_from(number).ok()?)?;
    (!name.is_empty()).then_some(*name)
}

const SIGNALS: [&str; 32] = [
    "",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_numbers() {
        assert_eq!(name(9), Some("SIGKILL"));
        assert_eq!(name(31), Some("SIGSYS"));
        assert_eq!([name(0), name(32), name(u64::MAX)], [None; 3]);
    }
}
