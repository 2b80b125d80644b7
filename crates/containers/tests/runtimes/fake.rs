//! Sockets that misbehave: nobody is delayed, nothing fails but the runtime itself.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use gizmo_containers::{Collection, CollectionOptions, RuntimeError, RuntimeKind, RuntimeOptions};

use tempfile::TempDir;

use crate::support::{added, follow};

/// A call to a runtime has two seconds; whoever waits for one waits longer than this.
const SOON: Duration = Duration::from_millis(1500);

/// Serves every connection with a function on a thread of its own.
fn serve(
    folder: &Path,
    name: &str,
    answer: impl Fn(UnixStream) + Clone + Send + 'static,
) -> PathBuf {
    let path = folder.join(name);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    path
}

fn hang(stream: UnixStream) {
    std::thread::sleep(Duration::from_secs(60));
    drop(stream);
}

fn garbage(mut stream: UnixStream) {
    let _ = stream.write_all(&[0x80, 0xff, b'{', 0, b'\r', b'\n'].repeat(5000));
}

/// An answer that never ends, as fast as it is read.
fn flood(mut stream: UnixStream) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[\"");
    while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
}

/// A byte now and then.
fn drip(mut stream: UnixStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[");
    while stream.write_all(b" ").is_ok() {
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn http(stream: &mut UnixStream, answer: impl Fn(&str) -> Option<(u16, String)>) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    match answer(path) {
        Some((status, body)) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
        None => std::thread::sleep(Duration::from_secs(60)),
    }
}

/// A process that a made-up runtime can have as its container.
struct Process(Child);

impl Process {
    fn start() -> Self {
        Self(Command::new("sleep").arg("120").spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// podman with one container that is this process.
fn good_podman(folder: &Path, pid: u32) -> PathBuf {
    serve(folder, "good.sock", move |mut stream| {
        http(&mut stream, |path| {
            let one = format!(
                r#"{{"Id":"0a","Names":["web"],"Image":"demo:1","Pid":{pid},"State":"running"}}"#
            );
            if path.contains("events") {
                None
            } else if path.contains("/0a/") {
                Some((
                    200,
                    format!(r#"{{"Id":"0a","Name":"web","State":{{"Running":true,"Pid":{pid}}}}}"#),
                ))
            } else if path.contains("containers/json") {
                Some((
                    200,
                    format!(
                        r#"[{one},{{"Id":"../../etc","Names":["bad"],"Pid":{pid},"State":"running"}},{{"Id":"0b","Pid":4194000,"State":"running"}}]"#
                    ),
                ))
            } else {
                Some((404, "{}".into()))
            }
        });
    })
}

#[track_caller]
fn others_are_not_delayed(
    bad: impl Fn(UnixStream) + Clone + Send + 'static,
) -> (Collection, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start();
    let sockets: Vec<_> = [
        RuntimeKind::Docker,
        RuntimeKind::Containerd,
        RuntimeKind::CriO,
    ]
    .into_iter()
    .map(|kind| (kind, serve(folder.path(), kind.name(), bad.clone())))
    .chain([(
        RuntimeKind::Podman,
        good_podman(folder.path(), process.0.id()),
    )])
    .collect();
    let began = Instant::now();
    let collection = follow(&sockets);
    let events = collection.subscribe(100);
    let container = added(&events, "web");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(
        (container.pid, container.runtime_name.as_str()),
        (process.0.id(), "podman")
    );
    // Ids that are no ids and processes that are none are not reported.
    assert_eq!(collection.containers().len(), 1);
    // The answer of one is enough, and none is waited for beyond the limit.
    let began = Instant::now();
    assert_eq!(
        collection
            .resolve("0a", Duration::from_secs(5))
            .unwrap()
            .name,
        "web"
    );
    let _ = collection.resolve("0c", Duration::from_millis(200));
    assert!(began.elapsed() < SOON);
    // An end is seen without anybody's help.
    drop(process);
    crate::support::removed(&events, "web");
    (collection, folder)
}

#[track_caller]
fn ends_soon((collection, _folder): (Collection, TempDir)) {
    let began = Instant::now();
    drop(collection);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn a_runtime_that_hangs_delays_nobody() {
    let (collection, folder) = others_are_not_delayed(hang);
    let statuses = collection.wait_listed(Duration::from_secs(30));
    assert!(statuses.iter().all(|it| it.is_asked), "{statuses:?}");
    let failed = statuses.iter().filter(|it| it.error.is_some()).count();
    assert_eq!(failed, 3, "{statuses:?}");
    ends_soon((collection, folder));
}

#[test]
fn a_runtime_that_talks_nonsense_delays_nobody() {
    ends_soon(others_are_not_delayed(garbage));
}

#[test]
fn a_runtime_that_closes_delays_nobody() {
    ends_soon(others_are_not_delayed(drop));
}

#[test]
fn a_runtime_that_drips_delays_nobody() {
    ends_soon(others_are_not_delayed(drip));
}

#[test]
fn a_runtime_that_floods_delays_nobody_and_fills_no_memory() {
    let (collection, folder) = others_are_not_delayed(flood);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // Two HTTP answers of 64 MiB at a time, and buffers that double.
    assert!(peak_kb < 700 << 10, "{peak_kb} kB");
    ends_soon((collection, folder));
}

#[test]
fn lists_of_nonsense_are_errors() {
    for body in ["{}", "[1]", "[{\"Id\":7}]", "", "null,", "[[[[[[[["] {
        let folder = tempfile::tempdir().unwrap();
        let socket = serve(folder.path(), "s", move |mut stream| {
            http(&mut stream, |_| Some((200, body.into())))
        });
        let collection = follow(&[(RuntimeKind::Podman, socket)]);
        let statuses = collection.wait_listed(Duration::from_secs(10));
        assert!(statuses[0].error.is_some(), "{body}: {statuses:?}");
        assert!(collection.containers().is_empty());
    }
}

#[test]
fn a_runtime_that_was_asked_for_must_have_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let options = CollectionOptions {
        runtimes: RuntimeOptions {
            sockets: vec![(RuntimeKind::Docker, folder.path().join("none"))],
            ..Default::default()
        },
        ..Default::default()
    };
    assert!(matches!(
        Collection::start(&options),
        Err(RuntimeError::NoSocket {
            kind: RuntimeKind::Docker,
            ..
        })
    ));
}

#[test]
fn a_runtime_that_appears_later_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start();
    // The socket of a daemon that is gone.
    let path = folder.path().join("good.sock");
    drop(UnixListener::bind(&path).unwrap());
    let collection = follow(&[(RuntimeKind::Podman, path.clone())]);
    let events = collection.subscribe(100);
    let statuses = collection.wait_listed(Duration::from_secs(5));
    assert!(statuses[0].is_asked && statuses[0].error.is_some());
    std::fs::remove_file(path).unwrap();
    good_podman(folder.path(), process.0.id());
    added(&events, "web");
    gizmo_test_runtimes::wait_until("the runtime is well again", SOON, || {
        collection.statuses()[0].error.is_none()
    });
}

#[test]
fn names_arrive_when_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let id = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";
    let began = Instant::now();
    let socket = serve(folder.path(), "s", move |mut stream| {
        http(&mut stream, |path| match path {
            path if path.contains("events") => None,
            path if path.contains(id) && began.elapsed() > Duration::from_millis(300) => {
                Some((200, format!(r#"{{"Id":"{id}","Name":"late"}}"#)))
            }
            path if path.contains(id) => Some((404, "{}".into())),
            _ => Some((200, "[]".into())),
        });
    });
    let collection = follow(&[(RuntimeKind::Podman, socket)]);
    let events = collection.subscribe(100);
    let told = collection
        .identify(&format!("/machine.slice/libpod-{id}.scope"))
        .unwrap();
    let process = Process::start();
    let shown = gizmo_model::container::Container {
        id: told.id,
        runtime_name: told.runtime.unwrap().name().into(),
        pid: process.0.id(),
        mntns_id: 4711,
        ..Default::default()
    };
    assert_eq!(collection.discover(shown).unwrap().name, "");
    let container = added(&events, "late");
    assert_eq!((container.mntns_id, container.pid), (4711, process.0.id()));
    assert_eq!(collection.by_mntns(4711).unwrap().name, "late");
}
