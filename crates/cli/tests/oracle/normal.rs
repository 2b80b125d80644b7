//! The form in which both recordings are compared.

use std::fmt;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Value(i64),
    /// Errors that programs see and those that only tracers see, such as `ERESTARTSYS`.
    Error(String),
    NeverReturns,
    Killed,
    /// The tracer saw no end.
    Unseen,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Value(value) => write!(f, "{value}"),
            Outcome::Error(name) => f.write_str(name),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What one argument points to, as far as both tools show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes, and whether there were more.
    Bytes(Vec<u8>, bool),
    /// Several strings, and whether there were more.
    Strings(Vec<(Vec<u8>, bool)>, bool),
    /// A socket's address, in gizmo's words.
    Address(String),
    /// A message.
    Message(Message),
    /// Several messages, and whether there were more.
    Messages(Vec<Message>, bool),
}

/// The address and the data of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub address: Option<String>,
    pub data: Option<(Vec<u8>, bool)>,
}
