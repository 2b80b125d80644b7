//! Example: adds a field to the events of the eBPF program's data source, which says in words what a number means.
//!
//! Host provides: single data source `open` with field `flags_raw` (Int32).
//!
//! Expect: the run succeeds; every event of `open` has `flags` (String).

#![deny(unsafe_code)]

use gizmo_guest::{DataSource, Error, Text, export};

export! { init = init }

fn init() -> Result<(), Error> {
    let open = DataSource::get("open")?;
    let raw = open.field::<i32>("flags_raw")?;
    let flags = open.add_field::<Text>("flags")?;

    // Priority 0: before filters, sorting and output, which then know the new field like any other.
    open.subscribe(0, move |_open, event| -> Result<(), Error> {
        flags.set(event, &names_of(raw.get(event)?))
    })
}

/// The flags of open(2) by name. Those of the guest's own libc are other numbers: these are Linux's.
pub fn names_of(flags: i32) -> String {
    const ACCESS: [&str; 4] = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"];
    const REST: [(i32, &str); 5] = [
        (0o100, "O_CREAT"),
        (0o200, "O_EXCL"),
        (0o1000, "O_TRUNC"),
        (0o2000, "O_APPEND"),
        (0o2000000, "O_CLOEXEC"),
    ];
    let mut names = vec![ACCESS[(flags & 3) as usize].to_owned()];
    let mut unknown = flags & !3;
    for (flag, name) in REST {
        if flags & flag != 0 {
            names.push(name.to_owned());
            unknown &= !flag;
        }
    }
    if unknown != 0 {
        names.push(format!("{unknown:#o}"));
    }
    names.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names() {
        assert_eq!(names_of(0), "O_RDONLY");
        assert_eq!(names_of(0o2000101), "O_WRONLY|O_CREAT|O_CLOEXEC");
        assert_eq!(names_of(0o40000000 | 2), "O_RDWR|0o40000000");
    }
}
