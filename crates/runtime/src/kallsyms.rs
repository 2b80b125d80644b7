//! Which symbols the kernel has: `/proc/kallsyms`, read once and only when somebody asks.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::{fs, sync::OnceLock};

use tracing::warn;

/// The names of all symbols, as hashes with their counts: the 120 000 names of a kernel would take 10 MiB.
#[derive(Default)]
pub(crate) struct Kallsyms {
    names: OnceLock<Names>,
}

#[derive(Default)]
struct Names {
    counts: HashMap<u64, u8>,
    hasher: RandomState,
}

impl Kallsyms {
    /// Whether exactly one symbol has this name (wasm-host-api.md 3.9).
    pub(crate) fn has_one(&self, name: &str) -> bool {
        let names = self
            .names
            .get_or_init(|| match fs::File::open("/proc/kallsyms") {
                Ok(file) => Names::read(file),
                Err(error) => {
                    warn!(%error, "/proc/kallsyms cannot be read; no kernel symbol is known");
                    Names::default()
                }
            });
        names.counts.get(&names.hasher.hash_one(name.as_bytes())) == Some(&1)
    }
}

impl Names {
    fn read(from: impl Read) -> Self {
        let mut names = Names::default();
        let mut reader = BufReader::with_capacity(1 << 16, from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return names,
                Ok(_) => {}
            }
            if let Some(name) = name_of(&line) {
                let count = names.counts.entry(names.hasher.hash_one(name)).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
}

/// The name in a line `ADDRESS TYPE NAME[<TAB>[MODULE]]`.
fn name_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.splitn(3, |&byte| byte == b' ').nth(2)?;
    let end = rest
        .iter()
        .position(|&byte| byte == b'\t' || byte == b'\n')
        .unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_occur_once_exist() {
        let text: &[u8] =
            b"0000 T vfs_read\n0000 t twice\n0000 t twice\n0000 t of_module\t[ext4]\n\nrubbish\n";
        let kallsyms = Kallsyms::default();
        let _ = kallsyms.names.set(Names::read(text));
        assert!(kallsyms.has_one("vfs_read"));
        assert!(kallsyms.has_one("of_module"));
        assert!(!kallsyms.has_one("twice"));
        assert!(!kallsyms.has_one("absent"));
    }
}
