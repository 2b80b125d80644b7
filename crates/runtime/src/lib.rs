//! An image becomes a running gadget: phases, threads and shutdown.

#![forbid(unsafe_code)]
