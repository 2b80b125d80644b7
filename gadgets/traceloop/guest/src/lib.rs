//! The WASM guest of traceloop: filter parameter, ring reader and decoder.

#![forbid(unsafe_code)]
