//! Tests of the rules: strings from declarations, buffers from the table, and the limits of both.

use super::*;
use crate::{Abi, fallback, table};

fn parameters(declared: &[(&'static str, &'static str)]) -> Vec<Parameter> {
    declared
        .iter()
        .map(|&(ctype, name)| Parameter {
            name: name.into(),
            ctype: ctype.into(),
        })
        .collect()
}

#[test]
fn char_pointers_are_strings_at_enter() {
    let declared = parameters(&[
        ("int", "dfd"),
        ("const char *", "filename"),
        ("int", "flags"),
        ("umode_t", "mode"),
    ]);
    assert_eq!(
        rules("openat", &declared),
        [CaptureRule {
            arg: 1,
            kind: CaptureKind::Str,
            when: When::Enter,
            only: None,
        }]
    );
    let declared = parameters(&[("char *", "name"), ("int", "flags")]);
    assert_eq!(rules("umount2", &declared).len(), 1);
    let declared = parameters(&[
        ("const char __user *", "a"),
        ("const char *const *", "b"),
        ("unsigned char *", "c"),
    ]);
    assert_eq!(
        rules("invented", &declared)
            .iter()
            .map(|rule| rule.arg)
            .collect::<Vec<_>>(),
        [0]
    );
}

#[test]
fn buffers_are_not_strings() {
    let declared = parameters(&[
        ("unsigned int", "fd"),
        ("char *", "buf"),
        ("size_t", "count"),
    ]);
    assert_eq!(
        rules("read", &declared),
        [CaptureRule {
            arg: 1,
            kind: CaptureKind::Bytes { len: Len::Return },
            when: When::Exit,
            only: None,
        }]
    );
    assert_eq!(
        rules("write", &declared),
        [CaptureRule {
            arg: 1,
            kind: CaptureKind::Bytes { len: Len::Arg(2) },
            when: When::Enter,
            only: None,
        }]
    );
    let declared = parameters(&[("int", "shmid"), ("char *", "shmaddr"), ("int", "shmflg")]);
    assert_eq!(rules("shmat", &declared), []);
}

#[test]
fn strings_and_buffers_of_one_call_are_ordered_by_argument() {
    let declared = parameters(&[
        ("const char *", "pathname"),
        ("const char *", "name"),
        ("void *", "value"),
        ("size_t", "size"),
    ]);
    let found = rules("getxattr", &declared);
    assert_eq!(
        found.iter().map(|rule| rule.arg).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(
        found[2].kind,
        CaptureKind::Bytes {
            len: Len::MinArgReturn(3)
        }
    );
}

#[test]
fn a_declaration_that_contradicts_the_table_wins() {
    let declared = parameters(&[
        ("unsigned int", "fd"),
        ("unsigned long", "buf"),
        ("size_t", "count"),
    ]);
    assert_eq!(rules("read", &declared), []);
    assert_eq!(rules("read", &declared[..1]), []);
}

#[test]
fn listed_rules_need_no_declaration() {
    assert_eq!(rules("sendto", &[]).len(), 2);
    assert_eq!(rules("syscall_270f", &[]), []);
}

#[test]
fn no_call_has_more_than_four_rules() {
    let declared = parameters(&[("char *", "a"); 8]);
    for name in ["invented", "mount", "execve", "sendto"] {
        assert_eq!(rules(name, &declared).len(), MAX_RULES, "{name}");
    }
    assert!(
        rules("sendto", &declared).iter().any(|rule| rule.arg == 4),
        "listed rules come first"
    );
}

#[test]
fn calls_that_do_not_come_back_fork_or_exec_are_known() {
    assert!(behaviour("exit_group").never_returns && behaviour("rt_sigreturn").never_returns);
    assert!(behaviour("clone3").forks && !behaviour("clone3").never_returns);
    assert!(behaviour("execveat").execs);
    assert_eq!(behaviour("read"), Behaviour::default());
}

#[test]
fn calls_whose_content_matters_have_a_rule_in_every_abi_that_has_them() {
    const NAMES: &str = "openat2 execveat unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat \
        readlink readlinkat chmod fchmodat chown fchownat mkdirat rmdir mknod truncate faccessat faccessat2 chroot \
        umount2 setxattr listxattr sendto recvfrom sendmsg recvmsg bind accept accept4 getsockname getpeername \
        pwrite64 readv writev preadv pwritev memfd_create inotify_add_watch fsopen fsconfig move_mount open_tree \
        swapon execve access open mkdir chdir sethostname statfs stat lstat openat statx newfstatat fgetxattr \
        getxattr pivot_root mount read pread64 write connect getcwd add_key request_key init_module finit_module";
    let mut found = 0;
    for name in NAMES.split_ascii_whitespace() {
        for abi in Abi::ALL {
            if let Some(declaration) = fallback::declaration(abi, name) {
                assert_ne!(rules(name, &declaration.parameters), [], "{abi}:{name}");
                found += 1;
            }
        }
    }
    assert!(found > 250, "only {found} declarations were there to check");
}

#[test]
fn listed_calls_point_at_pointers_in_every_abi() {
    for abi in Abi::ALL {
        for (_, name) in table::entries(abi) {
            let Some(declaration) = fallback::declaration(abi, name) else {
                continue;
            };
            let found = rules(name, &declaration.parameters);
            assert!(found.is_sorted_by_key(|rule| rule.arg));
            // i386's old ones take one pointer to all arguments.
            let is_other = matches!((abi, name), (Abi::I386, "select"));
            for listed in super::table::listed(name) {
                assert!(
                    is_other || found.contains(listed),
                    "{abi}:{name} lost the rule of argument {}",
                    listed.arg
                );
            }
        }
    }
}
