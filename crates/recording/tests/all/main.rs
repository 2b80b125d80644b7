//! What is written is read back, and what is broken is never taken for something else.

mod damage;
mod hostile;
mod roundtrip;
mod support;
