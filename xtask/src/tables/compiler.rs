//! What the C compiler knows of constants: which there are, and their numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, bail};

/// What the compiler is given.
const FILE: &str = "constants.c";

/// Where an ABI's constants are defined.
pub(super) struct Source {
    /// The ABI's name, as Gizmo writes it.
    pub name: &'static str,
    target: &'static str,
    folders: &'static [&'static str],
    options: &'static [&'static str],
}

const X86: &[&str] = &["/usr/include/x86_64-linux-gnu", "/usr/include"];

/// The ABIs whose headers are packaged. LoongArch has the generic ones, as RISC-V has.
pub(super) const ABIS: [Source; 8] = [
    kernel("x86_64", "x86_64-linux-gnu", X86),
    kernel("i386", "i686-linux-gnu", X86),
    kernel("x32", "x86_64-linux-gnux32", X86),
    kernel(
        "arm64",
        "aarch64-linux-gnu",
        &["/usr/aarch64-linux-gnu/include"],
    ),
    kernel(
        "arm",
        "arm-linux-gnueabihf",
        &["/usr/arm-linux-gnueabihf/include"],
    ),
    kernel(
        "riscv64",
        "riscv64-linux-gnu",
        &["/usr/riscv64-linux-gnu/include"],
    ),
    kernel(
        "s390x",
        "s390x-linux-gnu",
        &["/usr/s390x-linux-gnu/include"],
    ),
    kernel(
        "ppc64le",
        "powerpc64le-linux-gnu",
        &["/usr/powerpc64le-linux-gnu/include"],
    ),
];

/// What the kernel's headers for programs leave out, such as families of sockets, is the same on these ABIs.
pub(super) const LIBC: Source = Source {
    // With the compiler's own headers, which those of libc need.
    options: &["-DLIBC"],
    ..kernel("libc", "x86_64-linux-gnu", X86)
};

const fn kernel(
    name: &'static str,
    target: &'static str,
    folders: &'static [&'static str],
) -> Source {
    Source {
        name,
        target,
        folders,
        options: &["-nostdinc"],
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub name: String,
    /// The `enum` that it stands in; `_IO` of a macro that makes the number of an ioctl; else nothing.
    pub origin: String,
}

/// The constants that are wanted, with their numbers; negative ones as 32 bits.
pub(super) fn constants(
    source: &Source,
    is_wanted: impl Fn(&Name) -> bool,
) -> anyhow::Result<BTreeMap<Name, u64>> {
    let mut names = defined(source)?;
    names.retain(|name| is_wanted(name));
    let headers = include_str!("headers.c");
    // What is no number, a type for example, is an error in its own line.
    let program = |names: &[Name]| {
        let lines = names.iter().map(|Name { name, .. }| {
            format!("const long long gizmo_{name} = (long long)({name});\n")
        });
        headers.to_owned() + &lines.collect::<String>()
    };
    let first = headers.lines().count() + 1;
    let (_, errors) = compile(
        source,
        &["-fsyntax-only", "-ferror-limit=0"],
        &program(&names),
    )?;
    let bad: BTreeSet<usize> = errors.lines().filter_map(line_of_error).collect();
    if let Some(line) = bad.iter().find(|line| **line < first) {
        bail!(
            "headers of {}: line {line} of `headers.c`: {errors}",
            source.name
        );
    }
    let mut line = first;
    names.retain(|_| {
        line += 1;
        !bad.contains(&(line - 1))
    });
    let (code, errors) = compile(source, &["-S", "-emit-llvm", "-o", "-"], &program(&names))?;
    let found: BTreeMap<&str, u64> = code.lines().filter_map(number).collect();
    let number_of = |name: Name| Some((found.get(&*name.name).copied()?, name));
    let count = names.len();
    let numbers: BTreeMap<Name, u64> = names
        .into_iter()
        .filter_map(number_of)
        .map(|(number, name)| (name, number))
        .collect();
    if numbers.len() != count {
        bail!(
            "{} of {} constants of {}: {errors}",
            numbers.len(),
            count,
            source.name
        );
    }
    Ok(numbers)
}

/// Macros without parameters, and what stands in an `enum`.
fn defined(source: &Source) -> anyhow::Result<Vec<Name>> {
    let headers = include_str!("headers.c");
    let (macros, errors) = compile(source, &["-E", "-dM"], headers)?;
    let mut origins: BTreeMap<String, String> = BTreeMap::new();
    for line in macros.lines() {
        let definition = line.strip_prefix("#define ");
        if let Some((name, value)) = definition.and_then(|line| line.split_once(' ')) {
            let origin = if value.starts_with("_IO") { "_IO" } else { "" };
            origins.insert(name.to_owned(), origin.to_owned());
        }
    }
    if origins.is_empty() {
        bail!(
            "no headers of {}, run `cargo xtask setup`: {errors}",
            source.name
        );
    }
    let (text, _) = compile(source, &["-E", "-P"], headers)?;
    for (tag, body) in text.split("enum").skip(1).filter_map(enumeration) {
        let enumerators = body.split(',').filter_map(|one| one.split('=').next());
        origins.extend(enumerators.map(|name| (name.trim().to_owned(), tag.to_owned())));
    }
    let names = origins
        .into_iter()
        .map(|(name, origin)| Name { name, origin });
    Ok(names
        .filter(|name| !name.name.is_empty() && name.name.chars().all(is_of_name))
        .collect())
}

/// ` TAG { BODY } …`
fn enumeration(text: &str) -> Option<(&str, &str)> {
    let (tag, rest) = text.split_once('{')?;
    let tag = tag.trim();
    tag.chars()
        .all(is_of_name)
        .then(|| Some((tag, rest.split_once('}')?.0)))?
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// `constants.c:LINE:COLUMN: error: …`
fn line_of_error(message: &str) -> Option<usize> {
    let (line, rest) = message
        .strip_prefix(FILE)?
        .strip_prefix(':')?
        .split_once(':')?;
    rest.contains(" error: ").then(|| line.parse().ok())?
}

/// `@gizmo_NAME = … constant i64 NUMBER, align 8`
fn number(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.strip_prefix("@gizmo_")?.split_once(" = ")?;
    let number: i64 = rest
        .split_once(" i64 ")?
        .1
        .split(',')
        .next()?
        .parse()
        .ok()?;
    let number = match number {
        0.. => number.cast_unsigned(),
        _ => number.cast_unsigned() & u64::from(u32::MAX),
    };
    Some((name, number))
}

/// What the compiler says on stdout and stderr of a text.
fn compile(source: &Source, words: &[&str], text: &str) -> anyhow::Result<(String, String)> {
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    std::fs::write(folder.path().join(FILE), text).context("failed to write a program")?;
    let clang = std::env::var("CLANG")
        .ok()
        .filter(|named| !named.is_empty());
    let clang = clang.unwrap_or_else(|| "clang-19".to_owned());
    let output = Command::new(&clang)
        .current_dir(folder.path())
        .args([&format!("--target={}", source.target), "-w"])
        .args(source.options)
        .args(
            source
                .folders
                .iter()
                .flat_map(|folder| ["-isystem", folder]),
        )
        .args(words)
        .arg(FILE)
        .output()
        .with_context(|| format!("failed to run `{clang}`, run `cargo xtask setup`"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr)))
}
