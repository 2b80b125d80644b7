//! What can go wrong in a guest.

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host said no. It reports just that; the reason is in its log, unless it is obvious.
    #[error("the host refused `{function}` for {subject}")]
    Refused {
        /// The host function.
        function: &'static str,
        /// What it was called for: a name in backticks, or a kind of object.
        subject: String,
    },
    /// A parameter does not hold a list.
    #[cfg(feature = "list")]
    #[error("parameter `{key}` is not a list")]
    List {
        /// The key of the parameter.
        key: String,
        /// What is wrong, and where.
        source: gizmo_syscalls::list::ListError,
    },
    /// A message of the guest's own.
    #[error("{0}")]
    Message(String),
}

impl Error {
    /// An error that says `text`.
    pub fn new(text: impl Into<String>) -> Error {
        Error::Message(text.into())
    }

    /// The host said no to `function` about the thing called `name`.
    pub(crate) fn refused(function: &'static str, name: &str) -> Error {
        Error::Refused {
            function,
            subject: format!("`{name}`"),
        }
    }

    /// The host said no to `function` about something without a name.
    pub(crate) fn refused_unnamed(function: &'static str, subject: &str) -> Error {
        Error::Refused {
            function,
            subject: subject.to_owned(),
        }
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        Error::Message(text)
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        Error::Message(text.to_owned())
    }
}

/// Returns an [`Error`] with a formatted message from the surrounding function.
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::new(::std::format!($($message)+)).into())
    };
}

/// Returns an [`Error`] with a formatted message from the surrounding function unless a condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($($message)+);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(number: u32) -> Result<u32> {
        ensure!(number < 10, "{number} is too large");
        Ok(number)
    }

    #[test]
    fn ensure_returns_the_message_only_if_the_condition_does_not_hold() {
        assert_eq!(checked(9).unwrap(), 9);
        assert_eq!(checked(10).unwrap_err().to_string(), "10 is too large");
    }

    #[test]
    fn a_refusal_names_function_and_subject() {
        let error = Error::refused("getMap", "events");
        assert_eq!(error.to_string(), "the host refused `getMap` for `events`");
    }
}
