//! Classes of system calls, as `%name` selects them.
//!
//! This file owns the reading of `data/classes.txt`; its head says where the lines come from.

/// A class of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Its name, without the `%` in front.
    pub name: &'static str,
    calls: &'static str,
}

static TEXT: &str = include_str!("data/classes.txt");

/// Other names of classes.
const ALIASES: [(&str, &str); 1] = [("net", "network")];

impl Class {
    /// The class with this name, which may be another one for it.
    pub fn find(name: &str) -> Option<Class> {
        let alias = ALIASES.iter().find(|alias| alias.0 == name);
        let name = alias.map_or(name, |alias| alias.1);
        all().find(|class| class.name == name)
    }

    /// The names of its calls, sorted.
    pub fn calls(self) -> impl Iterator<Item = &'static str> {
        self.calls.split_ascii_whitespace()
    }
}

/// All of them, those most asked for first.
pub fn all() -> impl Iterator<Item = Class> {
    // A line that starts with a blank belongs to the one before.
    TEXT.split("\n%").skip(1).filter_map(|text| {
        let (name, calls) = text.split_once(':')?;
        Some(Class { name, calls })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Abi, socketcall, table};

    #[test]
    fn every_name_is_a_call_of_some_abi_and_stands_in_its_place() {
        for class in all() {
            let calls: Vec<&str> = class.calls().collect();
            assert!(calls.is_sorted() && !calls.is_empty(), "{}", class.name);
            for name in calls {
                let has_it = |abi| table::number(abi, name).is_some();
                let is_known =
                    Abi::ALL.into_iter().any(has_it) || socketcall::operation(name).is_some();
                assert!(is_known, "{}: {name}", class.name);
            }
        }
    }

    #[test]
    fn classes_have_their_calls() {
        let has = |class: &str, call: &str| {
            let class = Class::find(class).unwrap();
            class.calls().any(|known| known == call)
        };
        assert!(has("network", "connect") && has("net", "socketcall"));
        assert!(has("file", "openat") && !has("file", "read"));
        assert!(has("security", "setns") && has("security", "io_uring_setup"));
        assert!(has("%statfs", "ustat") && has("stat", "stat"));
        assert_eq!(Class::find("nothing"), None);
        assert_eq!(all().count(), 18);
    }
}
