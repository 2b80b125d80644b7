//! The binary `gizmo` as a person or a script uses it: arguments in; exit code, stdout and stderr out.
//!
//! Everything in `root` loads eBPF programs and is ignored by default; the rest needs no rights, no network and no
//! kernel feature. Every test has a store of its own.

mod bench;
mod build;
mod containers;
mod damage;
mod doctor;
mod gadgets;
mod help;
mod hostile;
mod images;
mod manifest;
mod misuse;
mod phases;
mod pictures;
mod recording_file;
mod root;
mod show;
mod support;
mod syscalls;
