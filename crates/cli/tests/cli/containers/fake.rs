//! A Docker that is only a socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The id of the one container.
pub const ID: &str = "5bca7848831d69b0b027b7b845a5e7610773acbb256b70c716a52aa2f711a8d9";
/// The id of its image.
pub const IMAGE_ID: &str =
    "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// The digest of its image.
pub const DIGEST: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(120);

/// A process that is the container; ends when it is dropped.
pub struct Process(pub Child);

impl Process {
    #[track_caller]
    pub fn start() -> Self {
        let mut command = Command::new("sleep");
        let command = command.arg("120").stdin(Stdio::null());
        Self(command.spawn().expect("sleep starts"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A socket that takes connections and says nothing.
#[track_caller]
pub fn hang(path: &Path) {
    serve(path, |stream| {
        thread::sleep(FOREVER);
        drop(stream);
    });
}

/// A Docker with one container, which is a process of this host.
#[track_caller]
pub fn docker(path: &Path, name: &str, pid: u32) {
    let name = format!("/{name}");
    serve(path, move |mut stream| {
        let path = request(&mut stream);
        if path.contains("/events") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            thread::sleep(FOREVER);
        } else {
            let body = answer(&path, &name, pid).to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
            let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
        }
    });
}

fn answer(path: &str, name: &str, pid: u32) -> Value {
    if path.ends_with("/version") {
        json!({"ApiVersion": "1.41", "Version": "20.10.24"})
    } else if path.contains("/containers/json") {
        json!([{"Id": ID, "Names": [name], "Image": "demo:1", "ImageID": IMAGE_ID, "State": "running", "Labels": {}}])
    } else if path.contains("/images/") {
        json!({"Id": IMAGE_ID, "RepoDigests": [format!("demo@{DIGEST}")]})
    } else {
        json!({"Id": ID, "Name": name, "Image": IMAGE_ID, "State": {"Running": true, "Pid": pid},
               "Config": {"Image": "demo:1", "Labels": {}}})
    }
}

/// The path of a request.
fn request(stream: &mut UnixStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request);
    text.split([' ', '?']).nth(1).unwrap_or_default().to_owned()
}

#[track_caller]
fn serve(path: &Path, answer: impl Fn(UnixStream) + Clone + Send + 'static) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
}
