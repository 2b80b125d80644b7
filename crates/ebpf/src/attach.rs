//! Where programs are attached: the section's name, or what the metadata puts in its place.

/// Attaching is skipped for this target (gadget-image.md 3.10).
const DISABLED: &str = "gadget_program_disabled";

/// Where a program is to be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachPoint {
    /// A raw tracepoint.
    RawTracepoint(String),
    /// A raw tracepoint with typed arguments; the target is fixed when the program is loaded.
    BtfTracepoint(String),
    /// A tracepoint of a category.
    Tracepoint {
        /// Category, such as `syscalls`.
        category: String,
        /// Name in the category.
        name: String,
    },
    /// An iterator over things of a kind, such as `task`: run when somebody asks, and fixed when it is loaded.
    Iterator(String),
    /// The entry or the exit of a kernel function, by way of a trampoline; the target is fixed when the program is loaded.
    Function(String),
    /// Loaded, since others may call it, but not attached.
    Disabled,
}

impl std::fmt::Display for AttachPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AttachPoint::RawTracepoint(name)
            | AttachPoint::BtfTracepoint(name)
            | AttachPoint::Iterator(name)
            | AttachPoint::Function(name) => f.write_str(name),
            AttachPoint::Tracepoint { category, name } => write!(f, "{category}/{name}"),
            AttachPoint::Disabled => f.write_str("nothing"),
        }
    }
}

/// Why a section has no attach point.
#[derive(Debug, PartialEq, Eq)]
pub enum NoAttachPoint {
    /// The program type is not there yet.
    Unsupported,
    /// The target makes no sense.
    BadTarget(String),
}

/// The attach point of a program in `section`; `attach_to` is the metadata's replacement for the section's target.
///
/// # Errors
/// The section is of a type that is not there yet, or the target makes no sense.
pub fn attach_point(section: &str, attach_to: Option<&str>) -> Result<AttachPoint, NoAttachPoint> {
    let section = section.strip_prefix('?').unwrap_or(section);
    let (kind, own_target) = section.split_once('/').unwrap_or((section, ""));
    let target = attach_to.unwrap_or(own_target);
    if target == DISABLED || own_target == DISABLED {
        return Ok(AttachPoint::Disabled);
    }
    match kind {
        "raw_tracepoint" | "raw_tp" => named(target).map(AttachPoint::RawTracepoint),
        "tp_btf" => named(own_target).map(AttachPoint::BtfTracepoint),
        "iter" | "iter.s" => named(own_target).map(AttachPoint::Iterator),
        "fentry" | "fexit" => named(target).map(AttachPoint::Function),
        "tracepoint" | "tp" => match target.split_once('/') {
            Some((category, name)) => Ok(AttachPoint::Tracepoint {
                category: named(category)?,
                name: named(name)?,
            }),
            None => Err(NoAttachPoint::BadTarget(target.to_owned())),
        },
        _ => Err(NoAttachPoint::Unsupported),
    }
}

/// Names of tracepoints are C identifiers; anything else would be a path into tracefs.
fn named(target: &str) -> Result<String, NoAttachPoint> {
    let valid = !target.is_empty()
        && target
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if valid {
        Ok(target.to_owned())
    } else {
        Err(NoAttachPoint::BadTarget(target.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_name_their_targets() {
        let raw = AttachPoint::RawTracepoint("sys_enter".into());
        assert_eq!(
            attach_point("raw_tracepoint/sys_enter", None),
            Ok(raw.clone())
        );
        assert_eq!(attach_point("?raw_tp/sys_enter", None), Ok(raw));
        assert_eq!(
            attach_point("tp_btf/sys_exit", None),
            Ok(AttachPoint::BtfTracepoint("sys_exit".into()))
        );
        for section in ["iter/task", "iter.s/task"] {
            let point = attach_point(section, None);
            assert_eq!(point, Ok(AttachPoint::Iterator("task".into())));
        }
        let write = AttachPoint::Tracepoint {
            category: "syscalls".into(),
            name: "sys_enter_write".into(),
        };
        assert_eq!(
            attach_point("tracepoint/syscalls/sys_enter_write", None),
            Ok(write)
        );
        let read = AttachPoint::Function("vfs_read".into());
        assert_eq!(attach_point("fentry/vfs_read", None), Ok(read.clone()));
        assert_eq!(attach_point("?fexit/slot", Some("vfs_read")), Ok(read));
    }

    #[test]
    fn the_metadata_replaces_or_disables_a_target() {
        let sched = AttachPoint::Tracepoint {
            category: "sched".into(),
            name: "sched_switch".into(),
        };
        assert_eq!(
            attach_point("tp/a/b", Some("sched/sched_switch")),
            Ok(sched)
        );
        assert_eq!(
            attach_point("tp_btf/sys_exit", Some(DISABLED)),
            Ok(AttachPoint::Disabled)
        );
        assert_eq!(
            attach_point("kprobe/gadget_program_disabled", None),
            Ok(AttachPoint::Disabled)
        );
    }

    #[test]
    fn other_sections_and_odd_targets_are_refused() {
        assert_eq!(
            attach_point("kprobe/vfs_read", None),
            Err(NoAttachPoint::Unsupported)
        );
        assert_eq!(attach_point("xdp", None), Err(NoAttachPoint::Unsupported));
        assert!(matches!(
            attach_point("tracepoint/nocategory", None),
            Err(NoAttachPoint::BadTarget(_))
        ));
        assert!(matches!(
            attach_point("tracepoint/../../x", None),
            Err(NoAttachPoint::BadTarget(_))
        ));
        assert!(matches!(
            attach_point("raw_tp/", None),
            Err(NoAttachPoint::BadTarget(_))
        ));
    }
}
