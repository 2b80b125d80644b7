//! Any bytes as a recording, read to the end and shown.

#![no_main]

use std::io::{self, Write};

use gizmo_output::formatters::{self, ClockOffset, Context};
use gizmo_output::{Output, Settings, SharedWriter};
use gizmo_recording::Recording;
use libfuzzer_sys::fuzz_target;

/// So much is shown of one input; how large a block may be has a limit, how many there are has none.
const MAX_SHOWN: usize = 4 << 20;

/// Takes what a terminal shows, and nothing that it acts on.
struct Terminal(usize);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).expect("the output is UTF-8");
        let is_active = |c: char| {
            (c.is_control() && c != '\n') || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(is_active), "{text:?}");
        self.0 += bytes.len();
        if self.0 > MAX_SHOWN {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut mended = bytes.to_vec();
    gizmo_fuzz::mend(&mut mended);
    read(bytes, "json");
    read(&mended, "json");
    read(&mended, "columns");
});

fn read(bytes: &[u8], mode: &str) {
    let Ok(mut recording) = Recording::open(bytes) else {
        return;
    };
    let sources = recording.sources();
    let context = Context::new(ClockOffset(0)).with_architecture("x86_64");
    for source in &sources {
        if formatters::attach(source, &context).is_err() {
            return;
        }
    }
    recording.describe_derived();
    let settings = Settings {
        output: mode.into(),
        terminal_width: Some(80),
        ..Settings::default()
    };
    let writer = SharedWriter::new(Terminal(0));
    let Ok(output) = Output::attach(&sources, &settings, writer.clone()) else {
        return;
    };
    output.start();
    loop {
        match recording.next_block() {
            Ok(None) => break,
            Ok(Some(packets)) => {
                for (source, packet) in packets.map_while(Result::ok) {
                    if writer.is_closed() {
                        return;
                    }
                    source.emit(packet).expect("it is of this data source");
                }
            }
            Err(_) => {}
        }
    }
    output.settle();
}
