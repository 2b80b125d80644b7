//! Calls as pictures, made of files that this test has written with the library: no root, no kernel.

mod page;
mod perfetto;
mod strace;
mod view;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gizmo_model::field::FieldSpec;
use gizmo_model::{DataSource, Field, Kind, Packet, Shape};
use gizmo_recording::{Header, Host};

use crate::recording_file::RecordingFile;
use crate::support::{BINARY, Gizmo, Ran};

/// 2023-11-14T22:13:20Z.
const TIME_NS: u64 = 1_700_000_000_000_000_000;

/// Text that ends elements of a page, clears screens, and turns the direction of what follows.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\x1b[2J\u{202e}\u{2028}";

/// A call as it is recorded.
#[derive(Clone)]
struct Call {
    start_ns: u64,
    duration_ns: u64,
    pid: u64,
    tid: u64,
    comm: String,
    container: String,
    abi: &'static str,
    syscall: &'static str,
    /// Name, register and meaning.
    args: Vec<(&'static str, String, Option<String>)>,
    ret: String,
    error: &'static str,
    unfinished: bool,
}

impl Call {
    /// `close(3) = 0` of thread 7 of process 7.
    fn new(start_ns: u64, duration_ns: u64) -> Self {
        Self {
            start_ns,
            duration_ns,
            pid: 7,
            tid: 7,
            comm: "cat".to_owned(),
            container: "web".to_owned(),
            abi: "x86_64",
            syscall: "close",
            args: vec![("fd", "3".to_owned(), None)],
            ret: "0".to_owned(),
            error: "",
            unfinished: false,
        }
    }

    /// An `openat` of a file.
    fn open(start_ns: u64, path: &str, error: &'static str) -> Self {
        Self {
            syscall: "openat",
            args: vec![
                ("dfd", "-100".to_owned(), Some("AT_FDCWD".to_owned())),
                ("filename", "0x1000".to_owned(), Some(format!("{path:?}"))),
                (
                    "flags",
                    "0x80000".to_owned(),
                    Some("O_RDONLY|O_CLOEXEC".to_owned()),
                ),
                ("mode", "0".to_owned(), None),
            ],
            ret: match error {
                "" => "3".to_owned(),
                error => format!("-1 {error} (No such file or directory)"),
            },
            error,
            ..Self::new(start_ns, 2000)
        }
    }

    fn exit(start_ns: u64, status: u8) -> Self {
        Self {
            syscall: "exit_group",
            args: vec![("error_code", status.to_string(), None)],
            ret: "X".to_owned(),
            ..Self::new(start_ns, 0)
        }
    }

    /// A `read` that has not returned.
    fn in_flight(start_ns: u64, duration_ns: u64) -> Self {
        Self {
            syscall: "read",
            ret: "unfinished".to_owned(),
            unfinished: true,
            ..Self::new(start_ns, duration_ns)
        }
    }

    fn parameters(&self) -> String {
        let shown = self
            .args
            .iter()
            .map(|(name, value, text)| format!("{name}={}", text.as_ref().unwrap_or(value)));
        shown.collect::<Vec<_>>().join(", ")
    }

    fn args(&self) -> String {
        let args = self.args.iter().map(|(name, value, text)| {
            serde_json::json!({"name": name, "value": value, "text": text, "len": null, "truncated": false})
        });
        serde_json::Value::from_iter(args).to_string()
    }
}

/// The data source of calls, with the fields that traceloop has.
struct Calls {
    source: DataSource,
    numbers: Vec<Arc<Field>>,
    texts: Vec<Arc<Field>>,
}

impl Calls {
    fn new() -> Self {
        let source = DataSource::described("traceloop", Shape::Single, vec![], [].into());
        let add = |spec| source.add_field(spec).unwrap();
        let time =
            add(FieldSpec::new("timestamp_raw", Kind::Uint64).tagged("type:gadget_timestamp"));
        let runtime = add(FieldSpec::group("runtime"));
        let container = add(FieldSpec::new("containerName", Kind::String).below(&runtime));
        let number = |name, kind| add(FieldSpec::new(name, kind));
        let mut numbers = vec![time];
        for name in ["pid", "tid", "uid"] {
            numbers.push(number(name, Kind::Uint32));
        }
        numbers.push(number("cpu", Kind::Uint16));
        numbers.push(number("duration_raw", Kind::Uint64));
        numbers.push(number("unfinished", Kind::Bool));
        numbers.push(number("at_least", Kind::Bool));
        let mut texts = vec![container];
        for name in [
            "comm",
            "abi",
            "syscall",
            "parameters",
            "args",
            "ret",
            "error",
        ] {
            texts.push(add(FieldSpec::new(name, Kind::String)));
        }
        Self {
            source,
            numbers,
            texts,
        }
    }

    fn packet(&self, call: &Call) -> Packet {
        let mut element = self.source.new_element();
        let start = TIME_NS + call.start_ns;
        let values = [
            start,
            call.pid,
            call.tid,
            1000,
            1,
            call.duration_ns,
            u64::from(call.unfinished),
            0,
        ];
        for (field, value) in self.numbers.iter().zip(values) {
            field.set_value(&mut element, value).unwrap();
        }
        let (parameters, args) = (call.parameters(), call.args());
        let texts = [
            &call.container,
            &call.comm,
            call.abi,
            call.syscall,
            &parameters,
            &args,
            &call.ret,
            call.error,
        ];
        for (field, text) in self.texts.iter().zip(texts) {
            field.set_bytes(&mut element, text.as_bytes()).unwrap();
        }
        Packet::Single(element)
    }
}

/// Writes a recording of calls, with a loss behind the first, and returns its path.
fn recording(gizmo: &Gizmo, list: impl IntoIterator<Item = Call>) -> PathBuf {
    let calls = Calls::new();
    let notice = [("cli.notice".into(), "message".into())].into();
    let losses = DataSource::described("traceloop_lost", Shape::Single, vec![], notice);
    let add = |name, kind| losses.add_field(FieldSpec::new(name, kind)).unwrap();
    let time = add("timestamp_raw", Kind::Uint64);
    let lost = add("lost", Kind::Uint64);
    let message = add("message", Kind::String);

    let header = Header {
        gadget: "traceloop".into(),
        host: Host {
            architecture: "x86_64".into(),
            ..Host::default()
        },
        ..Header::default()
    };
    let path = gizmo.path("calls.gzr");
    let mut file = RecordingFile::begin(path, &header, &[&calls.source, &losses]);
    for (place, call) in list.into_iter().enumerate() {
        file.push(&calls.source, &calls.packet(&call));
        if place == 0 {
            let mut element = losses.new_element();
            time.set_value(&mut element, TIME_NS + 500).unwrap();
            lost.set_value(&mut element, 70).unwrap();
            let text = format!("70 are missing {HOSTILE}");
            message.set_bytes(&mut element, text.as_bytes()).unwrap();
            file.push(&losses, &Packet::Single(element));
        }
    }
    file.end(TIME_NS + 2_500_000_000)
}

/// One of everything.
fn few() -> Vec<Call> {
    let thread = Call {
        tid: 8,
        comm: "worker".to_owned(),
        ..Call::new(4000, 1_500_000)
    };
    let narrow = Call {
        abi: "i386",
        ..Call::new(9000, 100)
    };
    let hostile = Call {
        comm: HOSTILE.to_owned(),
        container: HOSTILE.to_owned(),
        pid: 20,
        tid: 20,
        ..Call::open(12_000, HOSTILE, "")
    };
    vec![
        Call::open(1000, "/etc/passwd", ""),
        Call::open(3000, "/no/such", "ENOENT"),
        thread,
        narrow,
        Call::new(10_000, 1000),
        hostile,
        Call::exit(20_000, 3),
        Call::in_flight(5000, 2_000_000_000),
    ]
}

/// What `gizmo show FILE -o MODE` prints.
#[track_caller]
fn shown(gizmo: &Gizmo, path: &Path, mode: &str) -> Vec<u8> {
    let ran = gizmo.ok(["show", path.to_str().unwrap(), "-o", mode]);
    assert_eq!(ran.stderr(), "");
    ran.out
}

/// A program that `cargo xtask setup` has installed for tests.
#[track_caller]
pub fn reader(name: &str) -> PathBuf {
    let profile = Path::new(BINARY).parent().expect("a folder");
    let path = profile.join("../readers/bin").join(name);
    assert!(
        path.exists(),
        "`cargo xtask test` installs {}",
        path.display()
    );
    path
}

#[test]
fn a_terminal_gets_nothing_that_is_not_for_it() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    for mode in ["html", "perfetto"] {
        let command = format!("{BINARY} show {} -o {mode}", file.display());
        // The terminal that `script` makes does not know its size when nobody has one.
        let mut script = Command::new("script");
        let ran = Ran::of(
            script
                .args(["-qec", &command, "/dev/null"])
                .stdin(Stdio::null()),
        );
        let said = ran.stdout();
        assert_eq!(ran.code, Some(1), "{said}");
        assert!(
            said.contains(&format!("`{mode}` is nothing for a terminal")),
            "{said}"
        );
    }
}

#[test]
fn only_calls_can_be_pictures() {
    let gizmo = Gizmo::new();
    let file = recording(&gizmo, few());
    let file = file.to_str().unwrap();
    let ran = gizmo.ok(["show", file, "-o", "traceloop:strace"]);
    assert!(ran.stdout().contains("openat("));
    gizmo.fails(
        ["show", file, "--summary", "-o", "html"],
        &["output mode `html` is not supported", "columns, json"],
    );
}
