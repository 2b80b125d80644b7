//! Named sets of annotations that fields refer to (gadget-image.md 3.4).

/// The annotations of a template, `None` when there is no template of that name.
pub fn template(name: &str) -> Option<&'static [(&'static str, &'static str)]> {
    Some(match name {
        "timestamp" => &[
            ("columns.width", "35"),
            ("columns.maxwidth", "35"),
            ("columns.ellipsis", "end"),
            ("columns.hidden", "true"),
            ("description", "Time, wall clock"),
        ],
        "bytes" => &[("columns.width", "10"), ("columns.alignment", "right")],
        "duration" => &[("columns.width", "20"), ("columns.alignment", "right")],
        "node" | "pod" => &[("columns.width", "30"), ("columns.ellipsis", "middle")],
        "container" | "namespace" | "containerImageName" | "containerImageDigest" => {
            &[("columns.width", "30")]
        }
        "containerPid" => &[
            ("columns.width", "6"),
            ("columns.hidden", "true"),
            ("columns.alignment", "right"),
        ],
        "containerStartedAt" => &[("columns.width", "35"), ("columns.hidden", "true")],
        "comm" => &[("columns.maxwidth", "16"), ("description", "Process name")],
        "pcomm" => &[
            ("columns.maxwidth", "16"),
            ("columns.hidden", "true"),
            ("description", "Parent process name"),
        ],
        "pid" => &[
            ("columns.minwidth", "7"),
            ("columns.alignment", "right"),
            ("description", "Process ID"),
        ],
        "tid" => &[
            ("columns.minwidth", "7"),
            ("columns.alignment", "right"),
            ("description", "Thread ID"),
        ],
        "ppid" => &[
            ("columns.minwidth", "7"),
            ("columns.alignment", "right"),
            ("columns.hidden", "true"),
            ("description", "Parent process ID"),
        ],
        "ptid" => &[
            ("columns.minwidth", "7"),
            ("columns.alignment", "right"),
            ("columns.hidden", "true"),
            ("description", "Parent thread ID"),
        ],
        "uid" => &[
            ("columns.minwidth", "8"),
            ("columns.alignment", "right"),
            ("description", "User ID"),
        ],
        "gid" => &[
            ("columns.minwidth", "8"),
            ("columns.alignment", "right"),
            ("description", "Group ID"),
        ],
        "ns" => &[
            ("columns.width", "12"),
            ("columns.alignment", "right"),
            ("columns.hidden", "true"),
        ],
        "mntns_id" => &[
            ("columns.width", "12"),
            ("columns.alignment", "right"),
            ("columns.hidden", "true"),
            ("description", "Mount namespace ID"),
        ],
        "netns_id" => &[
            ("columns.width", "12"),
            ("columns.alignment", "right"),
            ("columns.hidden", "true"),
            ("description", "Network namespace ID"),
        ],
        "l4endpoint" => &[
            ("columns.minwidth", "22"),
            ("columns.width", "40"),
            ("columns.maxwidth", "52"),
            ("columns.ellipsis", "middle"),
        ],
        "syscall" => &[
            ("columns.width", "18"),
            ("columns.maxwidth", "28"),
            ("description", "Syscall"),
        ],
        "errorString" => &[("columns.width", "12")],
        "user_stack" => &[
            ("columns.hidden", "true"),
            ("description", "User stack trace"),
        ],
        _ => return None,
    })
}
