//! The programs whose arguments are compared: what shells, tools, interpreters, compilers and servers do.

use crate::fixture::{Fixture, Link};
use crate::recording::Record;
use crate::run;
use crate::strace::Threads;

pub struct Program {
    pub name: &'static str,
    what: What,
}

enum What {
    /// One of `testing/fixtures`.
    Fixture(Link),
    /// A program that is installed, with its arguments.
    Installed(&'static str, &'static [&'static str]),
}

const fn fixture(name: &'static str, link: Link) -> Program {
    let what = What::Fixture(link);
    Program { name, what }
}

const fn installed(
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
) -> Program {
    let what = What::Installed(program, args);
    Program { name, what }
}

const fn shell(name: &'static str, script: &'static [&'static str; 2]) -> Program {
    installed(name, "/bin/sh", script)
}

const SOCKETS: &str = "
import socket, select, os
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', 0)); s.listen()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c = socket.create_connection(s.getsockname()); a, _ = s.accept()
a.send(b'hello'); c.settimeout(1); print(c.recv(9)); c.setblocking(False)
p = select.poll(); p.register(a, select.POLLIN); p.register(c, select.POLLOUT); p.poll(10)
e = select.epoll(); e.register(c, select.EPOLLIN | select.EPOLLET); c.sendall(b'x'); a.send(b'y'); e.poll(1)
e.modify(c, select.EPOLLOUT); e.unregister(c); select.select([a], [c], [], 0.1)
u, v = socket.socketpair(); u.sendmsg([b'one', b'two']); v.recvmsg(10); v.shutdown(socket.SHUT_RDWR)
d = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); d.bind(('::1', 0)); d.sendto(b'z', d.getsockname()); d.recvfrom(3)
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 0)); n.getsockname()
a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR); a.getpeername()
";

const PROCESSES: &str = "
import os, signal, subprocess, threading, time, resource, fcntl, mmap, tempfile, stat
threading.Thread(target=lambda: time.sleep(0.01)).start()
print(subprocess.run(['/bin/ls', '-l', '/'], capture_output=True).returncode)
signal.signal(signal.SIGUSR1, lambda *a: None); os.kill(os.getpid(), signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); signal.sigpending()
signal.setitimer(signal.ITIMER_REAL, 5); signal.setitimer(signal.ITIMER_REAL, 0); signal.alarm(0)
p = os.fork()
if p == 0: os._exit(3)
os.waitid(os.P_PID, p, os.WEXITED); resource.getrusage(resource.RUSAGE_SELF); resource.getrlimit(resource.RLIMIT_NOFILE)
p = os.fork()
if p == 0: os.kill(os.getpid(), signal.SIGKILL)
os.wait4(p, 0); os.uname(); os.times(); os.getresuid(); os.getgroups(); os.sched_getaffinity(0); os.getpriority(os.PRIO_PROCESS, 0)
f = tempfile.TemporaryFile(); f.write(b'x' * 4096); f.flush(); fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.fcntl(f, fcntl.F_GETFL); fcntl.fcntl(f, fcntl.F_SETFL, os.O_NONBLOCK); os.ftruncate(f.fileno(), 100)
os.posix_fallocate(f.fileno(), 0, 100); os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
m = mmap.mmap(-1, 8192); m.madvise(mmap.MADV_DONTNEED); m.flush(); m.close()
os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK); os.memfd_create('m'); os.eventfd(3, os.EFD_NONBLOCK) if hasattr(os, 'eventfd') else 0
os.statvfs('/'); os.makedirs('a/b'); os.mkfifo('a/f', 0o600); os.chmod('a', 0o750); os.link('/etc/hostname', 'a/h') if 0 else 0
open('a/x', 'w').write('1'); os.utime('a/x', (1, 2)); os.rename('a/x', 'a/y'); os.symlink('y', 'a/z'); os.readlink('a/z')
os.setxattr('a/y', 'user.a', b'v') if 0 else 0; os.unlink('a/y'); os.umask(0o77); os.access('/', os.R_OK | os.X_OK)
os.lseek(f.fileno(), 0, os.SEEK_END); os.pread(f.fileno(), 3, 0); os.pwrite(f.fileno(), b'q', 1); os.sendfile(1, f.fileno(), 0, 2)
time.clock_gettime(time.CLOCK_MONOTONIC); time.sleep(0.001); os.sync() if 0 else 0; os.fsync(f.fileno()); os.getrandom(4)
";

pub const FIXTURES: &[Program] = &[
    fixture("meanings", Link::Static),
    fixture("files", Link::Static),
    fixture("libc", Link::Dynamic),
    fixture("threads", Link::Dynamic),
    fixture("forks", Link::Static),
    fixture("signals", Link::Static),
    fixture("errnos", Link::Static),
    fixture("sockets", Link::Static),
    fixture("vectors", Link::Static),
    fixture("messages", Link::Static),
    fixture("execs", Link::Static),
    fixture("options", Link::Static),
    fixture("i386", Link::Narrow),
    fixture("options", Link::Narrow),
    fixture("sockets", Link::Narrow),
    fixture("messages", Link::Narrow),
];

pub const INSTALLED: &[Program] = &[
    installed("ls", "/bin/ls", &["-la", "/usr/bin"]),
    installed("cat", "/bin/cat", &["/etc/passwd", "/no/such"]),
    installed(
        "find",
        "/usr/bin/find",
        &["/etc", "-maxdepth", "2", "-newer", "/etc/passwd"],
    ),
    installed(
        "grep",
        "/bin/grep",
        &["-r", "root", "/etc/pam.d", "/etc/passwd"],
    ),
    installed("python with sockets", "/usr/bin/python3", &["-c", SOCKETS]),
    installed(
        "python with processes",
        "/usr/bin/python3",
        &["-c", PROCESSES],
    ),
    installed(
        "perl",
        "/usr/bin/perl",
        &[
            "-e",
            "open F, '>', 'x'; print F 1; close F; print `date`; select undef, undef, undef, 0.01; kill 0, $$",
        ],
    ),
    shell(
        "pipelines",
        &[
            "-c",
            "ls / | sort -r | head -3 > out; wc -l < out; test -f out && rm out; sleep 0.01 & wait; trap : USR1; kill -USR1 $$",
        ],
    ),
    shell(
        "tar",
        &[
            "-c",
            "mkdir d; cp /etc/passwd d; ln -s passwd d/l; tar czf d.tgz d; rm -r d; tar xzf d.tgz; tar tvf d.tgz",
        ],
    ),
    shell(
        "make",
        &[
            "-c",
            "printf 'all: a\\n\\techo done\\na:\\n\\ttouch a\\n' > Makefile; make; make -j2",
        ],
    ),
    shell(
        "gcc",
        &[
            "-c",
            "printf '#include <stdio.h>\\nint main(void){puts(\"hi\");}' > h.c; gcc -o h h.c; ./h",
        ],
    ),
    shell(
        "git",
        &[
            "-c",
            "git init -q r; cd r; echo a > a; git add a; git -c user.name=a -c user.email=b commit -qm a; git log --oneline; git status -s",
        ],
    ),
    shell(
        "coreutils",
        &[
            "-c",
            "touch f; chmod 600 f; mkfifo p; mknod q p; stat f; df / ; dd if=/dev/zero of=f bs=1k count=3; truncate -s 5 f; cp -a f g; mv g h; timeout 1 true; nice true; date; id; uname -a; env -i true; mktemp; tail -c 3 f; split -b 2 f; sync f; chown 0:0 f; ulimit -n",
        ],
    ),
];

#[track_caller]
pub fn run(program: &Program) -> (Threads, Vec<Record>) {
    match program.what {
        What::Fixture(link) => run::named(&Fixture::compile(program.name, link), &[]),
        What::Installed(path, args) => run::named(&Fixture::installed(path), args),
    }
}
