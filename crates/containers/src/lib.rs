//! Which containers there are: for now a command run as a pseudo-container.

#![forbid(unsafe_code)]
