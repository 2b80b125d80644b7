//! The recorder is exact: every call that was made is shown, or counted as lost, under the right container, process, thread,
//! name, ABI and CPU; and what it keeps for that does not grow.
//!
//! Run with `cargo test -p gizmo --test recorder -- --ignored --test-threads=1` as root, on a machine with `cc` (with `-m32`)
//! and `unshare`. A test that cannot run fails. `GIZMO_FULL=1` runs the long versions.
//!
//! The programs are in `testing/fixtures`. Each knows what it does: how many calls, by whom, in which order; so no other
//! tool is needed to judge the recording. Containers are made by hand, without a runtime. What two recorders agree on is
//! in the tests of `oracle`.

mod abis;
mod blocked;
mod churn;
mod dump;
#[path = "../oracle/fixture.rs"]
mod fixture;
mod flood;
mod functions;
mod limits;
mod moves;
#[path = "../containers/recording.rs"]
mod recording;
mod seccomp;
mod shown;
mod size;
mod start;
mod statistics;
mod whose;
