//! What a system call's arguments are called and which C types they have.
//!
//! This file owns the type; `tracefs.rs` makes declarations from the kernel's texts, `fallback.rs` from a table.

use std::borrow::Cow;

/// A system call's declaration: its name in the system call table and its parameters in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The name in the system call table (not the tracepoint's: `stat`, not `newstat`).
    pub name: Cow<'static, str>,
    /// At most six parameters.
    pub parameters: Vec<Parameter>,
}

/// One parameter of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The kernel's name for it, such as `filename`.
    pub name: Cow<'static, str>,
    /// The kernel's C type, such as `const char *` or `umode_t`.
    pub ctype: Cow<'static, str>,
}

impl Parameter {
    /// Whether the C type is a pointer (spec: a `*` in the type; typedefs of pointers do not count).
    pub fn is_pointer(&self) -> bool {
        self.ctype.contains('*')
    }
}
