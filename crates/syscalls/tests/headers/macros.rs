//! Numbers that C headers define, by way of a C preprocessor.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Definitions lead to definitions; more steps than this lead nowhere.
const MAX_DEPTH: u32 = 8;

/// What a preprocessor knows after reading a header.
pub(crate) struct Macros(BTreeMap<String, String>);

impl Macros {
    /// Reads a header as a compiler for `target` does that looks for files in `folders` only.
    ///
    /// # Panics
    ///
    /// A folder is missing, or the header cannot be read: both are what `cargo xtask setup` is for.
    #[track_caller]
    pub(crate) fn read(target: &str, folders: &[&str], options: &[&str], header: &str) -> Macros {
        for folder in folders {
            assert!(
                Path::new(folder).is_dir(),
                "no kernel headers in `{folder}`; run `cargo xtask setup`"
            );
        }
        let mut command = Command::new(compiler());
        command
            .arg(format!("--target={target}"))
            .args(["-E", "-dM", "-nostdinc", "-x", "c", "-include", header])
            .args(folders.iter().flat_map(|folder| ["-isystem", folder]))
            .args(options)
            .arg("/dev/null")
            .stdin(Stdio::null());
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Macros::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Reads lines like `#define NAME VALUE`; a macro with parameters keeps them in its name.
    fn parse(text: &str) -> Macros {
        let definitions = text
            .lines()
            .filter_map(|line| line.strip_prefix("#define "));
        let pairs = definitions.map(|line| line.split_once(' ').unwrap_or((line, "")));
        Macros(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// All macros whose name begins with `prefix` and whose value is a number; their names without the prefix.
    pub(crate) fn numbers(&self, prefix: &str) -> BTreeMap<&str, u32> {
        let named = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        named
            .filter_map(|(name, value)| Some((name, self.evaluate(value, 0)?)))
            .collect()
    }

    /// The value of what these headers write: numbers, names, sums and parentheses.
    fn evaluate(&self, text: &str, depth: u32) -> Option<u32> {
        if depth > MAX_DEPTH {
            return None;
        }
        let plain = text.replace(['(', ')'], "");
        let terms = plain.split('+').map(|term| self.term(term.trim(), depth));
        terms.sum()
    }

    fn term(&self, term: &str, depth: u32) -> Option<u32> {
        match term.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None if term.starts_with(|first: char| first.is_ascii_digit()) => term.parse().ok(),
            None => self.evaluate(self.0.get(term)?, depth + 1),
        }
    }
}

/// The compiler that builds the eBPF programs, since it preprocesses for every target.
fn compiler() -> String {
    std::env::var("CLANG")
        .ok()
        .filter(|named| !named.is_empty())
        .unwrap_or_else(|| "clang-19".to_owned())
}

#[test]
fn sums_and_names_are_evaluated_and_circles_are_not() {
    let macros = Macros::parse(
        "#define N_BASE 0x10\n#define N_a (N_BASE + 2)\n#define N_b N_a\n#define N_c\n#define N_d N_d\n#define N_e(x) x\n",
    );
    let numbers = macros.numbers("N_");
    assert_eq!(
        numbers.into_iter().collect::<Vec<_>>(),
        [("BASE", 16), ("a", 18), ("b", 18)]
    );
}
