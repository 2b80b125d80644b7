//! The gadget images built at compile time and embedded in the binary.

#![forbid(unsafe_code)]
