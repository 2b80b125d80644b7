//! strace is the oracle: small programs run under both, and the recordings must agree.
//!
//! Run with `cargo test -p gizmo --test oracle -- --ignored` as root, on a machine with `strace`, `setarch` and `cc`
//! (with `-m32`). A test that cannot run fails.
//!
//! What agrees: per thread the sequence of calls with their names, results and errors, completely, and the texts that
//! arguments point to, byte for byte. Where the two rightly differ, `differences.rs` says so and why, and a program must
//! show exactly the differences it is listed with. What all arguments of real programs mean is compared in `arguments`. The programs are in `testing/fixtures`, each says what it exercises.

mod args;
mod arguments;
mod compare;
mod contents;
mod differences;
mod fixture;
mod normal;
mod programs;
mod recording;
mod rings;
mod run;
mod selections;
mod strace;
mod text;
