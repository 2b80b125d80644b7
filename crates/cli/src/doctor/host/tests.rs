use super::*;

const UNIFIED: &str = "\
24 29 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
32 24 0:28 / /sys/fs/bpf rw,nosuid shared:11 - bpf bpf rw,mode=700
36 24 0:12 / /sys/kernel/tracing rw shared:15 - tracefs tracefs rw
";

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
33 31 0:30 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,name=systemd
34 31 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory
";

const LEGACY: &str = "\
33 31 0:30 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,name=systemd
34 31 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory
";

fn mode(mountinfo: &str) -> CgroupMode {
    CgroupMode::of(&mounts(mountinfo))
}

#[test]
fn the_cgroup_mode_is_what_is_mounted() {
    assert_eq!(mode(UNIFIED), CgroupMode::Unified("/sys/fs/cgroup".into()));
    assert_eq!(
        mode(HYBRID),
        CgroupMode::Hybrid("/sys/fs/cgroup/unified".into())
    );
    assert_eq!(mode(LEGACY), CgroupMode::Legacy);
    assert_eq!(mode(""), CgroupMode::None);
    for (text, status, has_ids) in [
        (UNIFIED, Status::Ok, true),
        (HYBRID, Status::Ok, true),
        (LEGACY, Status::Warn, false),
        ("", Status::Warn, false),
    ] {
        assert_eq!(cgroups(&mode(text)).status, status);
        assert_eq!(mode(text).has_ids(), has_ids);
    }
}

#[test]
fn a_whole_hierarchy_goes_before_a_part_of_one() {
    let text = format!("29 1 0:26 /a /part rw - cgroup2 cgroup2 rw\n{UNIFIED}");
    assert_eq!(mode(&text), CgroupMode::Unified("/sys/fs/cgroup".into()));
    let part = "29 1 0:26 /a /part rw - cgroup2 cgroup2 rw\n";
    assert_eq!(mode(part), CgroupMode::Unified("/part".into()));
}

#[test]
fn paths_of_mounts_are_unescaped_and_other_lines_passed_over() {
    let text = "x\n1 2 3 - cgroup2\n36 24 0:12 / /a\\040b\\134c\\09 rw - tracefs t rw\n";
    let found = mounts(text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].point, "/a b\\c\\09");
    assert_eq!(unescape("\\"), "\\");
    assert_eq!(unescape("\\777x"), "\\777x");
}

#[test]
fn what_is_not_mounted_is_told_with_the_command_that_mounts_it() {
    let check = tracefs(&mounts(LEGACY));
    assert_eq!(check.status, Status::Warn);
    assert!(
        check
            .advice
            .contains("mount -t tracefs none /sys/kernel/tracing"),
        "{check:?}"
    );
    let elsewhere = tracefs(&mounts("36 24 0:12 / /t\x1b rw - tracefs t rw\n"));
    assert!(elsewhere.found.contains("/t\\u{1b}"), "{elsewhere:?}");
    assert_eq!(bpffs(&mounts(LEGACY)).status, Status::Absent);
    assert_eq!(bpffs(&mounts(UNIFIED)).found, "mounted at /sys/fs/bpf");
}

#[test]
fn rights_are_bits_of_the_effective_set() {
    let of = |mask: &str| Rights::parse(&format!("Name:\tx\nCapPrm:\t0\nCapEff:\t{mask}\n"));
    let all = of("000001ffffffffff");
    let check = rights(&all, true);
    assert_eq!(check.status, Status::Ok);
    assert!(check.found.starts_with("root; has CAP_SYS_ADMIN, CAP_BPF"));
    assert!(!check.found.contains("lacks"));
    let without_resource = rights(&of("000001fffeffffff"), true);
    assert_eq!(without_resource.status, Status::Ok);
    assert!(without_resource.found.ends_with("lacks CAP_SYS_RESOURCE"));
    let admin = rights(&of("0000000000200000"), false);
    assert_eq!(admin.status, Status::Warn);
    assert!(admin.advice.contains("CAP_SYS_PTRACE"));
    for mask in ["0000000000000000", "000000c000000000", "nonsense", ""] {
        let check = rights(&of(mask), false);
        assert_eq!(check.status, Status::Missing, "{mask}");
        assert!(check.advice.contains("CAP_SYS_ADMIN"), "{check:?}");
    }
    assert!(!Rights::parse("").may_load());
}
