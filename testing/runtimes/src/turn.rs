//! Taking turns: runs that are measured or signalled, or that see all of the host, do not bear company.

use std::fs::File;

/// A turn. Ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for a turn, among the tests of this process and of others. Fails at once without root: what takes turns cannot be
    /// judged then.
    #[track_caller]
    #[must_use]
    pub fn wait() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root"
        );
        let path = std::env::temp_dir().join("gizmo-root-tests.lock");
        let lock = File::create(path).expect("lock file");
        lock.lock().expect("lock");
        Self { _lock: lock }
    }
}
